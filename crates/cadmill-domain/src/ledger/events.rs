//! The events of the ledger's transitions: `step_start` of a claim, and `step_done` or `step_failed`
//! of its end. Databases and the fake write them in the transaction of the transition, so a claim
//! that is closed has a timeline that is closed.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Claim, HandBack, Recovered, Requested, Row, TaskOutput};
use crate::{
    Failure, FailureCode, MediaAssetId, Moment, TaskKind, TaskOutcome,
    pipeline_log::{NewPipelineEvent, StepEvent},
};

/// The program that makes media, and its version.
pub const CONVERTER: &str = concat!("cadmill ", env!("CARGO_PKG_VERSION"));

impl NewPipelineEvent {
    /// The `step_start` of a claim. PostgreSQL and SQLite build the same JSON in the statement that
    /// claims; the contract suite compares them.
    #[must_use]
    pub fn started(claim: &Claim) -> Self {
        Self {
            cad_file_id: claim.work.cad_file_id,
            task: claim.work.kind,
            event: StepEvent::StepStart,
            fence: Some(claim.fence),
            worker: claim.worker.clone(),
            result: json!({"input": claim.input, "tries": claim.tries, "converter": CONVERTER}),
        }
    }
}

/// What the `step_done` of a publication shows of a result, beside the id of its asset.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ResultSummary {
    is_cached: bool,
    /// Converter and warnings of a medium that was made.
    made: Option<(String, Vec<String>)>,
}

impl ResultSummary {
    /// The summary of `product`.
    #[must_use]
    pub fn of(product: &TaskOutput) -> Self {
        let made = match product {
            TaskOutput::Asset(made) | TaskOutput::Coarser { made, .. } => {
                Some((made.report.converter().to_owned(), made.report.warnings()))
            }
            _ => None,
        };
        Self {
            is_cached: matches!(product, TaskOutput::Cached(_)),
            made,
        }
    }

    /// Whether the medium was there already.
    #[must_use]
    pub const fn is_cached(&self) -> bool {
        self.is_cached
    }

    /// How the task ends whose result has this asset.
    #[must_use]
    pub fn outcome(&self, asset: Option<MediaAssetId>) -> TaskOutcome {
        match asset {
            None => TaskOutcome::Processed,
            Some(id) if self.is_cached => TaskOutcome::Cached(id),
            Some(id) => TaskOutcome::Made(id),
        }
    }

    /// The result of a `step_done`.
    pub(super) fn result(
        &self,
        asset: Option<MediaAssetId>,
        again: bool,
        chained: &[(TaskKind, Requested)],
    ) -> Value {
        let mut result = self.outcome(asset).to_json();
        if let Value::Object(result) = &mut result {
            let chained = chained.iter().map(|(kind, became)| (kind.as_str(), became));
            let chained: BTreeMap<_, _> = chained.collect();
            result.insert("chained".to_owned(), json!(chained));
            result.insert("again".to_owned(), json!(again));
            if let Some((converter, warnings)) = &self.made {
                result.insert("converter".to_owned(), json!(converter));
                result.insert("warnings".to_owned(), json!(warnings));
            }
        }
        result
    }
}

/// The result of the `step_failed` of a failure that is tried again at `retry_at`, or is for good.
pub(super) fn failed(failure: &Failure, retry_at: Option<Moment>) -> Value {
    let mut result = json!(failure);
    if let Value::Object(result) = &mut result {
        result.insert("sentence".to_owned(), json!(failure.code.sentence()));
        result.insert("remedy".to_owned(), json!(failure.code.remedy()));
        result.insert("retry_at".to_owned(), json!(retry_at));
    }
    result
}

/// The result of the `step_failed` of a claim that is handed back.
pub(super) fn handed_back(reason: HandBack) -> Value {
    let code = reason.code();
    match reason {
        HandBack::Outdated => stopped(code, "Something else is wanted by now."),
        HandBack::InputLost => stopped(code, "What it is made of has to be there again first."),
        HandBack::Stopping | HandBack::LeaseLost => {
            json!({"code": code, "sentence": code.sentence()})
        }
    }
}

/// The result of the `step_failed` of a claim that was cancelled.
pub(super) fn cancelled() -> Value {
    let code = FailureCode::Cancelled;
    json!({"code": code, "sentence": code.sentence()})
}

/// The result of the `step_failed` of a claim that was recovered, which left `row`.
pub(super) fn recovered(row: &Row, recovered: Recovered) -> Value {
    match &row.failure {
        Some(failure) if recovered == Recovered::SetAside => failed(failure, None),
        _ => stopped(
            FailureCode::LockLost,
            "The worker did not answer, so its work was taken back.",
        ),
    }
}

fn stopped(code: FailureCode, detail: &str) -> Value {
    json!({"code": code, "sentence": code.sentence(), "detail": detail})
}
