//! `GET /api/cad/{id}/parts`: the parts of a file, how they look, and why.

use axum::{Json, extract::State};
use cadmill_domain::{CadFile, MediaKind, cad_file::MediaStatus};
use cadmill_scene::{
    Material, MaterialIndex, MaterialSource, MaterialSources, OccurrenceIndex, Overlay, PartIndex,
    Scene,
};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

use super::cad::Shown;
use crate::{
    dto::StateDto,
    extract::FileId,
    problem::{Code, Problem},
};

/// The name of the grey that the tessellator gives to what the STEP file gives no colour.
const DEFAULT_NAME: &str = "default";

pub(crate) fn routes() -> OpenApiRouter<Shown> {
    OpenApiRouter::new().routes(routes!(parts))
}

/// The parts of a file.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Parts)]
struct PartsDto {
    /// The canonical scene that they are of.
    scene_asset_id: Uuid,
    /// How it stands with it: unless it is ready, the parts are those of an earlier revision.
    scene_state: StateDto,
    /// The distinct parts.
    parts: Vec<PartDto>,
    /// Keys of the materials that name nothing here.
    orphaned_overrides: Vec<String>,
}

/// A distinct part.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Part)]
struct PartDto {
    /// Its stable key.
    key: String,
    /// The name of its product.
    name: String,
    /// The names of the layers it lies on.
    layers: Vec<String>,
    /// Its materials: several if faces have their own; none if it has no mesh and no material is
    /// given to it.
    materials: Vec<LookDto>,
    /// Where they come from.
    source: SourceDto,
    /// The places where it is shown.
    occurrences: Vec<OccurrenceDto>,
}

/// A place where a part is shown.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PartOccurrence)]
struct OccurrenceDto {
    /// Its stable key.
    key: String,
    /// The name of the product that it is an occurrence of.
    name: String,
    /// The material it alone has; nothing if it looks as its part does.
    material: Option<LookDto>,
    /// Where that comes from.
    source: Option<SourceDto>,
}

/// A material as it is shown.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ShownMaterial)]
struct LookDto {
    /// Its name.
    name: String,
    /// The base colour in sRGB.
    #[schema(pattern = "^#[0-9a-f]{6}$")]
    color: String,
    /// From 0 (paint, plastic) to 1 (bare metal).
    metallic: f32,
    /// From 0 (a mirror) to 1 (chalk).
    roughness: f32,
    /// From 0 (not to be seen) to 1 (opaque).
    opacity: f32,
}

/// Where a material comes from.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = MaterialSource)]
struct SourceDto {
    /// From which of the four.
    from: OriginDto,
    /// The key of the map that names it.
    key: Option<String>,
}

/// What gives materials; the earlier wins.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = MaterialOrigin)]
#[serde(rename_all = "snake_case")]
enum OriginDto {
    ManualOverride,
    PartMaterial,
    StepColor,
    Default,
}

/// The parts of a file with the materials that they have, and where these come from.
///
/// They are those of the newest canonical scene that is there; 409 if there is none yet.
#[utoipa::path(
    get, path = "/api/cad/{id}/parts", tag = "cad", operation_id = "list_parts",
    params(("id" = Uuid, Path, description = "The file")),
    responses(
        (status = 200, body = PartsDto, description = "The parts"),
        (status = 409, body = crate::problem::ProblemBody, content_type = "application/problem+json", description = "There is no canonical scene yet"),
    ),
    security(("token" = ["viewer"])),
)]
async fn parts(State(state): State<Shown>, FileId(id): FileId) -> Result<Json<PartsDto>, Problem> {
    let overview = state.files.overview(id).await?;
    let overview = overview.ok_or_else(|| Problem::not_found("CAD file"))?;
    let none = || {
        Problem::new(
            Code::NoScene,
            "No canonical scene of this file was made yet.",
        )
    };
    let status = overview.media.into_iter().find(is_scene).ok_or_else(none)?;
    let asset_id = status.asset.ok_or_else(none)?;
    let asset = state.assets.get(asset_id).await?.ok_or_else(none)?;
    let scene = state.outlines.of(&asset.blob).await?;
    let file = overview.file;
    // Thousands of parts against thousands of globs take a while.
    let found = tokio::task::spawn_blocking(move || listed(&scene, &file)).await;
    let (parts, orphaned_overrides) = found.map_err(|error| {
        Problem::new(Code::Internal, "The parts cannot be listed.").because(error)
    })?;
    Ok(Json(PartsDto {
        scene_asset_id: asset_id.as_uuid(),
        scene_state: status.state.into(),
        parts,
        orphaned_overrides,
    }))
}

fn is_scene(status: &MediaStatus) -> bool {
    status.kind == MediaKind::GltfGeometry
}

fn listed(scene: &Scene, file: &CadFile) -> (Vec<PartDto>, Vec<String>) {
    let overlay = Overlay::resolve(scene, &file.materials);
    let sources = MaterialSources::of(scene, &file.materials);
    let parts = scene.parts.iter().zip(&sources.parts).enumerate();
    let mut parts: Vec<_> = parts
        .map(|(index, (part, source))| {
            let materials = materials_of(scene, &overlay, PartIndex(index));
            PartDto {
                key: part.key.to_string(),
                name: part.name.clone(),
                layers: part.layers.clone(),
                source: source_of(source, &materials),
                materials: materials.into_iter().map(LookDto::from).collect(),
                occurrences: Vec::new(),
            }
        })
        .collect();
    for (index, occurrence) in scene.occurrences.iter().enumerate() {
        let Some(part) = occurrence.part else {
            continue;
        };
        let own = overlay.occurrence_material(scene, OccurrenceIndex(index));
        let own = own.map(|own| overlay.material(scene, own));
        let source = sources.occurrences[index].as_ref().zip(own);
        parts[part.0].occurrences.push(OccurrenceDto {
            key: occurrence.key.to_string(),
            name: occurrence.name.clone(),
            source: source.map(|(source, own)| source_of(source, &[own])),
            material: own.map(LookDto::from),
        });
    }
    let orphaned = overlay.unmatched.iter().map(ToString::to_string);
    (parts, orphaned.collect())
}

/// The distinct materials of a part, in the order of its primitives.
fn materials_of<'a>(scene: &'a Scene, overlay: &'a Overlay, part: PartIndex) -> Vec<&'a Material> {
    let given = overlay.parts[part.0];
    let own = scene.parts[part.0]
        .primitives
        .iter()
        .map(|primitive| primitive.material);
    let mut indices: Vec<MaterialIndex> = match given {
        Some(given) => vec![given],
        None => own.collect(),
    };
    let mut seen = std::collections::BTreeSet::new();
    indices.retain(|index| seen.insert(*index));
    indices
        .into_iter()
        .map(|index| overlay.material(scene, index))
        .collect()
}

fn source_of(source: &MaterialSource, materials: &[&Material]) -> SourceDto {
    let (from, key) = match source {
        MaterialSource::ManualOverride(key) => (OriginDto::ManualOverride, Some(key)),
        MaterialSource::PartMaterial(key) => (OriginDto::PartMaterial, Some(key)),
        MaterialSource::Scene if materials.iter().any(|m| m.name != DEFAULT_NAME) => {
            (OriginDto::StepColor, None)
        }
        MaterialSource::Scene => (OriginDto::Default, None),
    };
    let key = key.map(ToString::to_string);
    SourceDto { from, key }
}

impl From<&Material> for LookDto {
    fn from(material: &Material) -> Self {
        let [r, g, b, opacity] = material.base_color;
        let [r, g, b] = [r, g, b].map(to_srgb);
        Self {
            name: material.name.clone(),
            color: format!("#{r:02x}{g:02x}{b:02x}"),
            metallic: material.metallic,
            roughness: material.roughness,
            opacity,
        }
    }
}

/// A channel of linear light, 0 to 1, as sRGB, 0 to 255 (IEC 61966-2-1).
fn to_srgb(linear: f32) -> u8 {
    let linear = f64::from(linear);
    let channel = if linear <= 0.003_130_8 {
        linear * 12.92
    } else {
        1.055 * linear.powf(1.0 / 2.4) - 0.055
    };
    // The cast saturates.
    (channel * 255.0).round() as u8
}
