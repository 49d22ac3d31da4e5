//! An event as clients and the receivers of webhooks see it.

use cadmill_domain::{
    pipeline_log::{PipelineEvent, StepEvent},
    webhook::EventFilter,
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

/// What an event tells of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) enum EventName {
    /// It began.
    #[serde(rename = "step_start")]
    Start,
    /// It was done, or there was nothing to do.
    #[serde(rename = "step_done")]
    Done,
    /// It failed.
    #[serde(rename = "step_failed")]
    Failed,
}

impl EventName {
    pub(crate) fn as_str(self) -> &'static str {
        StepEvent::from(self).as_str()
    }
}

impl From<StepEvent> for EventName {
    fn from(event: StepEvent) -> Self {
        match event {
            StepEvent::StepStart => Self::Start,
            StepEvent::StepDone => Self::Done,
            StepEvent::StepFailed => Self::Failed,
        }
    }
}

impl From<EventName> for StepEvent {
    fn from(name: EventName) -> Self {
        match name {
            EventName::Start => Self::StepStart,
            EventName::Done => Self::StepDone,
            EventName::Failed => Self::StepFailed,
        }
    }
}

/// The filter for just these events.
pub(crate) fn filter(names: Vec<EventName>) -> EventFilter {
    EventFilter::Only(names.into_iter().map(Into::into).collect())
}

/// Something that happened to a CAD file.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Event)]
pub(crate) struct EventBody {
    /// Its number; later ones have higher ones.
    #[schema(minimum = 1)]
    pub(super) id: u64,
    /// When it happened.
    at: DateTime<Utc>,
    /// The CAD file.
    cad_file_id: Uuid,
    /// The step: `process_step`, `export_glb_geometry`, `usd_master`, `web_glb` or `thumbnail`.
    step: &'static str,
    /// What happened.
    pub(super) event: EventName,
    /// The number of the run, if there was one.
    #[schema(minimum = 0)]
    fence: Option<u64>,
    /// Who did it.
    worker: String,
    /// What came of it; if it failed, how.
    #[schema(value_type = Value)]
    result: Value,
}

impl From<PipelineEvent> for EventBody {
    fn from(event: PipelineEvent) -> Self {
        let PipelineEvent { id, at, event } = event;
        Self {
            id: id.0,
            at,
            cad_file_id: event.cad_file_id.as_uuid(),
            step: event.task.step_name(),
            event: event.event.into(),
            fence: event.fence.map(|fence| fence.0),
            worker: event.worker.to_string(),
            result: event.result,
        }
    }
}
