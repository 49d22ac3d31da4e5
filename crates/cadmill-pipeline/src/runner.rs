//! Everything that a task needs, and the one way in which every task is run: lock, claim, work,
//! publish, release.

mod confirmation;
mod tell;
mod work;

use std::{
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};

use cadmill_domain::{
    Blobs, CadFile, CadFiles, Clock, Failure, MediaAssets, MediaKind, MediaPlan, StoreError,
    TaskKind, TaskOutcome, Work,
    blobs::BlobRefs,
    ledger::{
        Claim, HandBack, LedgerView, Recovered, Recovery, Request, Requested, Row, WorkQueue,
        WorkRequests, WorkerName,
    },
    pipeline_log::PipelineLog,
    tessellator::{Conditions, Tessellator},
};
use cadmill_lock::{DedupLock, Exclusive, Held, LockError, LockKey, Renewal, run_exclusive_while};
use chrono::TimeDelta;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use self::confirmation::Confirmation;
pub(crate) use self::confirmation::{OpenClaims, Standing, allow_renewal};
use crate::{
    Failpoint,
    deadline::{retry_while_unavailable, within},
    meter::Meter,
    metrics,
    slots::Slot,
};

/// Where rows are kept.
#[derive(Debug, Clone)]
pub struct Records {
    /// The CAD files.
    pub files: Arc<dyn CadFiles>,
    /// Their media.
    pub assets: Arc<dyn MediaAssets>,
    /// Requests of results.
    pub requests: Arc<dyn WorkRequests>,
    /// The queue and its claims.
    pub queue: Arc<dyn WorkQueue>,
    /// Counts and lists of the rows of the ledger.
    pub view: Arc<dyn LedgerView>,
    /// What is done without a claim. The events of a claim are written by the ledger.
    pub log: Arc<dyn PipelineLog>,
    /// Which blobs are referred to.
    pub refs: Arc<dyn BlobRefs>,
}

/// How work is done, whatever the file.
#[derive(Debug, Clone)]
pub struct TaskRunnerSettings {
    /// Who does it.
    pub worker: WorkerName,
    /// Which media are made, and how finely.
    pub plan: MediaPlan,
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

/// Runs tasks. Whoever links this crate can run one by [`TaskRunner::run`]; a `Worker` runs what the
/// ledger holds.
#[derive(Debug, Clone)]
pub struct TaskRunner {
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
    pub settings: TaskRunnerSettings,
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
    pub(crate) runner: &'a TaskRunner,
    pub(crate) claim: &'a Claim,
    pub(crate) file: &'a CadFile,
    pub(crate) meter: &'a Meter,
    /// Resolves when the work is no longer wanted.
    pub(crate) cancelled: CancellationToken,
    /// Until when the leases of this claim may be renewed.
    pub(crate) renewal: &'a Renewal,
    /// The lock of the content, if it was taken before the claim.
    pub(crate) content: Mutex<Option<Held>>,
}

/// What a task is run with, for any work.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms<'a> {
    /// Ends the work, which goes back to the queue then.
    pub(crate) stop: &'a CancellationToken,
    /// The claims of this worker.
    pub(crate) open: &'a OpenClaims,
    /// How long work is put off that would wait for the lock of its content.
    pub(crate) put_off_for: Duration,
    /// Given back as soon as the result is made.
    pub(crate) slot: Option<&'a Slot>,
}

/// The lock of one piece of work while it is ours.
#[derive(Debug)]
struct Locked {
    /// Cancelled when another worker has the lock.
    lost: CancellationToken,
    /// Until when it may be renewed.
    renewal: Renewal,
}

/// The lock of the content that a task tessellates.
#[derive(Debug)]
enum ContentLock {
    /// Nothing is tessellated, or the lock is waited for later.
    NotNeeded,
    Taken(Held),
    HeldElsewhere,
}

impl TaskRunner {
    /// Runs one task now, as if it had been called by name: asks for its result and makes it. If
    /// another worker is at it, it is skipped and nothing is touched. When `stop` is cancelled, the
    /// work goes back to the queue.
    ///
    /// # Errors
    /// If the lock store or the database does not answer.
    pub async fn run(
        &self,
        work: Work,
        stop: &CancellationToken,
    ) -> Result<TaskOutcome, TaskError> {
        // A claim that is seen only when we have the lock may be newer than our own lease.
        let seen = self.row(work).await?;
        let seen = seen.and_then(|row| row.open_claim(work));
        let open = OpenClaims::default();
        let terms = Terms {
            stop,
            open: &open,
            put_off_for: Duration::ZERO,
            slot: None,
        };
        let ran = self
            .exclusively(work, async |locked| {
                self.run_locked(work, seen, &locked, terms).await
            })
            .await?;
        if ran == TaskOutcome::Skipped {
            metrics::duplicate(work.kind);
            self.tell_duplicate(work).await;
        }
        Ok(ran)
    }

    /// Takes one piece of work from the queue, if no other worker does. That another is faster is no
    /// duplicate, so nothing is logged of it.
    pub(crate) async fn take(
        &self,
        work: Work,
        terms: Terms<'_>,
    ) -> Result<TaskOutcome, TaskError> {
        self.exclusively(work, async |locked| {
            self.take_locked(work, &locked, terms).await
        })
        .await
    }

    async fn exclusively(
        &self,
        work: Work,
        body: impl AsyncFnOnce(Locked) -> Result<TaskOutcome, TaskError>,
    ) -> Result<TaskOutcome, TaskError> {
        let (key, lease) = (lock_key(work), self.settings.lease);
        let renewal = Renewal::default();
        let mut ended = None;
        let slot = &mut ended;
        let of_body = renewal.clone();
        let ran = run_exclusive_while(&self.lock, &key, lease, &renewal, |lost| async move {
            let locked = Locked {
                lost,
                renewal: of_body,
            };
            *slot = Some(body(locked).await);
            Failpoint::BeforeRelease.reach();
        });
        if let Exclusive::Skipped(_) = ran.await? {
            return Ok(TaskOutcome::Skipped);
        }
        // A lease that was lost after the work had been closed changes nothing of how it ended.
        ended.unwrap_or(Ok(TaskOutcome::Lost))
    }

    async fn run_locked(
        &self,
        work: Work,
        seen: Option<Claim>,
        locked: &Locked,
        terms: Terms<'_>,
    ) -> Result<TaskOutcome, TaskError> {
        let Records {
            requests, queue, ..
        } = &self.records;
        if let Some(seen) = seen {
            let recovered = queue.recover(&seen, self.unconfirmed(true));
            // Its owner is at work, and only its lock was lost; or it may be.
            if self.ask(recovered).await? == Recovered::NotYet {
                return Ok(TaskOutcome::Skipped);
            }
        }
        let requested = requests.request(work, Request::ASKED);
        let Some(requested) = self.ask(requested).await? else {
            return Ok(TaskOutcome::Unknown);
        };
        if requested == Requested::Present {
            return Ok(self.tell_cached(work).await?);
        }
        match self.claim(work, locked, terms).await? {
            Some((claim, file)) => {
                let content = ContentLock::NotNeeded;
                Ok(Box::pin(self.work(claim, &file, locked, content, terms)).await?)
            }
            None => Ok(TaskOutcome::Waiting),
        }
    }

    async fn take_locked(
        &self,
        work: Work,
        locked: &Locked,
        terms: Terms<'_>,
    ) -> Result<TaskOutcome, TaskError> {
        Failpoint::AfterLock.reach();
        let content = self.content_lock(work, locked).await?;
        if matches!(content, ContentLock::HeldElsewhere) {
            self.put_off(&[work], terms.put_off_for).await?;
            return Ok(TaskOutcome::PutOff);
        }
        match self.claim(work, locked, terms).await? {
            Some((claim, file)) => {
                Ok(Box::pin(self.work(claim, &file, locked, content, terms)).await?)
            }
            None => Ok(TaskOutcome::Skipped),
        }
    }

    /// Takes the lock of the content that is to be tessellated, if it is not held. Work never waits
    /// for that lock in a slot: it is put off, and the ledger ends its wait with the result.
    async fn content_lock(&self, work: Work, locked: &Locked) -> Result<ContentLock, TaskError> {
        let scene = MediaKind::GltfGeometry;
        if work.kind != TaskKind::Make(scene) {
            return Ok(ContentLock::NotNeeded);
        }
        let Records { files, assets, .. } = &self.records;
        let Some(file) = self.ask(files.get(work.cad_file_id)).await? else {
            return Ok(ContentLock::NotNeeded);
        };
        let input = self.settings.plan.input(work.kind, &file.subject());
        let is_cached = self.ask(assets.made_of(scene, &input)).await?.is_some();
        let is_forced = is_cached && self.row(work).await?.is_some_and(|row| row.force);
        if is_cached && !is_forced {
            return Ok(ContentLock::NotNeeded);
        }
        let (key, lease) = (self.content_key(&file), self.settings.lease);
        let held = Held::try_acquire_while(&self.lock, &key, lease, &locked.renewal);
        Ok(held
            .await?
            .map_or(ContentLock::HeldElsewhere, ContentLock::Taken))
    }

    /// The key under which the bytes of a file are tessellated; the name of the file does not matter.
    pub(crate) fn content_key(&self, file: &CadFile) -> LockKey {
        LockKey::tessellation(file.source.sha256, self.settings.plan.fingerprint())
    }

    /// Leaves work in the queue that cannot be done now.
    pub(crate) async fn put_off(&self, work: &[Work], wait: Duration) -> Result<(), StoreError> {
        let wait = TimeDelta::from_std(wait).unwrap_or(TimeDelta::MAX);
        let until = self.clock.now() + wait;
        self.ask(self.records.queue.put_off(work, until)).await
    }

    /// Claims the work. What was asked for by other settings, or before the file changed, is asked
    /// for by our own and claimed again under the same lock, so that workers of two settings do not
    /// hand it to and fro.
    async fn claim(
        &self,
        work: Work,
        locked: &Locked,
        terms: Terms<'_>,
    ) -> Result<Option<(Confirmation, CadFile)>, StoreError> {
        let Records { files, queue, .. } = &self.records;
        for _ in 0..2 {
            // While the answer is lost, others can take over, as while a claim is not confirmed.
            allow_renewal(&locked.renewal, Instant::now(), self.settings.lease);
            let claim = queue.claim(work, &self.settings.worker);
            let claim = match self.ask(claim).await {
                Ok(claim) => claim,
                Err(error) => {
                    self.undo_claim(work, terms.stop).await;
                    return Err(error);
                }
            };
            Failpoint::AfterClaim.reach();
            let Some(claim) = claim else {
                return Ok(None);
            };
            let confirmation = Confirmation::begin(
                queue.clone(),
                claim,
                locked.lost.child_token(),
                self.settings.lease,
                locked.renewal.clone(),
                terms.open,
            );
            let claim = &confirmation.standing().claim;
            let file = self.retry_while_unavailable(terms.stop, || files.get(work.cad_file_id));
            let plan = &self.settings.plan;
            let is_wanted = |file: &CadFile| plan.accepts(work.kind, &file.subject(), &claim.input);
            if let Some(file) = file.await?.filter(is_wanted) {
                return Ok(Some((confirmation, file)));
            }
            self.retry_while_unavailable(terms.stop, || queue.hand_back(claim, HandBack::Outdated))
                .await?;
            confirmation.close();
        }
        Ok(None)
    }

    /// The answer to a claim was lost, so it may be ours; then it goes back to the queue. A worker does
    /// the same work once at a time, so no other claim of it can be meant.
    async fn undo_claim(&self, work: Work, stop: &CancellationToken) {
        let undo = async || {
            let row = self.row(work).await?;
            let claim = row.and_then(|row| row.open_claim(work));
            match claim.filter(|claim| claim.worker == self.settings.worker) {
                Some(claim) => {
                    let queue = &self.records.queue;
                    queue.hand_back(&claim, HandBack::Stopping).await.map(drop)
                }
                None => Ok(()),
            }
        };
        if let Err(error) = self.retry_while_unavailable(stop, undo).await {
            warn!(%work, error = &error as &dyn std::error::Error, "A claim may be left open.");
        }
    }

    /// Asks the database once, for half a lease at most.
    pub(crate) async fn ask<T>(
        &self,
        answer: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        within(self.settings.lease / 2, answer).await
    }

    /// Asks the database until it answers or `stop` is cancelled.
    pub(crate) async fn retry_while_unavailable<T, F>(
        &self,
        stop: &CancellationToken,
        ask: impl Fn() -> F,
    ) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, StoreError>>,
    {
        retry_while_unavailable(self.settings.lease / 2, stop, ask).await
    }

    /// How claims are taken back whose owners may be gone.
    pub(crate) fn unconfirmed(&self, is_free: bool) -> Recovery {
        let lease = self.lease();
        Recovery::Unconfirmed { lease, is_free }
    }

    /// How long a lease runs.
    pub(crate) fn lease(&self) -> TimeDelta {
        TimeDelta::from_std(self.settings.lease).unwrap_or(TimeDelta::MAX)
    }

    /// The conditions under which files are tessellated here.
    pub(crate) async fn conditions(&self) -> Result<Conditions, Failure> {
        let kernel = self.tessellator.kernel().await?;
        let TaskRunnerSettings {
            memory_bytes,
            timeout,
            ..
        } = self.settings;
        Ok(Conditions::new(kernel, memory_bytes, timeout))
    }

    /// The row of this work.
    pub(crate) async fn row(&self, work: Work) -> Result<Option<Row>, StoreError> {
        let rows = self.ask(self.records.view.rows(work.cad_file_id)).await?;
        let row = rows.into_iter().find(|(kind, _)| *kind == work.kind);
        Ok(row.map(|(_, row)| row))
    }
}

/// The key under which this work is locked.
pub(crate) fn lock_key(work: Work) -> LockKey {
    LockKey::new(work.lock_key())
}
