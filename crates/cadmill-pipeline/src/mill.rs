//! Everything that a task needs, and the one way in which every task is run: lock, claim, work,
//! publish, release.

use std::{path::PathBuf, sync::Arc, time::Duration};

use cadmill_domain::{
    Blobs, CadFile, CadFileId, CadFiles, Claim, Clock, Failure, FailureCode, Ledger, Making,
    MediaAssets, MediaKind, NewPipelineEvent, PipelineLog, Product, Published, Recipe, Request,
    Requested, Retry, StepEvent, StoreError, TaskKind, TaskOutcome, TaskPayload, Tessellator,
    WorkerName, sentence,
};
use cadmill_lock::{DedupLock, Exclusive, LockError, LockKey, run_exclusive};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::{Failpoint, backoff, insist::insist, meter::Meter, tasks};

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
    /// How finely canonical scenes are made.
    pub recipe: Recipe,
    /// Which media are made; its recipe is that above.
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
        let seen = self.open_claim(work).await?;
        let ran = self
            .exclusively(work, |lost| self.run_locked(work, seen, lost, stop))
            .await?;
        if ran == TaskOutcome::Skipped {
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
        let ran = run_exclusive(&self.lock, &key, self.settings.lease, async |lost| {
            let ended = body(lost).await;
            Failpoint::BeforeRelease.reach();
            ended
        });
        let ran = ran.await?;
        match ran {
            Exclusive::Ran(outcome) => Ok(outcome?),
            Exclusive::Skipped(_) => Ok(TaskOutcome::Skipped),
            Exclusive::Lost => Ok(TaskOutcome::Lost),
        }
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
        let claim = ledger.claim(work, &self.settings.worker).await?;
        match claim {
            Some(claim) => self.work(&claim, lost, stop).await,
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
        let claim = self.records.ledger.claim(work, &self.settings.worker);
        match claim.await? {
            Some(claim) => self.work(&claim, lost, stop).await,
            None => Ok(TaskOutcome::Skipped),
        }
    }

    /// The claim of this work that is open now.
    async fn open_claim(&self, work: TaskPayload) -> Result<Option<Claim>, StoreError> {
        let rows = self.records.ledger.rows(work.cad_file_id).await?;
        let row = rows.into_iter().find(|(kind, _)| *kind == work.kind);
        Ok(row.and_then(|(_, row)| row.open_claim(work)))
    }

    /// Works on a claim and closes it.
    async fn work(
        &self,
        claim: &Claim,
        lost: CancellationToken,
        stop: &CancellationToken,
    ) -> Result<TaskOutcome, StoreError> {
        Failpoint::AfterClaim.reach();
        let TaskPayload { cad_file_id, kind } = claim.work;
        let files = &self.records.files;
        let file = insist("Reading the file", &lost, || files.get(cad_file_id)).await?;
        let wanted =
            file.filter(|file| self.settings.making.input(kind, &file.subject()) == claim.input);
        // The row was asked for by other settings, or has changed since: what is wanted is looked
        // up anew.
        let Some(file) = wanted else {
            self.hand_back(claim).await?;
            return Ok(TaskOutcome::HandedBack);
        };
        self.tell(
            claim,
            StepEvent::StepStart,
            json!({"input": claim.input, "tries": claim.tries}),
        )
        .await;
        let cancelled = lost.child_token();
        let meter = Meter::start(
            self.records.ledger.clone(),
            claim.clone(),
            cancelled.clone(),
        );
        let job = Job {
            mill: self,
            claim,
            file: &file,
            meter: &meter,
            cancelled: cancelled.clone(),
        };
        let made = tokio::select! {
            made = tasks::run(&job) => made,
            () = until_stopped(stop, &cancelled) => {
                Err(Failure::new(FailureCode::Cancelled, "The worker stops."))
            }
        };
        meter.stop().await;
        let outcome = if lost.is_cancelled() || stop.is_cancelled() && is_cancelled(&made) {
            self.give_back(claim, &lost).await?
        } else {
            match made {
                Ok(tasks::Made { product, keep }) => {
                    let published = self.publish(claim, product, &lost).await;
                    drop(keep);
                    published?
                }
                Err(failure) => self.fail(claim, &failure, &lost).await?,
            }
        };
        Ok(outcome)
    }

    /// The claim goes back to the queue. That is worth trying even when the lease is lost: whoever
    /// finds the claim open will take us for dead.
    async fn hand_back(&self, claim: &Claim) -> Result<bool, StoreError> {
        let ledger = &self.records.ledger;
        let never = CancellationToken::new();
        insist("Handing back", &never, || ledger.hand_back(claim)).await
    }

    /// The claim goes back to the queue, without blame.
    async fn give_back(
        &self,
        claim: &Claim,
        lost: &CancellationToken,
    ) -> Result<TaskOutcome, StoreError> {
        let held = self.hand_back(claim).await?;
        if lost.is_cancelled() {
            warn!(
                cad_file.id = %claim.work.cad_file_id, fence = claim.fence.0, handed_back = held,
                "{}: the lease was lost, so the work was stopped", claim.work.kind.task_name(),
            );
            self.tell(claim, StepEvent::StepFailed, failed(FailureCode::LockLost))
                .await;
            return Ok(TaskOutcome::Lost);
        }
        self.tell(claim, StepEvent::StepFailed, failed(FailureCode::Cancelled))
            .await;
        Ok(TaskOutcome::HandedBack)
    }

    /// Publishes. A database that is away for a moment shall not cost what was made, so it is tried
    /// again for as long as the lease holds.
    async fn publish(
        &self,
        claim: &Claim,
        product: Product,
        lost: &CancellationToken,
    ) -> Result<TaskOutcome, StoreError> {
        Failpoint::BeforePublish.reach();
        let is_cached = matches!(product, Product::Cached(_));
        let ledger = &self.records.ledger;
        let published = insist("Publishing", lost, || {
            ledger.publish(claim, product.clone())
        });
        let published = published.await?;
        Failpoint::AfterPublish.reach();
        let Published::Done {
            asset,
            again,
            chained,
        } = published
        else {
            warn!(
                cad_file.id = %claim.work.cad_file_id, fence = claim.fence.0,
                "{}: the claim is no longer the newest, so its result was refused",
                claim.work.kind.task_name(),
            );
            self.tell(claim, StepEvent::StepFailed, failed(FailureCode::LockLost))
                .await;
            return Ok(TaskOutcome::Lost);
        };
        let outcome = match asset {
            None => TaskOutcome::Processed,
            Some(id) if is_cached => TaskOutcome::Cached(id),
            Some(id) => TaskOutcome::Made(id),
        };
        let mut result = outcome.to_json();
        if let Value::Object(result) = &mut result {
            let chained = chained.iter().map(|(kind, became)| (kind.as_str(), became));
            let chained: std::collections::BTreeMap<_, _> = chained.collect();
            result.insert("chained".to_owned(), json!(chained));
            result.insert("again".to_owned(), json!(again));
        }
        self.tell(claim, StepEvent::StepDone, result).await;
        info!(
            cad_file.id = %claim.work.cad_file_id, fence = claim.fence.0, cached = is_cached,
            "{}: done", claim.work.kind.task_name(),
        );
        Ok(outcome)
    }

    /// Closes the claim with a failure: for good, or to be tried again later.
    async fn fail(
        &self,
        claim: &Claim,
        failure: &Failure,
        lost: &CancellationToken,
    ) -> Result<TaskOutcome, StoreError> {
        let code = failure.code;
        let retry = code.retry() == Retry::Later;
        let retry_at = retry.then(|| self.clock.now() + backoff::jittered(claim.tries));
        let ledger = &self.records.ledger;
        let held = insist("Telling the failure", lost, || {
            ledger.fail(claim, failure, retry_at)
        });
        let held = held.await?;
        let mut result = json!(failure);
        if let Value::Object(result) = &mut result {
            result.insert("sentence".to_owned(), json!(code.sentence()));
            result.insert("remedy".to_owned(), json!(code.remedy()));
            result.insert("retry_at".to_owned(), json!(retry_at));
        }
        self.tell(claim, StepEvent::StepFailed, result).await;
        warn!(
            cad_file.id = %claim.work.cad_file_id, fence = claim.fence.0, code = %code, retry,
            "{}: {failure}", claim.work.kind.task_name(),
        );
        if held {
            Ok(TaskOutcome::Failed { code, retry })
        } else {
            Ok(TaskOutcome::Lost)
        }
    }

    /// The result is there already. What follows from it is asked for all the same.
    async fn tell_cached(&self, work: TaskPayload) -> Result<TaskOutcome, StoreError> {
        let rows = self.records.ledger.rows(work.cad_file_id).await?;
        let row = rows.into_iter().find(|(kind, _)| *kind == work.kind);
        let asset = row.and_then(|(_, row)| row.asset);
        let outcome = asset.map_or(TaskOutcome::Processed, TaskOutcome::Cached);
        for next in self.settings.making.chained(work.kind) {
            let next = TaskPayload { kind: next, ..work };
            if let Err(error) = self.records.ledger.request(next, Request::BULK).await {
                warn!(
                    cad_file.id = %work.cad_file_id, error = &error as &dyn std::error::Error,
                    "{}: {} could not be queued", work.kind.task_name(), next.kind.task_name(),
                );
            }
        }
        self.append(work, StepEvent::StepDone, None, outcome.to_json())
            .await;
        Ok(outcome)
    }

    async fn tell_duplicate(&self, work: TaskPayload) {
        let TaskPayload { cad_file_id, kind } = work;
        warn!(
            cad_file.id = %cad_file_id,
            "{}: {cad_file_id} already in-flight — skipping duplicate", kind.task_name(),
        );
        let result = json!({"skipped": true, "reason": "duplicate"});
        self.append(work, StepEvent::StepDone, None, result).await;
    }

    async fn tell(&self, claim: &Claim, event: StepEvent, result: Value) {
        self.append(claim.work, event, Some(claim), result).await;
    }

    /// Adds to the pipeline log. Without it the work is still done, so failing is only logged.
    async fn append(
        &self,
        work: TaskPayload,
        event: StepEvent,
        claim: Option<&Claim>,
        result: Value,
    ) {
        let event = NewPipelineEvent {
            cad_file_id: work.cad_file_id,
            task: work.kind,
            event,
            fence: claim.map(|claim| claim.fence),
            worker: self.settings.worker.clone(),
            result,
        };
        if let Err(error) = self.records.log.append(event).await {
            warn!(
                cad_file.id = %work.cad_file_id, error = %sentence(&error),
                "An event could not be added to the pipeline log.",
            );
        }
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

fn failed(code: FailureCode) -> Value {
    json!({"code": code, "sentence": code.sentence()})
}

fn is_cancelled(made: &Result<tasks::Made, Failure>) -> bool {
    matches!(made, Err(failure) if failure.code == FailureCode::Cancelled)
}

/// Waits for `stop`, then cancels the work, and leaves it some time to clean up.
async fn until_stopped(stop: &CancellationToken, work: &CancellationToken) {
    /// A child that is killed is gone much sooner.
    const CLEAN_UP: Duration = Duration::from_secs(5);
    stop.cancelled().await;
    work.cancel();
    tokio::time::sleep(CLEAN_UP).await;
}
