//! The health check of the lock.

use std::{sync::Arc, time::Duration};

use cadmill_domain::{FailureCode, HealthCheck as _};
use cadmill_lock::{DedupLock as _, LockError, LockKey, MemoryLock, MockDedupLock};
use cadmill_pipeline::LockCheck;

#[tokio::test]
async fn a_lock_that_can_be_acquired_is_healthy_and_is_released() {
    let lock = Arc::new(MemoryLock::new("worker"));
    LockCheck::new(lock.clone()).check().await.unwrap();
    let key = LockKey::new("health_check_lock");
    assert!(lock.holder(&key).await.unwrap().is_none());
}

#[tokio::test]
async fn a_lock_that_another_check_holds_is_healthy() {
    let lock = Arc::new(MemoryLock::new("worker"));
    let key = LockKey::new("health_check_lock");
    let lease = lock.try_acquire(&key, Duration::from_mins(1)).await;
    assert!(lease.unwrap().is_some());
    LockCheck::new(lock).check().await.unwrap();
}

#[tokio::test]
async fn an_unavailable_lock_is_reported() {
    let mut lock = MockDedupLock::new();
    lock.expect_try_acquire()
        .times(1)
        .returning(|_, _| Err(LockError::unavailable("no connection")));
    let failure = LockCheck::new(Arc::new(lock)).check().await.unwrap_err();
    assert_eq!(failure.code, FailureCode::LockLost);
    assert!(failure.detail.contains("no connection"), "{failure}");
}
