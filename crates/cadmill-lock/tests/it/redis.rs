//! The lock on Redis, and its manners towards other users of the same keys.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use cadmill_lock::{
    DedupLock as _, Exclusive, LockKey,
    contract::{self, Pair},
    redis::RedisLock,
    run_exclusive,
};
use cadmill_servers::shared;

use crate::redis_server::RedisServer;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_keeps_the_contract() {
    let url = shared::redis_url();
    contract::check(&Pair {
        ours: Arc::new(RedisLock::connect(&url, "ours").await.unwrap()),
        theirs: Arc::new(RedisLock::connect(&url, "theirs").await.unwrap()),
        ttl: Duration::from_millis(600),
    })
    .await;
}

#[tokio::test]
async fn the_plain_lock_of_another_worker_is_respected() {
    let server = RedisServer::start();
    let lock = RedisLock::connect(&server.url(), "worker").await.unwrap();
    let key = LockKey::glb_geometry(7);
    for value in ["1", "worker-7@host"] {
        let set = server.command(&format!("SET {key} {value} NX EX 1800"));
        assert_eq!(set, "+OK");
        assert_eq!(
            lock.try_acquire(&key, Duration::from_secs(30))
                .await
                .unwrap(),
            None
        );
        let holder = lock.holder(&key).await.unwrap().unwrap();
        assert_eq!(holder.who, value);
        assert_eq!(holder.since, None);
        assert!(holder.time_left.unwrap() > Duration::from_secs(1700));
        let lock = Arc::new(lock.clone()) as _;
        let outcome = run_exclusive(&lock, &key, Duration::from_secs(30), async |_| ()).await;
        let Exclusive::Skipped(Some(holder)) = outcome.unwrap() else {
            panic!("it was not skipped");
        };
        assert_eq!(holder.who, value);
        assert_eq!(server.command(&format!("DEL {key}")), ":1");
    }
    // One without an expiry is held until it is deleted.
    assert_eq!(server.command(&format!("SET {key} forever")), "+OK");
    let holder = lock.holder(&key).await.unwrap().unwrap();
    assert_eq!(holder.time_left, None);
}

#[tokio::test]
async fn a_key_of_another_type_is_held_by_something_else() {
    let server = RedisServer::start();
    let lock = RedisLock::connect(&server.url(), "worker").await.unwrap();
    let ttl = Duration::from_secs(30);
    let ours = LockKey::new("ours");
    let lease = lock.try_acquire(&ours, ttl).await.unwrap().unwrap();
    let free = LockKey::new("free");
    for (command, kind) in [
        ("RPUSH list 1", "list"),
        ("HSET hash a 1", "hash"),
        ("SADD set 1", "set"),
        ("XADD stream 1-1 a 1", "stream"),
    ] {
        server.command(command);
        let key = LockKey::new(kind);
        assert_eq!(lock.try_acquire(&key, ttl).await.unwrap(), None);
        let holder = lock.holder(&key).await.unwrap().unwrap();
        assert_eq!((holder.who.as_str(), holder.time_left), (kind, None));
        let keys = [ours.clone(), free.clone(), key];
        assert_eq!(lock.held(&keys).await.unwrap(), [true, false, true]);
        assert_eq!(lock.held(&keys[1..]).await.unwrap(), [false, true]);
    }
    // A lease whose key was overwritten is lost, and what is there now is left alone.
    server.command("DEL ours");
    server.command("RPUSH ours 1");
    assert!(!lock.renew(&lease, ttl).await.unwrap());
    assert!(!lock.release(&lease).await.unwrap());
    assert_eq!(server.command("LLEN ours"), ":1");
}

#[tokio::test]
async fn a_look_at_many_keys_is_two_commands() {
    let server = RedisServer::start();
    let lock = RedisLock::connect(&server.url(), "worker").await.unwrap();
    let keys: Vec<_> = (0..1_000).map(LockKey::glb_geometry).collect();
    for key in &keys[1..] {
        server.command(&format!("SET {key} 1 NX EX 1800"));
    }
    server.command("CONFIG RESETSTAT");
    let held = lock.held(&keys).await.unwrap();
    assert_eq!(held.iter().filter(|held| **held).count(), 999);
    assert!(!held[0]);
    assert_eq!(lock.held(&keys[1..]).await.unwrap(), [true; 999]);
    let statistics = server.command("INFO commandstats");
    for (command, calls) in [("exists", 2), ("mget", 1)] {
        let line = format!("cmdstat_{command}:calls={calls},");
        assert!(statistics.contains(&line), "{statistics}");
    }
    assert!(!statistics.contains("cmdstat_evalsha"), "{statistics}");
}

#[tokio::test]
async fn a_plain_lock_respects_ours() {
    let server = RedisServer::start();
    let lock = RedisLock::connect(&server.url(), "worker|1").await.unwrap();
    let key = LockKey::step_processing(7);
    let lease = lock
        .try_acquire(&key, Duration::from_secs(30))
        .await
        .unwrap()
        .unwrap();
    let plain = "SET step_processing_lock:7 1 NX EX 1800";
    assert_eq!(server.command(plain), "$-1");
    let value = server.command("GET step_processing_lock:7");
    let parts: Vec<_> = value.splitn(4, '|').collect();
    assert_eq!(parts[0], "cadmill");
    assert_eq!(parts[1], lease.token().to_string());
    let since = SystemTime::UNIX_EPOCH + Duration::from_millis(parts[2].parse().unwrap());
    assert!(since.elapsed().unwrap() < Duration::from_secs(10));
    assert_eq!(parts[3], "worker|1");
    assert!(lock.release(&lease).await.unwrap());
    assert_eq!(server.command(plain), "+OK");
}

#[tokio::test]
async fn each_method_is_one_command() {
    let server = RedisServer::start();
    let lock = RedisLock::connect(&server.url(), "worker").await.unwrap();
    let (key, ttl) = (LockKey::new("key"), Duration::from_secs(30));
    // The first time each script is sent whole.
    for _ in 0..3 {
        let lease = lock.try_acquire(&key, ttl).await.unwrap().unwrap();
        assert!(lock.renew(&lease, ttl).await.unwrap());
        assert!(lock.holder(&key).await.unwrap().is_some());
        assert!(lock.release(&lease).await.unwrap());
        lock.ping().await.unwrap();
        server.command("CONFIG RESETSTAT");
    }
    let lease = lock.try_acquire(&key, ttl).await.unwrap().unwrap();
    assert!(lock.renew(&lease, ttl).await.unwrap());
    assert!(lock.holder(&key).await.unwrap().is_some());
    assert!(lock.release(&lease).await.unwrap());
    let statistics = server.command("INFO commandstats");
    assert!(statistics.contains("cmdstat_set:calls=1,"), "{statistics}");
    assert!(
        statistics.contains("cmdstat_evalsha:calls=3,"),
        "{statistics}"
    );
    assert!(!statistics.contains("cmdstat_eval:"), "{statistics}");
}

#[tokio::test]
async fn nothing_is_left_on_the_server_by_a_dropped_lock() {
    let server = RedisServer::start();
    let lock = RedisLock::connect(&server.url(), "worker").await.unwrap();
    let clients = || {
        server
            .command("INFO clients")
            .contains("connected_clients:1\r")
    };
    assert!(!clients());
    drop(lock);
    crate::redis_faults::until(async || clients()).await;
}
