//! The work of one claim, and how it is closed.

use std::time::Duration;

use cadmill_domain::{
    CadFile, Claim, Failure, FailureCode, Product, Published, Retry, Row, StepEvent, StoreError,
    TaskOutcome, provenance,
};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use tracing::{Span, field, info, instrument, warn};

use super::{Job, Mill, insist};
use crate::{CONVERTER, Failpoint, backoff, figures, meter::Meter, tasks};

impl Mill {
    /// Works on a claim and closes it.
    #[instrument(name = "task", level = "debug", skip_all, fields(
        task.kind = claim.work.kind.task_name(), cad_file.id = %claim.work.cad_file_id,
        fence = claim.fence.0, failure.code = field::Empty,
    ))]
    pub(super) async fn work(
        &self,
        claim: &Claim,
        file: &CadFile,
        lost: CancellationToken,
        stop: &CancellationToken,
    ) -> Result<TaskOutcome, StoreError> {
        self.tell(
            claim,
            StepEvent::StepStart,
            json!({"input": claim.input, "tries": claim.tries, "converter": CONVERTER}),
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
        // Worth trying without the lease, too: whoever finds the claim open takes us for dead.
        let never = CancellationToken::new();
        let held = insist(&never, || self.records.ledger.hand_back(claim)).await?;
        if lost.is_cancelled() {
            figures::lease_lost(claim.work.kind);
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
        Failpoint::BeforePublish.reach();
        let ledger = &self.records.ledger;
        let is_cached = matches!(product, Product::Cached(_));
        let made = match &product {
            Product::Asset(made) => Some((
                provenance::converter(&made.report).map(str::to_owned),
                provenance::warnings(&made.report),
            )),
            _ => None,
        };
        let published = insist(lost, || ledger.publish(claim, product.clone())).await?;
        Failpoint::AfterPublish.reach();
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
            if let Some((converter, warnings)) = made {
                result.insert("converter".to_owned(), json!(converter));
                result.insert("warnings".to_owned(), json!(warnings));
            }
        }
        figures::published(claim.work.kind, is_cached);
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
        figures::refused(claim.work.kind);
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
        figures::failed(claim.work.kind, code);
        Span::current().record("failure.code", field::display(code));
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
