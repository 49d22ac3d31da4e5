//! The events of a task that has nothing to do.

use cadmill_domain::{
    StoreError, TaskOutcome, Work,
    ledger::{Request, Requested},
    pipeline_log::{NewPipelineEvent, StepEvent},
    sentence,
};
use serde_json::{Value, json};
use tracing::warn;

use super::TaskRunner;

impl TaskRunner {
    /// The result is there already. What follows from it is asked for all the same.
    pub(super) async fn tell_cached(&self, work: Work) -> Result<TaskOutcome, StoreError> {
        let row = self.row(work).await?.unwrap_or_default();
        let asset = row.asset;
        let request = Request {
            requester: row.requester,
            ..Request::BULK
        };
        let outcome = asset.map_or(TaskOutcome::Processed, TaskOutcome::Cached);
        let plan = &self.settings.plan;
        let mut following: Vec<_> = plan.chained(work.kind).collect();
        while let Some(kind) = following.pop() {
            let next = Work { kind, ..work };
            match self.ask(self.records.requests.request(next, request)).await {
                // It will not publish again, so what is made of it is asked for, too.
                Ok(Some(Requested::Present)) => following.extend(plan.chained(kind)),
                Ok(_) => {}
                Err(error) => warn!(
                    cad_file.id = %work.cad_file_id, error = &error as &dyn std::error::Error,
                    "{}: {} could not be queued", work.kind.task_name(), kind.task_name(),
                ),
            }
        }
        self.append(work, outcome.to_json()).await;
        Ok(outcome)
    }

    pub(super) async fn tell_duplicate(&self, work: Work) {
        let Work { cad_file_id, kind } = work;
        warn!(
            cad_file.id = %cad_file_id,
            "{}: {cad_file_id} already in-flight — skipping duplicate", kind.task_name(),
        );
        let result = json!({"skipped": true, "reason": "duplicate"});
        self.append(work, result).await;
    }

    /// Adds a `step_done` without a claim. Failing is only logged: nothing depends on it.
    async fn append(&self, work: Work, result: Value) {
        let event = NewPipelineEvent {
            cad_file_id: work.cad_file_id,
            task: work.kind,
            event: StepEvent::StepDone,
            fence: None,
            worker: self.settings.worker.clone(),
            result,
        };
        if let Err(error) = self.ask(self.records.log.append(event)).await {
            warn!(
                cad_file.id = %work.cad_file_id, error = %sentence(&error),
                "An event could not be added to the pipeline log.",
            );
        }
    }
}
