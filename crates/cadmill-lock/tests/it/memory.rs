//! The lock in memory.

use std::{sync::Arc, time::Duration};

use cadmill_lock::{
    DedupLock, Held, LockKey, MemoryLock,
    contract::{self, Pair},
};
use futures_util::{FutureExt as _, future::join_all};
use proptest::prelude::*;
use tokio::{
    sync::mpsc,
    time::{Instant, advance},
};

const TTL: Duration = Duration::from_secs(30);

fn pair() -> Pair {
    let ours = MemoryLock::new("ours");
    let theirs = ours.shared_with("theirs");
    Pair {
        ours: Arc::new(ours),
        theirs: Arc::new(theirs),
        ttl: TTL,
    }
}

#[tokio::test(start_paused = true)]
async fn it_keeps_the_contract() {
    let ttl = Duration::from_secs(3);
    contract::check(&Pair { ttl, ..pair() }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn it_keeps_the_contract_on_many_threads() {
    let ttl = Duration::from_millis(400);
    contract::check(&Pair { ttl, ..pair() }).await;
}

#[tokio::test]
async fn keys_that_were_released_are_forgotten() {
    let lock = MemoryLock::new("worker");
    for i in 0..100_000 {
        let key = LockKey::glb_geometry(i);
        let lease = lock.try_acquire(&key, TTL).await.unwrap().unwrap();
        assert!(lock.release(&lease).await.unwrap());
    }
    assert_eq!(lock.tracked_keys(), 0);
}

#[tokio::test(start_paused = true)]
async fn keys_that_ran_out_are_forgotten() {
    let lock = MemoryLock::new("worker");
    let mut most = 0;
    for i in 0..1_000_000 {
        let key = LockKey::glb_geometry(i);
        assert!(lock.try_acquire(&key, TTL).await.unwrap().is_some());
        // A hundred are in force at a time.
        if i % 100 == 99 {
            advance(TTL).await;
        }
        most = most.max(lock.tracked_keys());
    }
    assert!(most <= 400, "{most}");
}

#[tokio::test(start_paused = true)]
async fn who_waits_longest_is_next() {
    let lock = MemoryLock::new("worker");
    let key = LockKey::new("key");
    let lease = lock.acquire(&key, TTL).await.unwrap();
    let (sender, mut order) = mpsc::unbounded_channel();
    let waiters: Vec<_> = (0..100)
        .map(|number| {
            let (lock, key, sender) = (lock.clone(), key.clone(), sender.clone());
            async move {
                let lease = lock.acquire(&key, TTL).await.unwrap();
                sender.send(number).unwrap();
                // Whoever comes now does not push in.
                let late = lock.try_acquire(&key, TTL).await.unwrap();
                assert_eq!(late, None);
                // Every third forgets to release.
                if number % 3 > 0 {
                    assert!(lock.release(&lease).await.unwrap());
                }
            }
        })
        .collect();
    let release = async {
        assert!(lock.release(&lease).await.unwrap());
        // It is free, but not for those who did not wait.
        assert_eq!(lock.try_acquire(&key, TTL).await.unwrap(), None);
    };
    // `join_all` starts them in this order.
    tokio::join!(join_all(waiters), release);
    drop(sender);
    for number in 0..100 {
        assert_eq!(order.recv().await, Some(number));
    }
    advance(TTL).await;
    assert!(lock.try_acquire(&key, TTL).await.unwrap().is_some());
    assert_eq!(lock.tracked_keys(), 1);
}

#[tokio::test(start_paused = true)]
async fn who_gives_up_leaves_the_queue() {
    let lock = MemoryLock::new("worker");
    let key = LockKey::new("key");
    let lease = lock.acquire(&key, TTL).await.unwrap();
    let mut first = Box::pin(lock.acquire(&key, TTL));
    let mut second = Box::pin(lock.acquire(&key, TTL));
    assert!((&mut first).now_or_never().is_none());
    assert!((&mut second).now_or_never().is_none());
    assert!(lock.release(&lease).await.unwrap());
    // It is its turn, and it does not take it.
    drop(first);
    let lease = second.now_or_never().unwrap().unwrap();
    assert!(lock.release(&lease).await.unwrap());
    assert_eq!(lock.tracked_keys(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nobody_starves_under_contention() {
    let lock: Arc<dyn DedupLock> = Arc::new(MemoryLock::new("worker"));
    let key = LockKey::new("key");
    let inside = Arc::new(tokio::sync::Mutex::new(()));
    let workers = (0..64).map(|_| {
        let (lock, key, inside) = (Arc::clone(&lock), key.clone(), Arc::clone(&inside));
        tokio::spawn(async move {
            for _ in 0..50 {
                let held = Held::acquire(&lock, &key, TTL).await.unwrap();
                let alone = inside.try_lock().expect("two are inside");
                tokio::task::yield_now().await;
                drop(alone);
                assert!(held.release().await);
            }
        })
    });
    for worker in join_all(workers).await {
        worker.unwrap();
    }
}

/// What a user of the lock may do.
#[derive(Debug, Clone)]
enum Step {
    Acquire { key: u8, ttl_s: u64 },
    Renew { lease: usize, ttl_s: u64 },
    Release { lease: usize },
    Wait { s: u64 },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..4_u8, 1..9_u64).prop_map(|(key, ttl_s)| Step::Acquire { key, ttl_s }),
        (0..16_usize, 1..9_u64).prop_map(|(lease, ttl_s)| Step::Renew { lease, ttl_s }),
        (0..16_usize).prop_map(|lease| Step::Release { lease }),
        (0..6_u64).prop_map(|s| Step::Wait { s }),
    ]
}

proptest! {
    /// However it is used, a key is with one lease at most, and with it exactly as long as it runs.
    #[test]
    fn a_key_is_with_one_lease_as_long_as_it_runs(steps in prop::collection::vec(step(), 1..80)) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(run(steps));
    }
}

async fn run(steps: Vec<Step>) {
    let lock = MemoryLock::new("worker");
    // Each lease, and until when it is in force.
    let mut leases = Vec::new();
    for step in steps {
        let now = Instant::now();
        match step {
            Step::Acquire { key, ttl_s } => {
                let (key, ttl) = (LockKey::glb_geometry(key), Duration::from_secs(ttl_s));
                let is_held = |(lease, until): &(cadmill_lock::Lease, Instant)| {
                    *lease.key() == key && now < *until
                };
                let is_free = !leases.iter().any(is_held);
                let lease = lock.try_acquire(&key, ttl).await.unwrap();
                assert_eq!(lease.is_some(), is_free);
                leases.extend(lease.map(|lease| (lease, now + ttl)));
            }
            Step::Renew { lease, ttl_s } => {
                if let Some((lease, until)) = leases.get_mut(lease) {
                    let ttl = Duration::from_secs(ttl_s);
                    assert_eq!(lock.renew(lease, ttl).await.unwrap(), now < *until);
                    if now < *until {
                        *until = now + ttl;
                    }
                }
            }
            Step::Release { lease } => {
                if let Some((lease, until)) = leases.get_mut(lease) {
                    assert_eq!(lock.release(lease).await.unwrap(), now < *until);
                    *until = now.min(*until);
                }
            }
            Step::Wait { s } => advance(Duration::from_secs(s)).await,
        }
    }
}
