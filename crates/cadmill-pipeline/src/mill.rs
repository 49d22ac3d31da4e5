//! Everything that a task needs, and the one way in which every task is run: lock, claim, work,
//! publish, release.

use std::{path::PathBuf, sync::Arc, time::Duration};

use cadmill_domain::{
    Blobs, CadFile, CadFileId, CadFiles, Claim, Clock, Failure, FailureCode, Ledger, Making,
    MediaAssets, MediaKind, NewPipelineEvent, PipelineLog, Product, Published, Recipe, Request,
    Requested, Retry, Row, StepEvent, StoreError, TaskKind, TaskOutcome, TaskPayload, Tessellator,
    WorkerName, sentence,
};
use cadmill_lock::{DedupLock, Exclusive, LockError, LockKey, run_exclusive};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::{backoff, failpoint, meter::Meter, tasks};

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
        let seen = self.row(work).await?;
        let seen = seen.and_then(|row| row.open_claim(work));
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
        let mut ended = None;
        let slot = &mut ended;
        let ran = run_exclusive(&self.lock, &key, self.settings.lease, |lost| async move {
            *slot = Some(body(lost).await);
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
        failpoint::reach("after_lock");
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
            failpoint::reach("after_claim");
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
    async fn row(&self, work: TaskPayload) -> Result<Option<Row>, StoreError> {
        let rows = self.records.ledger.rows(work.cad_file_id).await?;
        let row = rows.into_iter().find(|(kind, _)| *kind == work.kind);
        Ok(row.map(|(_, row)| row))
    }

    /// Works on a claim and closes it.
    async fn work(
        &self,
        claim: &Claim,
        file: &CadFile,
        lost: CancellationToken,
        stop: &CancellationToken,
    ) -> Result<TaskOutcome, StoreError> {
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
            file,
            meter: &meter,
            cancelled: cancelled.clone(),
        };
        let made = tokio::select! {
            made = tasks::run(&job) => made,
            () = until_overdue(stop, &cancelled) => {
                Err(Failure::new(FailureCode::Cancelled, "It did not end by itself."))
            }
        };
        let holds = meter.stop().await;
        if lost.is_cancelled() || stop.is_cancelled() && is_cancelled(&made) {
            return self.give_back(claim, &lost).await;
        }
        match made {
            _ if !holds => Ok(self.taken_away(claim).await),
            Ok(tasks::Made { product, keep }) => {
                let published = self.publish(claim, product, &lost).await;
                drop(keep);
                published
            }
            Err(failure) => self.fail(claim, &failure, &lost).await,
        }
    }

    /// The claim goes back to the queue, without blame.
    async fn give_back(
        &self,
        claim: &Claim,
        lost: &CancellationToken,
    ) -> Result<TaskOutcome, StoreError> {
        let held = insist(lost, || self.records.ledger.hand_back(claim)).await?;
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

    /// Somebody has cancelled the work, or claimed it anew: there is nothing to close.
    async fn taken_away(&self, claim: &Claim) -> TaskOutcome {
        warn!(
            cad_file.id = %claim.work.cad_file_id, fence = claim.fence.0,
            "{}: the claim was taken away, so the work was stopped", claim.work.kind.task_name(),
        );
        self.tell(claim, StepEvent::StepFailed, failed(FailureCode::Cancelled))
            .await;
        TaskOutcome::Lost
    }

    /// Closes the claim with a result.
    async fn publish(
        &self,
        claim: &Claim,
        product: Product,
        lost: &CancellationToken,
    ) -> Result<TaskOutcome, StoreError> {
        failpoint::reach("before_publish");
        let ledger = &self.records.ledger;
        let is_cached = matches!(product, Product::Cached(_));
        let published = insist(lost, || ledger.publish(claim, product.clone())).await?;
        failpoint::reach("after_publish");
        let (asset, again, chained) = match published {
            Published::Done {
                asset,
                again,
                chained,
            } => (asset, again, chained),
            Published::Refused => match insist(lost, || self.published(claim)).await? {
                Some(row) => (row.asset, row.is_in_flight(), Vec::new()),
                None => return Ok(self.refused(claim).await),
            },
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

    /// The row, if this claim was published before: the database did so, and its answer was lost.
    async fn published(&self, claim: &Claim) -> Result<Option<Row>, StoreError> {
        let row = self.row(claim.work).await?;
        Ok(row.filter(|row| row.fence == claim.fence && row.has(&claim.input)))
    }

    async fn refused(&self, claim: &Claim) -> TaskOutcome {
        warn!(
            cad_file.id = %claim.work.cad_file_id, fence = claim.fence.0,
            "{}: the claim is no longer the newest, so its result was refused",
            claim.work.kind.task_name(),
        );
        self.tell(claim, StepEvent::StepFailed, failed(FailureCode::LockLost))
            .await;
        TaskOutcome::Lost
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
        let held = insist(lost, || ledger.fail(claim, failure, retry_at)).await?;
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
        let asset = self.row(work).await?.and_then(|row| row.asset);
        let outcome = asset.map_or(TaskOutcome::Processed, TaskOutcome::Cached);
        let making = &self.settings.making;
        let mut following: Vec<_> = making.chained(work.kind).collect();
        while let Some(kind) = following.pop() {
            let next = TaskPayload { kind, ..work };
            match self.records.ledger.request(next, Request::BULK).await {
                // It will not publish again, so what is made of it is asked for, too.
                Ok(Some(Requested::Present)) => following.extend(making.chained(kind)),
                Ok(_) => {}
                Err(error) => warn!(
                    cad_file.id = %work.cad_file_id, error = &error as &dyn std::error::Error,
                    "{}: {} could not be queued", work.kind.task_name(), kind.task_name(),
                ),
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

/// Waits until the work is no longer wanted, which it is told, and leaves it some time to clean up.
async fn until_overdue(stop: &CancellationToken, work: &CancellationToken) {
    /// A child that is killed is gone much sooner.
    const CLEAN_UP: Duration = Duration::from_secs(5);
    tokio::select! {
        () = stop.cancelled() => work.cancel(),
        () = work.cancelled() => {}
    }
    tokio::time::sleep(CLEAN_UP).await;
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
