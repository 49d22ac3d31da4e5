//! Compares all blobs with their hashes, slowly, in the background of one process of a deployment.

use std::{sync::Arc, time::Duration};

use cadmill_lock::{DedupLock, LockKey, run_exclusive};
use cadmill_pipeline::{Records, Verifier};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use crate::wiring::deployment::Deployment;

/// The key that the scrubbing process holds.
const LOCK: &str = "blob_scrub_lock";
/// How often the other processes try to acquire it.
const RETRY_INTERVAL: Duration = Duration::from_secs(30);

/// Scrubs until `stop`, and then releases the lock.
pub(crate) async fn run(
    deployment: &Deployment,
    records: &Records,
    lock: &Arc<dyn DedupLock>,
    stop: &CancellationToken,
) {
    let Some(rate) = deployment.config.scrub_rate else {
        return;
    };
    let verifier = Verifier {
        records: records.clone(),
        blobs: deployment.blobs.clone(),
        finder: "scrub",
        repairs: true,
        rate: Some(rate),
    };
    let key = LockKey::new(LOCK);
    while !stop.is_cancelled() {
        let scrubbed = run_exclusive(lock, &key, deployment.config.lease, async |lost| {
            tokio::select! {
                () = verifier.scrub() => {}
                () = lost.cancelled() => {}
                () = stop.cancelled() => {}
            }
        });
        if let Err(error) = scrubbed.await {
            let error: &dyn std::error::Error = &error;
            debug!(error, "lock store unavailable, nothing scrubbed");
        }
        let pause = tokio::time::sleep(RETRY_INTERVAL);
        stop.run_until_cancelled(pause).await;
    }
}
