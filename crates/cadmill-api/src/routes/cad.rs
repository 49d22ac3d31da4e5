//! `/api/cad/{id}`: one file, as it is now.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use cadmill_domain::{
    CadFile, CadFiles, MaterialKey, MediaAssets, MediaKind,
    cad_file::{CadFileOverview, MediaStatus},
};
use cadmill_scene::Overlay;
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use tracing::warn;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

use super::materials::MaterialsDto;
use crate::{dto::MediumDto, etag::Tag, extract::FileId, outline::Outlines, problem::Problem};

/// What these routes work with.
#[derive(Debug, Clone)]
pub(crate) struct Shown {
    pub(crate) files: Arc<dyn CadFiles>,
    pub(crate) assets: Arc<dyn MediaAssets>,
    pub(crate) outlines: Arc<Outlines>,
}

pub(crate) fn routes() -> OpenApiRouter<Shown> {
    OpenApiRouter::new().routes(routes!(show, delete))
}

/// A CAD file, in short.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CadFile)]
pub(crate) struct FileDto {
    /// Its identity.
    id: Uuid,
    /// What people call it.
    name: String,
    /// SHA-256 of its bytes.
    #[schema(pattern = "^[0-9a-f]{64}$")]
    step_file_hash: String,
    /// How many bytes it has.
    #[schema(minimum = 0)]
    size_bytes: u64,
    /// When it was brought in.
    created_at: DateTime<Utc>,
    /// When its bytes or its materials last changed.
    updated_at: DateTime<Utc>,
}

impl From<&CadFile> for FileDto {
    fn from(file: &CadFile) -> Self {
        Self {
            id: file.id.as_uuid(),
            name: file.name.clone(),
            step_file_hash: file.source.sha256.to_string(),
            size_bytes: file.source.bytes,
            created_at: file.created_at,
            updated_at: file.updated_at,
        }
    }
}

/// A CAD file and its media.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CadFileOverview)]
pub(crate) struct OverviewDto {
    #[serde(flatten)]
    file: FileDto,
    /// Each medium that is made here, in the order of the chain.
    media: Vec<MediumDto>,
}

impl From<CadFileOverview> for OverviewDto {
    fn from(CadFileOverview { file, media }: CadFileOverview) -> Self {
        Self {
            file: FileDto::from(&file),
            media: media.into_iter().map(Into::into).collect(),
        }
    }
}

/// A CAD file with all that is known of it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CadFileDetail)]
struct DetailDto {
    #[serde(flatten)]
    overview: OverviewDto,
    /// What was found in the STEP file: header, schema, units, products and counts; nothing until it
    /// was read.
    #[schema(value_type = Option<Object>)]
    step: Option<Value>,
    /// What the catalogue says the parts are made of.
    part_materials: MaterialsDto,
    /// What a person chose for this file.
    manual_material_overrides: MaterialsDto,
    /// Keys of both maps that name nothing in the canonical scene. They are kept: a later revision may
    /// have such parts. Nothing if there is no scene that could be read.
    orphaned_overrides: Option<Vec<String>>,
}

/// One file, with the state of its media.
///
/// The ETag is `"<revision>-<digest>"`: the revision changes with the bytes and the materials of the
/// file, the digest with anything that is shown here. A later `If-Match` compares only the revision.
#[utoipa::path(
    get, path = "/api/cad/{id}", tag = "cad", operation_id = "show_cad_file",
    params(
        ("id" = Uuid, Path, description = "The file"),
        ("If-None-Match" = Option<String>, Header, description = "ETags that the client has"),
    ),
    responses(
        (status = 200, body = DetailDto, description = "The file", headers(("ETag" = String, description = "Its state"))),
        (status = 304, description = "The client has this state"),
    ),
    security(("token" = ["viewer"])),
)]
async fn show(
    State(state): State<Shown>,
    FileId(id): FileId,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let overview = state.files.overview(id).await?;
    let overview = overview.ok_or_else(|| Problem::not_found("CAD file"))?;
    let file = &overview.file;
    let revision = file.revision();
    let orphaned = state.orphaned(file, &overview.media).await;
    let body = DetailDto {
        step: file.step.as_ref().map(|facts| serde_json::json!(facts)),
        part_materials: MaterialsDto::from(&file.materials.part_materials),
        manual_material_overrides: MaterialsDto::from(&file.materials.manual_overrides),
        orphaned_overrides: orphaned.map(|keys| keys.iter().map(ToString::to_string).collect()),
        overview: overview.into(),
    };
    let tag = Tag::of_file(revision, &body);
    let tag_header = [(header::ETAG, tag.header())];
    if tag.is_known(&headers)? {
        return Ok((StatusCode::NOT_MODIFIED, tag_header).into_response());
    }
    Ok((tag_header, Json(body)).into_response())
}

impl Shown {
    /// Keys that name nothing in the scene that is there. The file is shown though the scene cannot be
    /// read, so that is only logged.
    async fn orphaned(&self, file: &CadFile, media: &[MediaStatus]) -> Option<Vec<MaterialKey>> {
        let scene = media
            .iter()
            .find(|status| status.kind == MediaKind::GltfGeometry)?;
        let read = async |id| {
            let asset = self.assets.get(id).await?;
            let asset = asset.ok_or_else(|| Problem::not_found("media asset"))?;
            self.outlines.of(&asset.blob).await
        };
        match read(scene.asset?).await {
            Ok(scene) => Some(Overlay::resolve(&scene, &file.materials).unmatched),
            Err(problem) => {
                let code = problem.code();
                warn!(cad_file.id = %file.id, problem.code = code, "Its scene cannot be read.");
                None
            }
        }
    }
}

/// Deletes a file with everything that was made of it.
///
/// What a worker is making of it is dropped.
#[utoipa::path(
    delete, path = "/api/cad/{id}", tag = "cad", operation_id = "delete_cad_file",
    params(("id" = Uuid, Path, description = "The file")),
    responses((status = 204, description = "It is deleted")),
    security(("token" = ["admin"])),
)]
async fn delete(State(state): State<Shown>, FileId(id): FileId) -> Result<StatusCode, Problem> {
    if state.files.remove(id).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(Problem::not_found("CAD file"))
    }
}
