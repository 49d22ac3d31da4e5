//! What a serving process does beside its work: it sweeps when a sweep is due, and answers requests
//! that commands have left in the database.

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

use crate::deployment::Deployment;

/// A sweep of the whole deployment begins so long after the one before.
const SWEEP_EVERY: Duration = Duration::from_hours(1);
/// How often requests are looked for, and whether a sweep is due.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How often a process that is at a request says so, or one that waits for its answer.
pub(crate) const NOTE_EVERY: Duration = Duration::from_secs(5);
/// What is being stored is younger than this; and a copy of blobs may be so much younger than that of
/// the database, in hours.
pub(crate) const MIN_AGE_HOURS: i64 = 24;
/// Held by the process that sweeps.
const SWEEP_LOCK: &str = "blob_sweep_lock";

/// How blobs are to be swept.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct GcArguments {
    /// Whether it is confirmed that many blobs are removed that were not released.
    pub(crate) is_confirmed: bool,
}

/// How blobs are to be compared with their hashes.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct VerifyArguments {
    /// Whether media whose bytes are lost are made again.
    pub(crate) repairs: bool,
}

/// Sweeps, and answers requests.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Maintenance<'a> {
    pub(crate) deployment: &'a Deployment,
    pub(crate) lock: &'a Arc<dyn DedupLock>,
    /// Which process this is.
    pub(crate) worker: &'a str,
    /// What ends it; a sweep then stops, and its lock is released.
    pub(crate) stop: &'a CancellationToken,
}

impl Maintenance<'_> {
    /// Goes on until it is stopped.
    pub(crate) async fn run(self) {
        let mut is_away = false;
        while !self.stop.is_cancelled() {
            match self.look().await {
                Ok(()) => is_away = false,
                Err(error) if is_away => debug!("maintenance failed again: {error:#}"),
                Err(error) => {
                    is_away = true;
                    warn!("maintenance failed, it is tried again: {error:#}");
                }
            }
            let pause = tokio::time::sleep(LOOK_EVERY);
            self.stop.run_until_cancelled(pause).await;
        }
    }

    async fn look(self) -> Result<()> {
        let store = &self.deployment.store;
        if let Some(request) = store.take_maintenance(self.worker, None).await? {
            self.answer(&request).await?;
        }
        let lease = self.deployment.config.lease;
        let key = LockKey::new(SWEEP_LOCK);
        if !store.is_sweep_due(SWEEP_EVERY).await? {
            return Ok(());
        }
        let swept = run_exclusive(self.lock, &key, lease, async |_| {
            // Others that looked at the same time have the lock later, and find it begun.
            if store.begin_sweep(SWEEP_EVERY).await? {
                let swept = self.sweep(GcArguments::default());
                self.stop.run_until_cancelled(swept).await.transpose()?;
            }
            Ok::<_, anyhow::Error>(())
        });
        match swept.await? {
            Exclusive::Ran(swept) => swept,
            _ => Ok(()),
        }
    }

    /// Does what a request asks for, and says meanwhile that it is at it.
    pub(crate) async fn answer(self, request: &MaintenanceRequest) -> Result<()> {
        let store = &self.deployment.store;
        info!(maintenance.kind = ?request.kind, "a request of a command was taken");
        let (progress, seen) = watch::channel(json!({}));
        let noting = async {
            loop {
                tokio::time::sleep(NOTE_EVERY).await;
                let done = seen.borrow().clone();
                let noted = store.note_maintenance(request.id, self.worker, done);
                if let Err(error) = noted.await {
                    debug!(error = &error as &dyn std::error::Error, "not noted");
                }
            }
        };
        let answer = tokio::select! {
            answer = self.answer_to(request, &progress) => answer,
            () = noting => return Ok(()),
        };
        // One that was stopped is not answered, so another process takes it.
        let Some(answer) = answer.transpose() else {
            return Ok(());
        };
        let answer = answer.map_err(|error| format!("{error:#}"));
        store
            .answer_maintenance(request.id, self.worker, answer)
            .await?;
        Ok(())
    }

    /// None if it was stopped before it had an answer.
    async fn answer_to(
        self,
        request: &MaintenanceRequest,
        progress: &watch::Sender<serde_json::Value>,
    ) -> Result<Option<serde_json::Value>> {
        match request.kind {
            MaintenanceKind::Gc => {
                let arguments = serde_json::from_value(request.arguments.clone())?;
                let key = LockKey::new(SWEEP_LOCK);
                // A sweep that is under way ends first.
                let held = Held::acquire(self.lock, &key, self.deployment.config.lease).await?;
                let swept = self.stop.run_until_cancelled(self.sweep(arguments)).await;
                held.release().await;
                Ok(swept.transpose()?.map(serde_json::to_value).transpose()?)
            }
            MaintenanceKind::Verify => {
                let arguments = serde_json::from_value(request.arguments.clone())?;
                let verified = self.verify(arguments, progress);
                let verified = self.stop.run_until_cancelled(verified).await;
                Ok(verified
                    .transpose()?
                    .map(serde_json::to_value)
                    .transpose()?)
            }
        }
    }

    /// Compares the blobs of this deployment with their hashes, if they are its own.
    async fn verify(
        self,
        arguments: VerifyArguments,
        progress: &watch::Sender<serde_json::Value>,
    ) -> Result<Verified> {
        let Deployment { store, blobs, .. } = self.deployment;
        store.own_blobs(blobs).await?;
        let verifier = Verifier {
            records: self.deployment.records(),
            blobs: blobs.clone(),
            finder: "verify",
            repairs: arguments.repairs,
            rate: None,
        };
        let note = |verified: &Verified| {
            let done = json!({"blobs": verified.blobs, "bytes": verified.bytes});
            progress.send_replace(done);
        };
        Ok(verifier.run(&note).await?)
    }

    /// Sweeps the blobs of this deployment, if they are its own.
    async fn sweep(self, arguments: GcArguments) -> Result<Sweep> {
        let Deployment { store, blobs, .. } = self.deployment;
        let owned = store.own_blobs(blobs).await;
        if let Err(error) = &owned
            && error.is_refusal()
        {
            error!("nothing is swept: {error}");
        }
        let owner = owned?;
        let clock = &*self.deployment.clock;
        let a_day_ago = clock.now() - chrono::TimeDelta::hours(MIN_AGE_HOURS);
        let options = SweepOptions {
            id: SweepId::generate(clock),
            older_than: a_day_ago,
            unfinished_before: a_day_ago,
            is_confirmed: arguments.is_confirmed,
            is_careful: store.is_swept_with_care(owner).await?,
            owner: Some(owner),
        };
        let swept = blobs.sweep(&**store, options).await?;
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
                "{}",
                needs_confirmation(&swept)
            );
        } else {
            info!(blobs.seen = seen, blobs.removed = removed, "blobs swept");
        }
        Ok(swept)
    }
}

/// Why a sweep has removed nothing, and what to do.
pub(crate) fn needs_confirmation(swept: &Sweep) -> String {
    format!(
        "nothing was removed: {} of {} blobs have no file or medium in the database, though none of \
         these was deleted; so many, or any after `cadmill adopt`, are removed only on demand. Check \
         that the database is the newest one, then run `cadmill gc --yes`",
        swept.unconfirmed, swept.seen
    )
}
