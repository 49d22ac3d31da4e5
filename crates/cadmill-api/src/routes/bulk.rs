//! `/api/admin/…`: work by the thousand.

use std::sync::Arc;

use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use cadmill_domain::{
    FailureCode, MediaKind,
    ledger::{
        FailedFilter, Missing, MissingFilter, MissingRequest, Requester, WorkRequests,
        WorkRequestsExt as _,
    },
};
use serde::{Deserialize, Serialize};
use utoipa::{
    ToSchema,
    openapi::{
        Object,
        schema::{ObjectBuilder, SchemaType, Type},
    },
};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    dto::{KindDto, TaskDto},
    extract::{By, Json, has_nul},
    problem::{Code, Problem},
};

/// What these routes work with.
#[derive(Debug, Clone)]
pub(crate) struct Bulk {
    pub(crate) requests: Arc<dyn WorkRequests>,
}

pub(crate) fn routes() -> OpenApiRouter<Bulk> {
    OpenApiRouter::new()
        .routes(routes!(canonical_scenes))
        .routes(routes!(usd_masters))
        .routes(routes!(regenerate_stale))
        .routes(routes!(retry_failed))
}

/// Which media are asked for.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[schema(as = GenerateMissing)]
#[serde(default, deny_unknown_fields)]
struct MissingBody {
    /// Only count.
    dry_run: bool,
    /// Whether failures count as missing.
    include_failed: bool,
    /// Only of files whose name contains this, in upper or lower case (of ASCII letters).
    #[schema(pattern = r"^[^\u0000]*$")]
    name_contains: Option<String>,
}

/// Which media are made again.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[schema(as = RegenerateStale)]
#[serde(default, deny_unknown_fields)]
struct StaleBody {
    /// Only of this kind.
    kind: Option<KindDto>,
}

/// Which failures are tried again.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[schema(as = RetryFailed)]
#[serde(default, deny_unknown_fields)]
struct FailedBody {
    /// Only of this kind.
    kind: Option<TaskDto>,
    /// Only with this code.
    #[schema(schema_with = failure_code)]
    code: Option<FailureCode>,
    /// Only of files whose name contains this, in upper or lower case (of ASCII letters).
    #[schema(pattern = r"^[^\u0000]*$")]
    name_contains: Option<String>,
}

fn failure_code() -> Object {
    let codes = FailureCode::ALL.iter().map(|code| Some(code.as_str()));
    let types = SchemaType::from_iter([Type::String, Type::Null]);
    ObjectBuilder::new()
        .schema_type(types)
        .enum_values(Some(codes.chain([None])))
        .description(Some("Only with this code."))
        .build()
}

/// What became of the files that were meant.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Counts)]
struct CountsDto {
    /// Were missing, and are in the queue now.
    #[schema(minimum = 0)]
    queued: u64,
    /// Were in the queue or being made.
    #[schema(minimum = 0)]
    in_flight: u64,
    /// Are there.
    #[schema(minimum = 0)]
    present: u64,
    /// Failed before and were left alone.
    #[schema(minimum = 0)]
    failed: u64,
}

impl From<Missing> for CountsDto {
    fn from(missing: Missing) -> Self {
        Self {
            queued: missing.queued,
            in_flight: missing.in_flight,
            present: missing.present,
            failed: missing.failed,
        }
    }
}

/// How much was asked for.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Retried)]
struct RetriedDto {
    /// Is in the queue now.
    #[schema(minimum = 0)]
    queued: u64,
}

/// Asks for every canonical scene that is missing.
///
/// Asking again while they are made queues nothing.
#[utoipa::path(
    post, path = "/api/admin/generate-missing-canonical-scenes", tag = "admin", operation_id = "generate_missing_canonical_scenes",
    params(("X-Cadmill-Project" = Option<String>, Header, description = "The project for which it is done: projects take turns", min_length = 1, max_length = 128, pattern = "^[!-~]+$")),
    request_body = Option<MissingBody>,
    responses((status = 202, body = CountsDto, description = "What became of the files")),
    security(("token" = ["admin"])),
)]
async fn canonical_scenes(
    State(state): State<Bulk>,
    By(requester): By,
    body: Option<Json<MissingBody>>,
) -> Result<Response, Problem> {
    state
        .missing(MediaKind::GltfGeometry, requester, body)
        .await
}

/// Asks for every USD master that is missing.
///
/// Asking again while they are made queues nothing.
#[utoipa::path(
    post, path = "/api/admin/generate-missing-usd-masters", tag = "admin", operation_id = "generate_missing_usd_masters",
    params(("X-Cadmill-Project" = Option<String>, Header, description = "The project for which it is done: projects take turns", min_length = 1, max_length = 128, pattern = "^[!-~]+$")),
    request_body = Option<MissingBody>,
    responses((status = 202, body = CountsDto, description = "What became of the files")),
    security(("token" = ["admin"])),
)]
async fn usd_masters(
    State(state): State<Bulk>,
    By(requester): By,
    body: Option<Json<MissingBody>>,
) -> Result<Response, Problem> {
    state.missing(MediaKind::UsdMaster, requester, body).await
}

/// Asks for every medium of which only an older one is there.
#[utoipa::path(
    post, path = "/api/admin/regenerate-stale", tag = "admin", operation_id = "regenerate_stale",
    params(("X-Cadmill-Project" = Option<String>, Header, description = "The project for which it is done: projects take turns", min_length = 1, max_length = 128, pattern = "^[!-~]+$")),
    request_body = Option<StaleBody>,
    responses((status = 202, body = CountsDto, description = "What became of the media")),
    security(("token" = ["admin"])),
)]
async fn regenerate_stale(
    State(state): State<Bulk>,
    By(requester): By,
    body: Option<Json<StaleBody>>,
) -> Result<Response, Problem> {
    let body = body.map(|Json(body)| body).unwrap_or_default();
    let counts = state
        .requests
        .request_stale(body.kind.map(Into::into), requester)
        .await?;
    Ok(accepted(CountsDto::from(counts)))
}

/// Asks again for what has failed for good.
#[utoipa::path(
    post, path = "/api/admin/retry-failed", tag = "admin", operation_id = "retry_failed",
    params(("X-Cadmill-Project" = Option<String>, Header, description = "The project for which it is done: projects take turns", min_length = 1, max_length = 128, pattern = "^[!-~]+$")),
    request_body = Option<FailedBody>,
    responses((status = 202, body = RetriedDto, description = "How much is in the queue now")),
    security(("token" = ["admin"])),
)]
async fn retry_failed(
    State(state): State<Bulk>,
    By(requester): By,
    body: Option<Json<FailedBody>>,
) -> Result<Response, Problem> {
    let body = body.map(|Json(body)| body).unwrap_or_default();
    let filter = FailedFilter {
        kind: body.kind.map(Into::into),
        code: body.code,
        name_contains: checked(body.name_contains)?,
    };
    let queued = state.requests.retry_failed(&filter, requester).await?;
    Ok(accepted(RetriedDto { queued }))
}

impl Bulk {
    async fn missing(
        &self,
        kind: MediaKind,
        requester: Requester,
        body: Option<Json<MissingBody>>,
    ) -> Result<Response, Problem> {
        let body = body.map(|Json(body)| body).unwrap_or_default();
        let request = MissingRequest {
            filter: MissingFilter {
                name_contains: checked(body.name_contains)?,
                only: None,
            },
            include_failed: body.include_failed,
            dry_run: body.dry_run,
            requester,
            ..MissingRequest::of(kind)
        };
        let counts = self.requests.request_missing(&request).await?;
        Ok(accepted(CountsDto::from(counts)))
    }
}

fn accepted(body: impl Serialize) -> Response {
    (StatusCode::ACCEPTED, axum::Json(body)).into_response()
}

fn checked(name_contains: Option<String>) -> Result<Option<String>, Problem> {
    match name_contains {
        Some(text) if has_nul(&text) => {
            Err(Problem::new(Code::Invalid, "A name holds no NUL.").at("/name_contains"))
        }
        text => Ok(text.filter(|text| !text.is_empty())),
    }
}
