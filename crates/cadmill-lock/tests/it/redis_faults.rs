//! The lock on a Redis that is restarted, flushed, frozen or gone.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use cadmill_lock::{
    DedupLock, Exclusive, LockError, LockKey, contract::Unreliable, redis::RedisLock, run_exclusive,
};
use tokio::time::{sleep, timeout};

use crate::redis_server::RedisServer;

const TTL: Duration = Duration::from_mins(10);

/// Waits until the condition holds.
pub(crate) async fn until(mut condition: impl AsyncFnMut() -> bool) {
    let wait = async {
        while !condition().await {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(Duration::from_secs(30), wait)
        .await
        .expect("waited in vain");
}

#[tokio::test]
async fn a_restart_is_survived() {
    let mut server = RedisServer::start();
    let lock = RedisLock::connect(&server.url(), "worker").await.unwrap();
    let key = LockKey::new("key");
    for _ in 0..3 {
        let lease = lock.try_acquire(&key, TTL).await.unwrap().unwrap();
        server.kill();
        for _ in 0..20 {
            let answer = lock.try_acquire(&key, TTL).await;
            assert!(
                matches!(answer, Err(LockError::Unavailable(_))),
                "{answer:?}"
            );
        }
        assert!(matches!(lock.ping().await, Err(LockError::Unavailable(_))));
        assert!(matches!(
            lock.renew(&lease, TTL).await,
            Err(LockError::Unavailable(_))
        ));
        server.start_again();
        let started = Instant::now();
        until(async || lock.ping().await.is_ok()).await;
        println!("reconnected {:?} after the restart", started.elapsed());
        // It has forgotten the lease and the scripts.
        assert!(!lock.renew(&lease, TTL).await.unwrap());
        assert!(!lock.release(&lease).await.unwrap());
        assert_eq!(lock.holder(&key).await.unwrap(), None);
    }
}

#[tokio::test]
async fn forgotten_scripts_are_sent_again() {
    let server = RedisServer::start();
    let lock = RedisLock::connect(&server.url(), "worker").await.unwrap();
    let key = LockKey::new("key");
    for _ in 0..2 {
        let lease = lock.try_acquire(&key, TTL).await.unwrap().unwrap();
        assert_eq!(server.command("SCRIPT FLUSH"), "+OK");
        assert!(lock.renew(&lease, TTL).await.unwrap());
        assert_eq!(server.command("SCRIPT FLUSH"), "+OK");
        assert!(lock.holder(&key).await.unwrap().is_some());
        assert_eq!(server.command("SCRIPT FLUSH"), "+OK");
        assert!(lock.release(&lease).await.unwrap());
    }
}

#[tokio::test]
async fn a_lease_that_was_flushed_is_taken_again() {
    let server = RedisServer::start();
    let lock = RedisLock::connect(&server.url(), "worker").await.unwrap();
    let lock: Arc<dyn DedupLock> = Arc::new(lock);
    let key = LockKey::new("key");
    let outcome = run_exclusive(&lock, &key, Duration::from_secs(1), async |lost| {
        for _ in 0..5 {
            assert_eq!(server.command("FLUSHALL"), "+OK");
            until(async || lock.holder(&key).await.unwrap().is_some()).await;
        }
        lost.is_cancelled()
    });
    assert_eq!(outcome.await.unwrap(), Exclusive::Ran(false));
    assert!(lock.try_acquire(&key, TTL).await.unwrap().is_some());
}

#[tokio::test]
async fn a_key_that_another_took_after_a_flush_ends_the_work() {
    let server = RedisServer::start();
    let lock = RedisLock::connect(&server.url(), "worker").await.unwrap();
    let lock: Arc<dyn DedupLock> = Arc::new(lock);
    let key = LockKey::new("key");
    let outcome = run_exclusive(&lock, &key, Duration::from_secs(1), async |lost| {
        assert_eq!(server.command(&format!("SET {key} other")), "+OK");
        lost.cancelled().await;
    });
    assert_eq!(outcome.await.unwrap(), Exclusive::Lost);
    assert_eq!(server.command(&format!("GET {key}")), "other");
}

#[tokio::test]
async fn work_goes_on_over_a_short_freeze() {
    let server = RedisServer::start();
    let lock = RedisLock::connect(&server.url(), "worker").await.unwrap();
    let switch = Arc::new(Unreliable::new(Arc::new(lock)));
    let lock: Arc<dyn DedupLock> = Arc::clone(&switch) as _;
    let (key, ttl) = (LockKey::new("key"), Duration::from_secs(12));
    let outcome = run_exclusive(&lock, &key, ttl, async |lost| {
        server.freeze();
        until(async || switch.failed_renewals() > 0).await;
        server.thaw();
        until(async || switch.renewals() > 0).await;
        lost.is_cancelled()
    });
    assert_eq!(outcome.await.unwrap(), Exclusive::Ran(false));
}

#[tokio::test]
async fn an_acquisition_whose_answer_is_lost_is_undone() {
    let server = RedisServer::start();
    let lock = RedisLock::connect(&server.url(), "worker").await.unwrap();
    let key = LockKey::new("key");
    for is_frozen_for_long in [false, true] {
        server.command("CONFIG RESETSTAT");
        server.freeze();
        let started = Instant::now();
        let answer = lock.try_acquire(&key, TTL).await;
        assert!(
            matches!(answer, Err(LockError::Unavailable(_))),
            "{answer:?}"
        );
        let took = started.elapsed();
        assert!(
            took >= Duration::from_secs(2) && took < Duration::from_secs(4),
            "{took:?}"
        );
        if is_frozen_for_long {
            // The connection is given up, and new ones are not made.
            until(async || {
                let asked = Instant::now();
                lock.ping().await.is_err() && asked.elapsed() < Duration::from_millis(100)
            })
            .await;
        }
        server.thaw();
        // Now it sets the key, and then it hears that nobody wants it.
        until(async || {
            server
                .command("INFO commandstats")
                .contains("cmdstat_del:calls=1,")
        })
        .await;
        let statistics = server.command("INFO commandstats");
        assert!(statistics.contains("cmdstat_set:calls=1,"), "{statistics}");
        until(async || lock.ping().await.is_ok()).await;
        let lease = lock.try_acquire(&key, TTL).await.unwrap().unwrap();
        assert!(lock.release(&lease).await.unwrap());
    }
}

#[tokio::test]
async fn an_acquisition_that_is_given_up_is_undone() {
    let server = RedisServer::start();
    let lock = RedisLock::connect(&server.url(), "worker").await.unwrap();
    let key = LockKey::new("key");
    server.freeze();
    let given_up = timeout(Duration::from_millis(100), lock.try_acquire(&key, TTL)).await;
    assert!(given_up.is_err());
    server.thaw();
    until(async || {
        server
            .command("INFO commandstats")
            .contains("cmdstat_del:calls=1,")
    })
    .await;
    assert_eq!(lock.holder(&key).await.unwrap(), None);
}
