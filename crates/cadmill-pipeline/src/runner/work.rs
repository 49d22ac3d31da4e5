//! The work of one claim, and how it is closed.

use std::{
    panic::{AssertUnwindSafe, resume_unwind},
    sync::Mutex,
    time::Duration,
};

use cadmill_domain::{
    CadFile, Failure, FailureCode, Retry, StoreError, TaskOutcome,
    ledger::{Claim, Confirmed, HandBack, Published, Recovery, ResultSummary, Row, TaskOutput},
};
use futures_util::FutureExt as _;
use tokio_util::sync::CancellationToken;
use tracing::{Span, field, info, instrument, warn};

use super::{Confirmation, ContentLock, Job, Locked, TaskRunner, Terms};
use crate::{Failpoint, backoff, deadline::insist_while, meter::Meter, metrics, tasks};

/// How long ended work may take to clean up. It is dropped after that, which kills its child.
const CLEAN_UP: Duration = Duration::from_secs(1);
/// After so many tries before it, work whose tessellator is killed from outside is set aside.
const MAX_KILLED_TRIES: u32 = 4;

impl TaskRunner {
    /// Works on a claim and closes it.
    #[instrument(name = "task", level = "debug", skip_all, fields(
        task.kind = confirmation.standing().claim.work.kind.task_name(),
        cad_file.id = %confirmation.standing().claim.work.cad_file_id,
        fence = confirmation.standing().claim.fence.0, failure.code = field::Empty,
    ))]
    pub(super) async fn work(
        &self,
        confirmation: Confirmation,
        file: &CadFile,
        locked: &Locked,
        content: ContentLock,
        terms: Terms<'_>,
    ) -> Result<TaskOutcome, StoreError> {
        let standing = confirmation.standing().clone();
        let claim = &standing.claim;
        let cancelled = &standing.cancelled;
        let queue = self.records.queue.clone();
        let meter = Meter::start(queue, standing.clone(), self.settings.lease / 2);
        let job = Job {
            runner: self,
            claim,
            file,
            meter: &meter,
            cancelled: cancelled.clone(),
            renewal: &locked.renewal,
            content: Mutex::new(match content {
                ContentLock::Taken(held) => Some(held),
                _ => None,
            }),
        };
        let made = tokio::select! {
            made = AssertUnwindSafe(tasks::run(&job)).catch_unwind() => made,
            () = until_overdue(terms.stop, cancelled) => {
                Ok(Err(Failure::new(FailureCode::Cancelled, "It did not end by itself.")))
            }
        };
        drop(meter);
        if let Some(slot) = terms.slot {
            slot.give_back();
        }
        let stop = terms.stop;
        let closed = match made {
            Err(panic) => {
                let recover = || self.records.queue.recover(claim, Recovery::Ended);
                if self.retry_while_unavailable(stop, recover).await.is_ok() {
                    confirmation.close();
                }
                resume_unwind(panic);
            }
            Ok(_) if standing.verdict() == Some(Confirmed::Gone) => Ok(Self::taken_away(claim)),
            Ok(Ok(tasks::Made { product, keep })) => {
                let published = self.publish(claim, product, stop).await;
                drop(keep);
                published
            }
            Ok(Err(_)) if locked.lost.is_cancelled() => {
                self.give_back(claim, HandBack::LeaseLost, stop).await
            }
            Ok(Err(_)) if standing.verdict() == Some(Confirmed::Superseded) => {
                self.give_back(claim, HandBack::Outdated, stop).await
            }
            Ok(Err(failure)) if stop.is_cancelled() && failure.code == FailureCode::Cancelled => {
                self.give_back(claim, HandBack::Stopping, stop).await
            }
            Ok(Err(failure)) if failure.is_blob_loss() => {
                self.give_back(claim, HandBack::InputLost, stop).await
            }
            Ok(Err(failure)) => self.fail(claim, &failure, stop).await,
        };
        if closed.is_ok() {
            confirmation.close();
        }
        closed
    }

    /// The claim goes back to the queue, and counts neither as crash nor as attempt.
    async fn give_back(
        &self,
        claim: &Claim,
        reason: HandBack,
        stop: &CancellationToken,
    ) -> Result<TaskOutcome, StoreError> {
        let hand_back = || self.records.queue.hand_back(claim, reason);
        // A claim that is left open looks like a crash, so no error ends this.
        let limit = self.settings.lease / 2;
        let held = insist_while(limit, stop, |_| true, hand_back).await?;
        let (why, outcome) = match reason {
            HandBack::Stopping => return Ok(TaskOutcome::HandedBack),
            HandBack::LeaseLost => {
                metrics::lease_lost(claim.work.kind);
                ("another worker has the lock", TaskOutcome::Lost)
            }
            HandBack::Outdated => ("something else is wanted by now", TaskOutcome::Superseded),
            HandBack::InputLost => (
                "the bytes that it is made of are lost",
                TaskOutcome::HandedBack,
            ),
        };
        warn!(
            cad_file.id = %claim.work.cad_file_id, fence = claim.fence.0, handed_back = held,
            "{}: {why}, so the work was stopped", claim.work.kind.task_name(),
        );
        Ok(outcome)
    }

    /// The work was cancelled, or claimed by another worker: there is nothing to close.
    fn taken_away(claim: &Claim) -> TaskOutcome {
        warn!(
            cad_file.id = %claim.work.cad_file_id, fence = claim.fence.0,
            "{}: the claim was taken away, so the work was stopped", claim.work.kind.task_name(),
        );
        TaskOutcome::Lost
    }

    /// Closes the claim with a result.
    async fn publish(
        &self,
        claim: &Claim,
        product: TaskOutput,
        stop: &CancellationToken,
    ) -> Result<TaskOutcome, StoreError> {
        Failpoint::BeforePublish.reach();
        let queue = &self.records.queue;
        let summary = ResultSummary::of(&product);
        let publish = || queue.publish(claim, product.clone());
        let published = match self.retry_while_unavailable(stop, publish).await {
            Err(error) if !stop.is_cancelled() => {
                // It is made again: nothing that was made is in the ledger.
                return self.fail(claim, &error.into(), stop).await;
            }
            published => published?,
        };
        Failpoint::AfterPublish.reach();
        let asset = match published {
            Published::Done { asset, .. } => asset,
            Published::Refused => match self
                .retry_while_unavailable(stop, || self.published(claim))
                .await?
            {
                Some(row) => row.asset,
                None => return Ok(Self::refused(claim)),
            },
        };
        let is_cached = summary.is_cached();
        metrics::published(claim.work.kind, is_cached);
        info!(
            cad_file.id = %claim.work.cad_file_id, fence = claim.fence.0, cached = is_cached,
            "{}: done", claim.work.kind.task_name(),
        );
        Ok(summary.outcome(asset))
    }

    /// The row, if this claim was published before: the database did so, and its answer was lost.
    async fn published(&self, claim: &Claim) -> Result<Option<Row>, StoreError> {
        let row = self.row(claim.work).await?;
        let is_published = |row: &Row| {
            let mut ready = row.ready.iter();
            let is_made =
                ready.any(|ready| *ready == claim.input || ready.is_coarser_than(&claim.input));
            row.fence == claim.fence && is_made
        };
        Ok(row.filter(is_published))
    }

    fn refused(claim: &Claim) -> TaskOutcome {
        metrics::refused(claim.work.kind);
        warn!(
            cad_file.id = %claim.work.cad_file_id, fence = claim.fence.0,
            "{}: the claim is no longer the newest, so its result was refused",
            claim.work.kind.task_name(),
        );
        TaskOutcome::Lost
    }

    /// Closes the claim with a failure: for good, or to be tried again later.
    async fn fail(
        &self,
        claim: &Claim,
        failure: &Failure,
        stop: &CancellationToken,
    ) -> Result<TaskOutcome, StoreError> {
        let code = failure.code;
        metrics::failed(claim.work.kind, code);
        Span::current().record("failure.code", field::display(code));
        // A machine without enough memory kills the child at each try.
        let is_killed_again = code == FailureCode::KernelKilled && claim.tries >= MAX_KILLED_TRIES;
        let retry = code.retry() == Retry::Later && !is_killed_again;
        let retry_at = retry.then(|| self.clock.now() + backoff::jittered(claim.tries));
        let queue = &self.records.queue;
        let fail = || queue.fail(claim, failure, retry_at);
        let held = match self.retry_while_unavailable(stop, fail).await {
            Err(error) if !stop.is_cancelled() => {
                warn!(
                    error = &error as &dyn std::error::Error,
                    "A failure could not be stored, so the work goes back to the queue."
                );
                return self.give_back(claim, HandBack::Stopping, stop).await;
            }
            held => held?,
        };
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
}

/// Waits until the work is no longer wanted, ends it then, and leaves it some time to clean up.
async fn until_overdue(stop: &CancellationToken, work: &CancellationToken) {
    tokio::select! {
        () = stop.cancelled() => work.cancel(),
        () = work.cancelled() => {}
    }
    tokio::time::sleep(CLEAN_UP).await;
}
