//! Maintenance in a serving process: it sweeps blobs when a sweep is due, and answers the requests that
//! commands have written to the database.

pub(crate) mod request;
pub(crate) mod scrub;

use std::{sync::Arc, time::Duration};

use anyhow::Result;
use cadmill_domain::SweepId;
use cadmill_lock::{DedupLock, Exclusive, Held, LockKey, run_exclusive};
use cadmill_pipeline::{Verified, Verifier};
use cadmill_store::{MaintenanceKind, MaintenanceRequest, Sweep, SweepOptions};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use crate::wiring::deployment::Deployment;

/// The time between two sweeps of a deployment.
const SWEEP_INTERVAL: Duration = Duration::from_hours(1);
/// How often requests are polled for, and whether a sweep is due.
const POLL: Duration = Duration::from_secs(2);
/// How often the database notes that a process still answers a request, or still waits for the answer.
const NOTE_INTERVAL: Duration = Duration::from_secs(5);
/// Unreferenced blobs are kept for this time, in hours, because they may still be in the process of being
/// stored, or belong to a copy of the blobs that is younger than the copy of the database.
pub(crate) const MIN_AGE_HOURS: i64 = 24;
/// The key that the sweeping process holds.
const SWEEP_LOCK: &str = "blob_sweep_lock";

/// The options of a sweep.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct SweepRequest {
    /// Whether many blobs may be removed that no deletion released.
    pub(crate) is_confirmed: bool,
}

/// The options of a verification.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct VerifyRequest {
    /// Whether media with lost bytes are queued again.
    pub(crate) repairs: bool,
}

/// Sweeps blobs, and answers requests.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Maintenance<'a> {
    pub(crate) deployment: &'a Deployment,
    pub(crate) lock: &'a Arc<dyn DedupLock>,
    /// The name of this process.
    pub(crate) worker: &'a str,
    /// Ends the maintenance; a sweep stops, and its lock is released.
    pub(crate) stop: &'a CancellationToken,
}

impl Maintenance<'_> {
    /// Runs until `stop`.
    pub(crate) async fn run(self) {
        let mut has_failed = false;
        while !self.stop.is_cancelled() {
            match self.run_once().await {
                Ok(()) => has_failed = false,
                Err(error) if has_failed => {
                    debug!(
                        error = &*error as &dyn std::error::Error,
                        "maintenance failed again"
                    );
                }
                Err(error) => {
                    has_failed = true;
                    warn!(
                        error = &*error as &dyn std::error::Error,
                        "maintenance failed, trying again"
                    );
                }
            }
            let pause = tokio::time::sleep(POLL);
            self.stop.run_until_cancelled(pause).await;
        }
    }

    async fn run_once(self) -> Result<()> {
        let store = &self.deployment.store;
        if let Some(request) = store.take_maintenance(self.worker, None).await? {
            self.answer(&request).await?;
        }
        let lease = self.deployment.config.lease;
        let key = LockKey::new(SWEEP_LOCK);
        if !store.is_sweep_due(SWEEP_INTERVAL).await? {
            return Ok(());
        }
        let swept = run_exclusive(self.lock, &key, lease, async |_| {
            // Processes that get the lock later find that the sweep has begun.
            if store.begin_sweep(SWEEP_INTERVAL).await? {
                let swept = self.sweep(SweepRequest::default());
                self.stop.run_until_cancelled(swept).await.transpose()?;
            }
            Ok::<_, anyhow::Error>(())
        });
        match swept.await? {
            Exclusive::Ran(swept) => swept,
            _ => Ok(()),
        }
    }

    /// Answers a request, and keeps noting in the database that it is being answered.
    pub(crate) async fn answer(self, request: &MaintenanceRequest) -> Result<()> {
        let store = &self.deployment.store;
        info!(maintenance.kind = ?request.kind, "maintenance request taken");
        let (progress, latest) = watch::channel(json!({}));
        let noting = async {
            loop {
                tokio::time::sleep(NOTE_INTERVAL).await;
                let done = latest.borrow().clone();
                let noted = store.note_maintenance(request.id, self.worker, done);
                if let Err(error) = noted.await {
                    debug!(
                        error = &error as &dyn std::error::Error,
                        "progress of maintenance not noted"
                    );
                }
            }
        };
        let answer = tokio::select! {
            answer = self.run_request(request, &progress) => answer,
            () = noting => return Ok(()),
        };
        // A request whose answer was stopped stays open, so another process takes it.
        let Some(answer) = answer.transpose() else {
            return Ok(());
        };
        let answer = answer.map_err(|error| format!("{error:#}"));
        store
            .answer_maintenance(request.id, self.worker, answer)
            .await?;
        Ok(())
    }

    /// Returns the answer to a request; `None` if it was stopped.
    async fn run_request(
        self,
        request: &MaintenanceRequest,
        progress: &watch::Sender<serde_json::Value>,
    ) -> Result<Option<serde_json::Value>> {
        match request.kind {
            MaintenanceKind::Gc => {
                let options = serde_json::from_value(request.arguments.clone())?;
                let key = LockKey::new(SWEEP_LOCK);
                // A running sweep ends first.
                let held = Held::acquire(self.lock, &key, self.deployment.config.lease).await?;
                let swept = self.stop.run_until_cancelled(self.sweep(options)).await;
                held.release().await;
                Ok(swept.transpose()?.map(serde_json::to_value).transpose()?)
            }
            MaintenanceKind::Verify => {
                let options = serde_json::from_value(request.arguments.clone())?;
                let verified = self.verify(options, progress);
                let verified = self.stop.run_until_cancelled(verified).await;
                Ok(verified
                    .transpose()?
                    .map(serde_json::to_value)
                    .transpose()?)
            }
        }
    }

    /// Compares the blobs with their hashes, if they belong to this deployment.
    async fn verify(
        self,
        options: VerifyRequest,
        progress: &watch::Sender<serde_json::Value>,
    ) -> Result<Verified> {
        let Deployment { store, blobs, .. } = self.deployment;
        store.own_blobs(blobs).await?;
        let verifier = Verifier {
            records: self.deployment.records(),
            blobs: blobs.clone(),
            finder: "verify",
            repairs: options.repairs,
            rate: None,
        };
        let note = |verified: &Verified| {
            let done = json!({"blobs": verified.blobs, "bytes": verified.bytes});
            progress.send_replace(done);
        };
        Ok(verifier.run(&note).await?)
    }

    /// Removes unreferenced blobs, if the blobs belong to this deployment.
    async fn sweep(self, options: SweepRequest) -> Result<Sweep> {
        let Deployment { store, blobs, .. } = self.deployment;
        let owned = store.own_blobs(blobs).await;
        if let Err(error) = &owned
            && error.is_refusal()
        {
            let error: &dyn std::error::Error = error;
            error!(error, "blobs refused, nothing swept");
        }
        let owner = owned?;
        let clock = &*self.deployment.clock;
        let a_day_ago = clock.now() - chrono::TimeDelta::hours(MIN_AGE_HOURS);
        let sweep = SweepOptions {
            id: SweepId::generate(clock),
            older_than: a_day_ago,
            unfinished_before: a_day_ago,
            is_confirmed: options.is_confirmed,
            is_careful: store.is_swept_with_care(owner).await?,
            owner: Some(owner),
        };
        let swept = blobs.sweep(&**store, sweep).await?;
        store.end_sweep(&swept).await?;
        let Sweep {
            seen,
            removed,
            unconfirmed,
        } = swept;
        if unconfirmed > 0 {
            error!(
                blobs.seen = seen,
                blobs.unconfirmed = unconfirmed,
                "nothing swept, `cadmill gc` explains why"
            );
        } else {
            info!(blobs.seen = seen, blobs.removed = removed, "blobs swept");
        }
        Ok(swept)
    }
}

/// Why a sweep removed nothing, and what to do.
pub(crate) fn needs_confirmation(swept: &Sweep) -> String {
    format!(
        "nothing was removed: {} of {} blobs belong to no file or medium in the database, and none \
         of these was deleted; so many, or any after `cadmill adopt`, are removed only on request. \
         Check that the database is the newest one, then run `cadmill gc --yes`",
        swept.unconfirmed, swept.seen
    )
}
