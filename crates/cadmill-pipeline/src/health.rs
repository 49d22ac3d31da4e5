//! Health checks of the lock and of the tessellator.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use cadmill_domain::{Failure, FailureCode, HealthCheck, sentence};
use cadmill_lock::{DedupLock, LockError, LockKey};

use crate::ProcessTessellator;

/// The key that [`LockCheck`] acquires.
const LOCK: &str = "health_check_lock";
/// The lease of that key. It expires by itself if the check is cancelled.
const LEASE: Duration = Duration::from_secs(5);

/// Acquires a lock and releases it.
#[derive(Debug, Clone)]
pub struct LockCheck(Arc<dyn DedupLock>);

impl LockCheck {
    /// Checks this lock.
    #[must_use]
    pub fn new(lock: Arc<dyn DedupLock>) -> Self {
        Self(lock)
    }
}

#[async_trait]
impl HealthCheck for LockCheck {
    fn name(&self) -> &'static str {
        "lock"
    }

    async fn check(&self) -> Result<(), Failure> {
        let failure = |error: LockError| Failure::new(FailureCode::LockLost, sentence(&error));
        let lease = self.0.try_acquire(&LockKey::new(LOCK), LEASE).await;
        // A concurrent check that holds the lock proves that it works, too.
        match lease.map_err(failure)? {
            Some(lease) => self.0.release(&lease).await.map(drop).map_err(failure),
            None => Ok(()),
        }
    }
}

/// Starts the tessellator and reads its version.
#[derive(Debug, Clone)]
pub struct TessellatorCheck(ProcessTessellator);

impl TessellatorCheck {
    /// Checks this tessellator.
    #[must_use]
    pub fn new(tessellator: ProcessTessellator) -> Self {
        Self(tessellator)
    }
}

#[async_trait]
impl HealthCheck for TessellatorCheck {
    fn name(&self) -> &'static str {
        "tessellator"
    }

    async fn check(&self) -> Result<(), Failure> {
        self.0.version().await.map(drop)
    }
}
