//! The slow comparison of all blobs with their hashes, which goes on in the background of one process
//! of a deployment.

use std::{sync::Arc, time::Duration};

use cadmill_lock::{DedupLock, LockKey, run_exclusive};
use cadmill_pipeline::{Records, Verifier};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use crate::deployment::Deployment;

/// Held by the process that scrubs.
const LOCK: &str = "blob_scrub_lock";
/// How often the other processes try to get it.
const TRY_EVERY: Duration = Duration::from_secs(30);

/// Goes on until `stop`, and then releases the lock.
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
            let error = &error as &dyn std::error::Error;
            debug!(
                error,
                "the lock store does not answer, so nothing is scrubbed"
            );
        }
        stop.run_until_cancelled(tokio::time::sleep(TRY_EVERY))
            .await;
    }
}
