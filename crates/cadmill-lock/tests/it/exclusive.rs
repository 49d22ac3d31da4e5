//! When a lease is renewed and when it is given up, to the second.

use std::{sync::Arc, time::Duration};

use cadmill_lock::{
    DedupLock, Exclusive, Held, Lease, LockError, LockKey, MemoryLock, MockDedupLock,
    contract::Unreliable, run_exclusive,
};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

const TTL: Duration = Duration::from_secs(30);

fn unreliable() -> (Arc<Unreliable>, Arc<dyn DedupLock>) {
    let memory = Arc::new(MemoryLock::new("worker"));
    let lock = Arc::new(Unreliable::new(memory));
    (Arc::clone(&lock), lock)
}

#[tokio::test(start_paused = true)]
async fn a_lease_is_renewed_every_third_of_its_time() {
    let (switch, lock) = unreliable();
    let held = Held::try_acquire(&lock, &LockKey::new("key"), TTL)
        .await
        .unwrap()
        .unwrap();
    sleep(10 * TTL + Duration::from_secs(1)).await;
    assert_eq!(switch.renewals(), 30);
    assert!(!held.lost().is_cancelled());
    assert!(held.release().await);
    sleep(TTL).await;
    assert_eq!(switch.renewals(), 30);
}

#[tokio::test(start_paused = true)]
async fn without_a_store_a_renewal_is_tried_until_it_is_back() {
    let (switch, lock) = unreliable();
    let key = LockKey::new("key");
    let held = Held::try_acquire(&lock, &key, TTL).await.unwrap().unwrap();
    let first = held.lease();
    sleep(Duration::from_secs(11)).await;
    switch.set_down(true);
    sleep(3 * TTL).await;
    assert!(!held.lost().is_cancelled());
    // From 20 s on, every two and a half.
    assert_eq!(switch.failed_renewals(), 33);
    switch.set_down(false);
    sleep(TTL / 12).await;
    assert_ne!(held.lease(), first);
    assert!(lock.holder(&key).await.unwrap().is_some());
    assert!(held.release().await);
    assert_eq!(lock.holder(&key).await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn a_renewal_without_an_answer_does_not_keep_a_lease() {
    let (switch, lock) = unreliable();
    let key = LockKey::new("key");
    let held = Held::try_acquire(&lock, &key, TTL).await.unwrap().unwrap();
    switch.set_silent(true);
    sleep(TTL).await;
    switch.set_silent(false);
    assert_eq!(lock.holder(&key).await.unwrap(), None);
    sleep(TTL / 2).await;
    assert!(lock.holder(&key).await.unwrap().is_some());
    assert!(!held.lost().is_cancelled());
}

#[tokio::test(start_paused = true)]
async fn work_is_skipped_even_if_nobody_says_who_has_the_key() {
    let mut lock = MockDedupLock::new();
    lock.expect_try_acquire()
        .times(1)
        .returning(|_, _| Ok(None));
    let gone = |_: &_| Err(LockError::unavailable("gone"));
    lock.expect_holder().times(1).returning(gone);
    lock.expect_release().never();
    let lock: Arc<dyn DedupLock> = Arc::new(lock);
    let outcome = run_exclusive(&lock, &LockKey::new("key"), TTL, async |_| ()).await;
    assert_eq!(outcome.unwrap(), Exclusive::Skipped(None));
}

#[tokio::test(start_paused = true)]
async fn a_release_without_an_answer_takes_three_seconds() {
    let (switch, lock) = unreliable();
    let started = Instant::now();
    let work = async |_| switch.set_silent(true);
    let outcome = run_exclusive(&lock, &LockKey::new("key"), TTL, work).await;
    assert_eq!(outcome.unwrap(), Exclusive::Ran(()));
    assert_eq!(started.elapsed().as_secs(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_lost_lease_is_released_once_and_in_the_background() {
    let mut lock = MockDedupLock::new();
    let lease = Lease::fresh(LockKey::new("key"));
    let mut first = Some(lease);
    // Then another has the key, and keeps it.
    lock.expect_try_acquire()
        .times(1 + 5)
        .returning(move |_, _| Ok(first.take()));
    lock.expect_renew().times(5).returning(|_, _| Ok(false));
    lock.expect_release().times(1).returning(|_| Ok(false));
    let lock: Arc<dyn DedupLock> = Arc::new(lock);
    let started = Instant::now();
    let work = async |lost: CancellationToken| lost.cancelled().await;
    let outcome = run_exclusive(&lock, &LockKey::new("key"), TTL, work).await;
    assert_eq!(outcome.unwrap(), Exclusive::Lost);
    assert_eq!(started.elapsed().as_secs(), 2 * TTL.as_secs() / 3);
    sleep(TTL).await;
    // Nobody else has the mock any more, so it is checked here.
    assert_eq!(Arc::strong_count(&lock), 1);
}
