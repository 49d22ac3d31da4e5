//! Whether what the pipeline stands on works: for `/readyz` and for `cadmill doctor`.

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use cadmill_domain::{Failure, FailureCode, HealthCheck, sentence};
use cadmill_lock::{DedupLock, LockKey};
use cadmill_pipeline::ProcessTessellator;

use crate::deployment::Deployment;

/// How long the lock lasts that is taken to see whether one can be.
const TRIAL: Duration = Duration::from_secs(5);

/// All that a deployment stands on.
pub(crate) fn of(
    deployment: &Deployment,
    lock: Arc<dyn DedupLock>,
    tessellator: Option<ProcessTessellator>,
) -> Vec<Arc<dyn HealthCheck>> {
    let mut checks: Vec<Arc<dyn HealthCheck>> = vec![
        deployment.store.clone(),
        of_lock(lock),
        deployment.blobs.clone(),
    ];
    // An API of its own has none.
    if let Some(tessellator) = tessellator {
        checks.push(Arc::new(TessellatorCheck(tessellator)));
    }
    checks
}

/// Whether something can be locked.
pub(crate) fn of_lock(lock: Arc<dyn DedupLock>) -> Arc<dyn HealthCheck> {
    Arc::new(LockCheck(lock))
}

/// Takes a lock and gives it back.
#[derive(Debug)]
struct LockCheck(Arc<dyn DedupLock>);

#[async_trait]
impl HealthCheck for LockCheck {
    fn name(&self) -> &'static str {
        "lock"
    }

    async fn check(&self) -> Result<(), Failure> {
        let lost = |error| Failure::new(FailureCode::LockLost, sentence(&error));
        let key = LockKey::new("health_check_lock");
        // Somebody else who checks at the same time shows as well that it works.
        if let Some(lease) = self.0.try_acquire(&key, TRIAL).await.map_err(lost)? {
            self.0.release(&lease).await.map_err(lost)?;
        }
        Ok(())
    }
}

/// Asks the tessellator for its version.
struct TessellatorCheck(ProcessTessellator);

impl fmt::Debug for TessellatorCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TessellatorCheck")
            .field(&self.0.program())
            .finish()
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
