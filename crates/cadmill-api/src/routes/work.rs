//! `/api/admin/work`: the ledger, as people see it.

use std::{sync::Arc, time::SystemTime};

use axum::{
    Json,
    extract::{FromRequestParts, State},
    http::request::Parts,
};
use cadmill_domain::{
    CadFileId, Clock, Moment, Work, WorkCursor,
    ledger::{LedgerView, RowState, WorkItem, WorkRequests},
};
use cadmill_lock::{DedupLock, Holder, LockError, LockKey};
use chrono::{DateTime, Utc};
use futures_util::future::try_join_all;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

use crate::{
    dto::{FailureDto, PriorityDto, ProgressDto, TaskDto},
    extract::{Query, is_plain, path_text, uuid},
    problem::{Code, Problem},
};

/// What these routes work with.
#[derive(Debug, Clone)]
pub(crate) struct Works {
    pub(crate) requests: Arc<dyn WorkRequests>,
    pub(crate) view: Arc<dyn LedgerView>,
    pub(crate) lock: Arc<dyn DedupLock>,
    pub(crate) clock: Arc<dyn Clock>,
}

pub(crate) fn routes() -> OpenApiRouter<Works> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(cancel))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct WorkQuery {
    /// The `next` of the page before.
    #[param(pattern = "^1[A-Za-z0-9_-]+$", max_length = 2000)]
    cursor: Option<String>,
    /// At most so much: 50 if nothing is said.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u16>,
}

/// Some of the work that is under way.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WorkPage)]
struct PageDto {
    /// What runs, then what waits in the order of the queue.
    work: Vec<WorkDto>,
    /// The cursor of the next page, if there may be one.
    next: Option<String>,
}

/// Work that runs or waits.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Work)]
struct WorkDto {
    /// What it is cancelled by: file and kind.
    id: String,
    /// The file.
    cad_file_id: Uuid,
    /// The name of the file.
    name: String,
    /// What is done.
    task: TaskDto,
    /// Whether a worker is at it.
    running: bool,
    /// Whether what is wanted has changed since a worker began: all requests that came meanwhile are
    /// merged into one more run, which follows.
    runs_again: bool,
    /// How urgent it is.
    priority: PriorityDto,
    /// The number of the newest run.
    #[schema(minimum = 0)]
    fence: u64,
    /// How often in a row it failed and is tried again.
    #[schema(minimum = 0)]
    attempts: u32,
    /// How often in a row its worker died.
    #[schema(minimum = 0)]
    crashes: u32,
    /// Whether it is made though it was there.
    forced: bool,
    /// Since when it is wanted.
    requested_at: Option<DateTime<Utc>>,
    /// Not to be begun before.
    not_before: Option<DateTime<Utc>>,
    /// When it was last begun.
    started_at: Option<DateTime<Utc>>,
    /// Who began it last.
    worker: Option<String>,
    /// How far it is.
    progress: Option<ProgressDto>,
    /// How it failed last.
    failure: Option<FailureDto>,
    /// Who holds its lock, if anybody does.
    lock: Option<HolderDto>,
}

/// Who holds a lock.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LockHolder)]
struct HolderDto {
    /// The name the holder gave itself.
    who: String,
    /// Since when.
    since: Option<DateTime<Utc>>,
    /// For how long by now, in seconds.
    #[schema(minimum = 0)]
    held_for_s: Option<u64>,
    /// How long until it runs out unless it is renewed, in seconds; nothing if it never does.
    #[schema(minimum = 0)]
    time_left_s: Option<u64>,
}

/// Whether something was cancelled.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Cancelled)]
struct CancelledDto {
    /// False if nothing was under way.
    cancelled: bool,
}

/// What runs, then what waits in the order of the queue, with who holds which lock.
#[utoipa::path(
    get, path = "/api/admin/work", tag = "admin", operation_id = "list_work",
    params(WorkQuery),
    responses(
        (status = 200, body = PageDto, description = "One page"),
        (status = 409, body = crate::problem::ProblemBody, content_type = "application/problem+json", description = "The cursor does not belong to this list"),
    ),
    security(("token" = ["admin"])),
)]
async fn list(
    State(state): State<Works>,
    Query(query): Query<WorkQuery>,
) -> Result<Json<PageDto>, Problem> {
    let limit = query.limit.unwrap_or(50);
    if !(1..=200).contains(&limit) {
        let detail = "`limit` lies between 1 and 200.";
        return Err(Problem::new(Code::BadQuery, detail));
    }
    let after = query.cursor.as_deref().map(cursor).transpose()?;
    let items = state.view.work(after, limit.into()).await?;
    let is_full = items.len() == usize::from(limit);
    let next = items
        .last()
        .filter(|_| is_full)
        .map(|last| last.cursor().to_text());
    let now = state.clock.now();
    let work = items.into_iter().map(|item| state.shown(item, now));
    let work = try_join_all(work).await?;
    Ok(Json(PageDto { work, next }))
}

fn cursor(text: &str) -> Result<WorkCursor, Problem> {
    let cursor = WorkCursor::parse(text)?;
    if cursor.requested_at.is_none_or(is_plain) {
        Ok(cursor)
    } else {
        Err(cadmill_domain::CursorError::Unreadable.into())
    }
}

impl Works {
    async fn shown(&self, item: WorkItem, now: Moment) -> Result<WorkDto, LockError> {
        let WorkItem {
            work,
            file_name,
            row,
        } = item;
        let holder = self.lock.holder(&lock_key(work)).await?;
        Ok(WorkDto {
            id: format!("{}:{}", work.cad_file_id, work.kind),
            cad_file_id: work.cad_file_id.as_uuid(),
            name: file_name,
            task: work.kind.into(),
            running: row.state == RowState::Running,
            runs_again: row.runs_again(),
            priority: row.priority.into(),
            fence: row.fence.0,
            attempts: row.attempts,
            crashes: row.crashes,
            forced: row.force,
            requested_at: row.requested_at,
            not_before: row.not_before,
            started_at: row.claimed_at,
            worker: row.worker.map(|worker| worker.to_string()),
            progress: row.progress.map(Into::into),
            failure: row.failure.map(Into::into),
            lock: holder.map(|holder| HolderDto::of(holder, now)),
        })
    }
}

impl HolderDto {
    fn of(holder: Holder, now: Moment) -> Self {
        let held = holder
            .since
            .and_then(|since| SystemTime::from(now).duration_since(since).ok());
        Self {
            who: holder.who,
            since: holder.since.map(Into::into),
            held_for_s: held.map(|held| held.as_secs()),
            time_left_s: holder.time_left.map(|left| left.as_secs()),
        }
    }
}

fn lock_key(work: Work) -> LockKey {
    LockKey::new(work.lock_key())
}

/// The work that the path names.
struct WorkId(Work);

impl<S: Sync> FromRequestParts<S> for WorkId {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let text = path_text(parts, "id").await?;
        let work = text.split_once(':').and_then(|(id, kind)| {
            let cad_file_id = CadFileId::from_uuid(uuid(id)?);
            Some(Work {
                cad_file_id,
                kind: kind.parse().ok()?,
            })
        });
        work.map(Self).ok_or_else(|| {
            Problem::new(
                Code::BadPath,
                "Work is named by the id of its file, `:` and its kind.",
            )
        })
    }
}

/// Takes work out of the queue, or away from the worker that is at it.
#[utoipa::path(
    post, path = "/api/admin/work/{id}/cancel", tag = "admin", operation_id = "cancel_work",
    params(("id" = String, Path, description = "File and kind, as the list names them", pattern = "^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}:(process_step|gltf_geometry|usd_master|web_glb|thumbnail)$")),
    responses((status = 200, body = CancelledDto, description = "Whether something was under way")),
    security(("token" = ["admin"])),
)]
async fn cancel(
    State(state): State<Works>,
    WorkId(work): WorkId,
) -> Result<Json<CancelledDto>, Problem> {
    let cancelled = state.requests.cancel(work).await?;
    Ok(Json(CancelledDto { cancelled }))
}
