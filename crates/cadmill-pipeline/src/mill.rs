//! Everything that a task needs, and the one way in which every task is run: lock, claim, work,
//! publish, release.

mod tell;
mod work;

use std::{path::PathBuf, sync::Arc, time::Duration};

use cadmill_domain::{
    Blobs, CadFile, CadFileId, CadFiles, Claim, Clock, Ledger, Making, MediaAssets, MediaKind,
    PipelineLog, Request, Requested, Row, StoreError, TaskKind, TaskOutcome, TaskPayload,
    Tessellator, WorkerName,
};
use cadmill_lock::{DedupLock, Exclusive, LockError, LockKey, run_exclusive};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::{Failpoint, backoff, figures, meter::Meter};

/// Where rows are kept.
#[derive(Debug, Clone)]
pub struct Records {
    /// The CAD files.
    pub files: Arc<dyn CadFiles>,
    /// Their media.
    pub assets: Arc<dyn MediaAssets>,
    /// What is to be done.
    pub ledger: Arc<dyn Ledger>,
    /// What was done.
    pub log: Arc<dyn PipelineLog>,
}

/// How work is done, whatever the file.
#[derive(Debug, Clone)]
pub struct MillSettings {
    /// Who does it.
    pub worker: WorkerName,
    /// Which media are made, and how finely.
    pub making: Making,
    /// How long a lease runs unless it is renewed, which it is thrice in that time.
    pub lease: Duration,
    /// Wall-clock limit of one try of the tessellator.
    pub timeout: Duration,
    /// Limit of the tessellator's address space, in bytes.
    pub memory_bytes: u64,
    /// How many threads the kernel may use for one file.
    pub threads: usize,
    /// Where private folders are made.
    pub scratch: PathBuf,
}

/// Runs tasks. Whoever links this crate can run one by [`Mill::run`]; a `Worker` runs what the
/// ledger holds.
#[derive(Debug, Clone)]
pub struct Mill {
    /// Where rows are kept.
    pub records: Records,
    /// Where bytes are kept.
    pub blobs: Arc<dyn Blobs>,
    /// Keeps two from doing the same.
    pub lock: Arc<dyn DedupLock>,
    /// Tessellates.
    pub tessellator: Arc<dyn Tessellator>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// How it is done.
    pub settings: MillSettings,
}

/// A task could not be run at all; what it would have done is still to be done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TaskError {
    /// The lock store does not answer, so nothing was begun.
    #[error("the lock store cannot be used")]
    Lock(#[from] LockError),
    /// The database does not answer.
    #[error("the ledger cannot be used")]
    Store(#[from] StoreError),
}

/// One claim that is worked on.
#[derive(Debug)]
pub(crate) struct Job<'a> {
    pub(crate) mill: &'a Mill,
    pub(crate) claim: &'a Claim,
    pub(crate) file: &'a CadFile,
    pub(crate) meter: &'a Meter,
    /// Resolves when the work is no longer wanted, for whatever reason.
    pub(crate) cancelled: CancellationToken,
}

impl Mill {
    /// Runs one task now, as if it had been called by name: asks for its result and makes it. If
    /// somebody else is at it, it is skipped and nothing is touched. When `stop` is cancelled, the
    /// work goes back to the queue.
    ///
    /// # Errors
    /// If the lock store or the database does not answer.
    pub async fn run(
        &self,
        work: TaskPayload,
        stop: &CancellationToken,
    ) -> Result<TaskOutcome, TaskError> {
        // Whoever holds this claim when we get the lock has lost its lease. One that is seen only
        // then may be newer than our own lease.
        let seen = self.row(work).await?;
        let seen = seen.and_then(|row| row.open_claim(work));
        let ran = self
            .exclusively(work, |lost| self.run_locked(work, seen, lost, stop))
            .await?;
        if ran == TaskOutcome::Skipped {
            figures::duplicate(work.kind);
            self.tell_duplicate(work).await;
        }
        Ok(ran)
    }

    /// Takes one piece of work from the queue, if nobody else does. That somebody else is faster
    /// is no duplicate, so nothing is told of it.
    pub(crate) async fn take(
        &self,
        work: TaskPayload,
        stop: &CancellationToken,
    ) -> Result<TaskOutcome, TaskError> {
        self.exclusively(work, |lost| self.take_locked(work, lost, stop))
            .await
    }

    async fn exclusively<F>(
        &self,
        work: TaskPayload,
        body: impl FnOnce(CancellationToken) -> F,
    ) -> Result<TaskOutcome, TaskError>
    where
        F: Future<Output = Result<TaskOutcome, StoreError>>,
    {
        let key = lock_key(work);
        let mut ended = None;
        let slot = &mut ended;
        let ran = run_exclusive(&self.lock, &key, self.settings.lease, |lost| async move {
            *slot = Some(body(lost).await);
            Failpoint::BeforeRelease.reach();
        });
        if let Exclusive::Skipped(_) = ran.await? {
            return Ok(TaskOutcome::Skipped);
        }
        // A lease that was lost after the work had been closed changes nothing of how it ended.
        Ok(ended.unwrap_or(Ok(TaskOutcome::Lost))?)
    }

    async fn run_locked(
        &self,
        work: TaskPayload,
        seen: Option<Claim>,
        lost: CancellationToken,
        stop: &CancellationToken,
    ) -> Result<TaskOutcome, StoreError> {
        let ledger = &self.records.ledger;
        if let Some(abandoned) = seen {
            ledger.recover(&abandoned).await?;
        }
        let Some(requested) = ledger.request(work, Request::ASKED).await? else {
            return Ok(TaskOutcome::Unknown);
        };
        if requested == Requested::Present {
            return self.tell_cached(work).await;
        }
        match self.claim(work, &lost).await? {
            Some((claim, file)) => self.work(&claim, &file, lost, stop).await,
            None => Ok(TaskOutcome::Waiting),
        }
    }

    async fn take_locked(
        &self,
        work: TaskPayload,
        lost: CancellationToken,
        stop: &CancellationToken,
    ) -> Result<TaskOutcome, StoreError> {
        Failpoint::AfterLock.reach();
        match self.claim(work, &lost).await? {
            Some((claim, file)) => self.work(&claim, &file, lost, stop).await,
            None => Ok(TaskOutcome::Skipped),
        }
    }

    /// Claims the work. What was asked for by other settings, or before the file changed, is asked
    /// for anew and claimed again under the same lock, so that workers of two settings do not hand
    /// it to and fro.
    async fn claim(
        &self,
        work: TaskPayload,
        lost: &CancellationToken,
    ) -> Result<Option<(Claim, CadFile)>, StoreError> {
        let Records { files, ledger, .. } = &self.records;
        for _ in 0..2 {
            let claim = ledger.claim(work, &self.settings.worker).await?;
            Failpoint::AfterClaim.reach();
            let Some(claim) = claim else {
                return Ok(None);
            };
            let file = insist(lost, || files.get(work.cad_file_id)).await?;
            let wanted = |file: &CadFile| self.settings.making.input(work.kind, &file.subject());
            if let Some(file) = file.filter(|file| wanted(file) == claim.input) {
                return Ok(Some((claim, file)));
            }
            insist(lost, || ledger.hand_back(&claim)).await?;
        }
        Ok(None)
    }

    /// The row of this work.
    pub(crate) async fn row(&self, work: TaskPayload) -> Result<Option<Row>, StoreError> {
        let rows = self.records.ledger.rows(work.cad_file_id).await?;
        let row = rows.into_iter().find(|(kind, _)| *kind == work.kind);
        Ok(row.map(|(_, row)| row))
    }
}

/// The key under which this work is locked.
pub(crate) fn lock_key(work: TaskPayload) -> LockKey {
    let id: CadFileId = work.cad_file_id;
    match work.kind {
        TaskKind::ProcessStep => LockKey::step_processing(id),
        TaskKind::Make(MediaKind::GltfGeometry) => LockKey::glb_geometry(id),
        TaskKind::Make(MediaKind::UsdMaster) => LockKey::usd_master(id),
        TaskKind::Make(MediaKind::WebGlb) => LockKey::web_glb(id),
        TaskKind::Make(MediaKind::Thumbnail) => LockKey::thumbnail(id),
    }
}

/// Asks the database again while it is away, for as long as the lease holds: that shall neither cost
/// what was made nor look like a crash.
async fn insist<T, F>(lost: &CancellationToken, ask: impl Fn() -> F) -> Result<T, StoreError>
where
    F: Future<Output = Result<T, StoreError>>,
{
    let mut tries = 0;
    loop {
        let error = match ask().await {
            Err(error @ StoreError::Unavailable(_)) => error,
            answer => return answer,
        };
        warn!(
            error = &error as &dyn std::error::Error,
            "The database is away; it is asked again."
        );
        tokio::select! {
            biased;
            () = lost.cancelled() => return Err(error),
            () = tokio::time::sleep(backoff::short(tries)) => tries += 1,
        }
    }
}
