//! The health checks of a deployment, for `/readyz`.

use std::sync::Arc;

use cadmill_domain::HealthCheck;
use cadmill_lock::DedupLock;
use cadmill_pipeline::{LockCheck, ProcessTessellator, TessellatorCheck};

use super::deployment::Deployment;

/// The checks of everything that a deployment depends on. A process that does no work has no
/// tessellator.
pub(crate) fn of(
    deployment: &Deployment,
    lock: Arc<dyn DedupLock>,
    tessellator: Option<ProcessTessellator>,
) -> Vec<Arc<dyn HealthCheck>> {
    let mut checks: Vec<Arc<dyn HealthCheck>> = vec![
        deployment.store.clone(),
        Arc::new(LockCheck::new(lock)),
        deployment.blobs.clone(),
    ];
    if let Some(tessellator) = tessellator {
        checks.push(Arc::new(TessellatorCheck::new(tessellator)));
    }
    checks
}
