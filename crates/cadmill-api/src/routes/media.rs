//! `/api/cad/{id}/media/{kind}` and `/api/media/{id}`: asking for a medium, and where one comes from.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, HeaderName, StatusCode},
    response::{IntoResponse as _, Response},
};
use cadmill_domain::{
    CadFileId, CadFiles, MediaAsset, MediaAssets, MediaKind, MissingGeometry, TaskKind, Work,
    cad_file::{MediaState, MediaStatus},
    ledger::{Priority, Request, RequestKey, WorkRequests},
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

use crate::{
    dto::{CauseDto, KindDto, MediumDto},
    extract::{AssetId, By, FileId, Kind, Query, header_text},
    problem::{Code, Problem},
};

/// The longest key, in bytes.
const MAX_KEY_BYTES: usize = 255;

/// What these routes work with.
#[derive(Debug, Clone)]
pub(crate) struct Media {
    pub(crate) files: Arc<dyn CadFiles>,
    pub(crate) assets: Arc<dyn MediaAssets>,
    pub(crate) requests: Arc<dyn WorkRequests>,
}

pub(crate) fn routes() -> OpenApiRouter<Media> {
    OpenApiRouter::new()
        .routes(routes!(request))
        .routes(routes!(asset))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct MediaQuery {
    /// Make it again though it is there. While it is under way this changes nothing.
    #[serde(default)]
    #[param(required = false)]
    force: bool,
}

/// Asks for a medium.
///
/// 200 if it is there, 202 if it is on its way; asking again while it is gives the same run, whose
/// number is `fence`. What it is made of is asked for, too. With an `Idempotency-Key`, `force` counts once
/// in 24 h for the same key, file and kind.
#[utoipa::path(
    post, path = "/api/cad/{id}/media/{kind}", tag = "media", operation_id = "request_medium",
    params(
        ("id" = Uuid, Path, description = "The file"),
        ("kind" = inline(KindDto), Path, description = "The kind of medium"),
        MediaQuery,
        ("Idempotency-Key" = Option<String>, Header, description = "Marks a request that may be repeated", min_length = 1, max_length = 255, pattern = "^[!-~]+$"),
        ("X-Cadmill-Project" = Option<String>, Header, description = "The project for which it is done: projects take turns", min_length = 1, max_length = 128, pattern = "^[!-~]+$"),
    ),
    responses(
        (status = 200, body = MediumDto, description = "It is there"),
        (status = 202, body = MediumDto, description = "It is on its way"),
        (status = 409, body = crate::problem::ProblemBody, content_type = "application/problem+json", description = "This kind is not made here"),
    ),
    security(("token" = ["editor"])),
)]
async fn request(
    State(state): State<Media>,
    FileId(id): FileId,
    Kind(kind): Kind,
    Query(query): Query<MediaQuery>,
    By(requester): By,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let key = idempotency_key(&headers)?;
    let status = state.status(id, kind).await?;
    if is_satisfied(&status, query.force) {
        return Ok(answered(status));
    }
    let work = Work {
        cad_file_id: id,
        kind: TaskKind::Make(kind),
    };
    let request = Request {
        force: query.force,
        requester,
        ..Request::ASKED
    };
    let asked = match key {
        Some(key) => state.requests.request_once(work, request, key).await?,
        None => state.requests.request(work, request).await?,
    };
    if asked.is_none() {
        return Err(Problem::not_found("CAD file"));
    }
    Ok(answered(state.status(id, kind).await?))
}

impl Media {
    async fn status(&self, id: CadFileId, kind: MediaKind) -> Result<MediaStatus, Problem> {
        let overview = self.files.overview(id).await?;
        let overview = overview.ok_or_else(|| Problem::not_found("CAD file"))?;
        let found = overview
            .media
            .into_iter()
            .find(|status| status.kind == kind);
        found.ok_or_else(|| {
            Problem::new(
                Code::NotMadeHere,
                format!("The kind `{kind}` is not made here."),
            )
        })
    }
}

/// Whether nothing need be written: it is there, or on its way and no less urgent than this request.
fn is_satisfied(status: &MediaStatus, force: bool) -> bool {
    match status.state {
        MediaState::Running => true,
        MediaState::Queued => status.priority >= Priority::Asked && status.not_before.is_none(),
        MediaState::Ready => !force,
        MediaState::Stale => status.coarser && !force,
        _ => false,
    }
}

fn answered(status: MediaStatus) -> Response {
    let code = match status.state {
        MediaState::Ready => StatusCode::OK,
        // It is as good as can be had.
        MediaState::Stale if status.coarser => StatusCode::OK,
        _ => StatusCode::ACCEPTED,
    };
    (code, Json(MediumDto::from(status))).into_response()
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<RequestKey>, Problem> {
    let name = HeaderName::from_static("idempotency-key");
    let Some(text) = header_text(headers, &name)? else {
        return Ok(None);
    };
    let is_sound =
        (1..=MAX_KEY_BYTES).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
    if is_sound {
        Ok(Some(RequestKey::of(text)))
    } else {
        let detail = "`Idempotency-Key` has 1 to 255 visible ASCII characters.";
        Err(Problem::new(Code::BadHeader, detail))
    }
}

/// Geometry of the STEP file that lies in another file.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = MissingGeometry)]
struct MissingGeometryDto {
    /// The other file, as the STEP file names it; empty if it gives no name.
    file: String,
    /// The names of the products whose shape lies there.
    products: Vec<String>,
}

impl From<MissingGeometry> for MissingGeometryDto {
    fn from(missing: MissingGeometry) -> Self {
        let MissingGeometry { file, products } = missing;
        Self { file, products }
    }
}

/// A medium that was made, and how.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = MediaAsset)]
struct AssetDto {
    /// Its identity.
    id: Uuid,
    /// The file it shows.
    cad_file_id: Uuid,
    /// What it is.
    kind: KindDto,
    /// SHA-256 of the STEP file it was made of.
    source_hash: String,
    /// The fingerprint of the recipe it was made by.
    recipe: String,
    /// All it depends on, as one text: the key of every cache.
    input: String,
    /// Why it was made: what differs from the one before it.
    why: CauseDto,
    /// What made it: converter or kernel, with its version.
    converter: Option<String>,
    /// What was found odd.
    warnings: Vec<String>,
    /// Geometry of the STEP file that lies in other files, which are never opened.
    missing_geometry: Vec<MissingGeometryDto>,
    /// SHA-256 of its bytes.
    #[schema(pattern = "^[0-9a-f]{64}$")]
    sha256: String,
    /// How many bytes it has.
    #[schema(minimum = 0)]
    size_bytes: u64,
    /// The number of the run under which it was published.
    #[schema(minimum = 0)]
    fence: u64,
    /// When it was published.
    created_at: DateTime<Utc>,
    /// Whether it is that of the file as it is now.
    current: bool,
    /// What was found and measured when it was made.
    #[schema(value_type = Object)]
    report: Value,
}

impl AssetDto {
    fn of(asset: MediaAsset, why: CauseDto, current: bool) -> Self {
        let recipe = asset.input.scene().map(|scene| match &scene.coarser {
            Some(mark) => format!("{}~{mark}", scene.recipe),
            None => scene.recipe.to_string(),
        });
        let report = &asset.report;
        let (converter, warnings) = (report.converter().to_owned(), report.warnings());
        let missing_geometry = report.missing_geometry().iter().cloned();
        Self {
            id: asset.id.as_uuid(),
            cad_file_id: asset.cad_file_id.as_uuid(),
            kind: asset.kind.into(),
            source_hash: asset.input.source().to_string(),
            recipe: recipe.unwrap_or_default(),
            why,
            converter: Some(converter),
            warnings,
            missing_geometry: missing_geometry.map(MissingGeometryDto::from).collect(),
            input: asset.input.to_string(),
            sha256: asset.blob.sha256.to_string(),
            size_bytes: asset.blob.bytes,
            fence: asset.fence.0,
            created_at: asset.created_at,
            current,
            report: asset.report.into(),
        }
    }
}

/// Where a medium comes from: what it was made of, by what, when, and what was found then.
#[utoipa::path(
    get, path = "/api/media/{id}", tag = "media", operation_id = "show_media_asset",
    params(("id" = Uuid, Path, description = "The asset")),
    responses((status = 200, body = AssetDto, description = "The asset")),
    security(("token" = ["viewer"])),
)]
async fn asset(
    State(state): State<Media>,
    AssetId(id): AssetId,
) -> Result<Json<AssetDto>, Problem> {
    let asset = state.assets.get(id).await?;
    let asset = asset.ok_or_else(|| Problem::not_found("media asset"))?;
    let overview = state.files.overview(asset.cad_file_id).await?;
    let mut media = overview.into_iter().flat_map(|overview| overview.media);
    let current = media.any(|status| status.asset == Some(id) && status.state == MediaState::Ready);
    let of_file = state.assets.of_file(asset.cad_file_id).await?;
    let why = asset.cause(&of_file).into();
    Ok(Json(AssetDto::of(asset, why, current)))
}
