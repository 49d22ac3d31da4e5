//! `GET /api/cad/{id}/timeline`: every step of every attempt.

use std::{collections::BTreeMap, sync::Arc};

use axum::{Json, extract::State};
use cadmill_domain::{
    CadFiles, TaskKind,
    ledger::{Fence, WorkerName},
    pipeline_log::{NewPipelineEvent, PipelineEvent, PipelineLog, StepEvent},
};
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{dto::TaskDto, extract::FileId, problem::Problem};

/// What these routes work with.
#[derive(Debug, Clone)]
pub(crate) struct Story {
    pub(crate) files: Arc<dyn CadFiles>,
    pub(crate) log: Arc<dyn PipelineLog>,
}

pub(crate) fn routes() -> OpenApiRouter<Story> {
    OpenApiRouter::new().routes(routes!(timeline))
}

/// What happened to a file.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Timeline)]
struct TimelineDto {
    /// The steps, in the order in which they began.
    steps: Vec<StepDto>,
}

/// One step of one attempt.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = TimelineStep)]
struct StepDto {
    /// What was done.
    task: TaskDto,
    /// The number of the run; nothing if it never began, as with a duplicate.
    #[schema(minimum = 0)]
    fence: Option<u64>,
    /// Who did it.
    worker: String,
    /// How it ended.
    outcome: OutcomeDto,
    /// When it began, if that was logged.
    started_at: Option<DateTime<Utc>>,
    /// When it ended; nothing if it runs, or its worker died.
    ended_at: Option<DateTime<Utc>>,
    /// How long it took, in milliseconds.
    duration_ms: Option<i64>,
    /// What came of it, as the worker logged it.
    #[schema(value_type = Option<Object>)]
    result: Option<Value>,
    /// What made it: converter or kernel, with its version.
    converter: Option<String>,
    /// What was found odd.
    warnings: Vec<String>,
    /// The last lines that the tessellator logged.
    log_tail: Option<String>,
}

/// How a step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = StepOutcome)]
#[serde(rename_all = "snake_case")]
enum OutcomeDto {
    /// It runs, or its worker died.
    Open,
    /// It was done.
    Done,
    /// Somebody else was at it, so nothing was done.
    Skipped,
    /// It failed.
    Failed,
}

/// Every step of every attempt to make something of a file.
#[utoipa::path(
    get, path = "/api/cad/{id}/timeline", tag = "cad", operation_id = "show_timeline",
    params(("id" = Uuid, Path, description = "The file")),
    responses((status = 200, body = TimelineDto, description = "What happened")),
    security(("token" = ["viewer"])),
)]
async fn timeline(
    State(state): State<Story>,
    FileId(id): FileId,
) -> Result<Json<TimelineDto>, Problem> {
    if state.files.get(id).await?.is_none() {
        return Err(Problem::not_found("CAD file"));
    }
    let events = state.log.timeline(id).await?;
    let steps = steps(events);
    Ok(Json(TimelineDto { steps }))
}

/// Puts the beginning and the end of each run together.
fn steps(events: Vec<PipelineEvent>) -> Vec<StepDto> {
    let mut steps: Vec<StepDto> = Vec::new();
    let mut open: BTreeMap<(TaskKind, Fence, WorkerName), usize> = BTreeMap::new();
    for PipelineEvent { at, event, .. } in events {
        let key = event
            .fence
            .map(|fence| (event.task, fence, event.worker.clone()));
        if event.event == StepEvent::StepStart {
            if let Some(key) = key {
                open.insert(key, steps.len());
            }
            steps.push(StepDto::open(&event, Some(at)));
            continue;
        }
        let begun = key.and_then(|key| open.remove(&key));
        let index = begun.unwrap_or_else(|| {
            steps.push(StepDto::open(&event, None));
            steps.len() - 1
        });
        steps[index].end(at, event.event, event.result);
    }
    steps
}

impl StepDto {
    fn open(event: &NewPipelineEvent, started_at: Option<DateTime<Utc>>) -> Self {
        Self {
            task: event.task.into(),
            fence: event.fence.map(|fence| fence.0),
            worker: event.worker.to_string(),
            outcome: OutcomeDto::Open,
            started_at,
            ended_at: None,
            duration_ms: None,
            result: None,
            converter: event.result["converter"].as_str().map(str::to_owned),
            warnings: Vec::new(),
            log_tail: None,
        }
    }

    fn end(&mut self, at: DateTime<Utc>, event: StepEvent, result: Value) {
        let is_skipped = result["skipped"] == true;
        self.outcome = match event {
            StepEvent::StepFailed => OutcomeDto::Failed,
            _ if is_skipped => OutcomeDto::Skipped,
            _ => OutcomeDto::Done,
        };
        self.ended_at = Some(at);
        self.duration_ms = self.started_at.map(|start| (at - start).num_milliseconds());
        self.log_tail = result["log_tail"].as_str().map(str::to_owned);
        if let Some(converter) = result["converter"].as_str() {
            self.converter = Some(converter.to_owned());
        }
        let warnings = result["warnings"].as_array().into_iter().flatten();
        self.warnings = warnings
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect();
        self.result = Some(result).filter(Value::is_object);
    }
}
