//! `/api/cad/{id}/part-materials` and `…/manual-material-overrides`: the two maps of a file.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use cadmill_domain::{
    CadFile, CadFiles, Color, MaterialKey, MaterialMap, MaterialSpec,
    cad_file::{FileChange, SaveOutcome},
};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        RefOr, Schema,
        schema::{ObjectBuilder, Ref, SchemaType, Type},
    },
};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    etag::{Tag, expected_revision},
    extract::{FileId, Json, Object, escaped, has_nul},
    problem::{Code, Problem},
};

/// What these routes work with.
#[derive(Debug, Clone)]
pub(crate) struct Materials {
    pub(crate) files: Arc<dyn CadFiles>,
}

pub(crate) fn routes() -> OpenApiRouter<Materials> {
    OpenApiRouter::new()
        .routes(routes!(part_materials, save_part_materials))
        .routes(routes!(overrides, save_overrides))
}

/// How a part looks.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = Material)]
#[serde(deny_unknown_fields)]
pub(crate) struct MaterialDto {
    /// The name of the material; the colour's text if it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(pattern = r"^[^\u0000]*$")]
    name: Option<String>,
    /// The base colour in sRGB, `#rrggbb`.
    #[schema(pattern = "^#[0-9a-fA-F]{6}$", example = "#c0c4c8")]
    color: String,
    /// From 0 (paint, plastic) to 1 (bare metal).
    #[serde(default)]
    #[schema(minimum = 0, maximum = 1, default = 0.0)]
    metallic: f64,
    /// From 0 (a mirror) to 1 (chalk).
    #[serde(default = "half")]
    #[schema(minimum = 0, maximum = 1, default = 0.5)]
    roughness: f64,
    /// From 0 (not to be seen) to 1 (opaque).
    #[serde(default = "one")]
    #[schema(minimum = 0, maximum = 1, default = 1.0)]
    opacity: f64,
}

const fn half() -> f64 {
    0.5
}

const fn one() -> f64 {
    1.0
}

/// Part → material.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub(crate) struct MaterialsDto(BTreeMap<String, MaterialDto>);

impl<'de> Deserialize<'de> for MaterialsDto {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let map: BTreeMap<String, Object<MaterialDto>> = BTreeMap::deserialize(deserializer)?;
        let map = map.into_iter();
        Ok(Self(
            map.map(|(key, Object(material))| (key, material)).collect(),
        ))
    }
}

impl PartialSchema for MaterialsDto {
    fn schema() -> RefOr<Schema> {
        let text = SchemaType::new(Type::String);
        let key = ObjectBuilder::new()
            .schema_type(text)
            .pattern(Some(r"^[^\u0000]*$"));
        let description = "From keys to materials. A key is a part key, a part name, an occurrence key \
            (it begins with `/`), or a glob (`*`, `?`) on one of these.";
        ObjectBuilder::new()
            .description(Some(description))
            .property_names(Some(Schema::from(key.build())))
            .additional_properties(Some(Ref::from_schema_name(MaterialDto::name())))
            .into()
    }
}

impl ToSchema for MaterialsDto {
    fn name() -> std::borrow::Cow<'static, str> {
        "Materials".into()
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((MaterialDto::name().into(), MaterialDto::schema()));
    }
}

impl From<&MaterialMap> for MaterialsDto {
    fn from(map: &MaterialMap) -> Self {
        let entries = map.iter().map(|(key, spec)| {
            let material = MaterialDto {
                name: spec.name.clone(),
                color: spec.color.to_string(),
                metallic: spec.metallic,
                roughness: spec.roughness,
                opacity: spec.opacity,
            };
            (key.to_string(), material)
        });
        Self(entries.collect())
    }
}

impl MaterialsDto {
    fn into_domain(self) -> Result<MaterialMap, Problem> {
        let entries = self.0.into_iter().map(|(key, material)| {
            let at = |field: &str, detail: String| {
                let pointer = format!("/{}{field}", escaped(&key));
                Problem::new(Code::Invalid, detail).at(pointer)
            };
            if has_nul(&key) {
                return Err(at("", "A key holds no NUL.".to_owned()));
            }
            if material.name.as_deref().is_some_and(has_nul) {
                return Err(at("/name", "A name holds no NUL.".to_owned()));
            }
            let color: Result<Color, _> = material.color.parse();
            let color = color.map_err(|error| at("/color", format!("{error}.")))?;
            let numbers = [
                ("metallic", material.metallic),
                ("roughness", material.roughness),
                ("opacity", material.opacity),
            ];
            for (field, value) in numbers {
                if !(0.0..=1.0).contains(&value) {
                    let detail = format!("`{field}` must lie between 0 and 1, not {value}.");
                    return Err(at(&format!("/{field}"), detail));
                }
            }
            let spec = MaterialSpec {
                name: material.name,
                color,
                metallic: material.metallic,
                roughness: material.roughness,
                opacity: material.opacity,
            };
            Ok((MaterialKey::new(key), spec))
        });
        entries.collect()
    }
}

/// The part materials: what the catalogue says the parts are made of.
#[utoipa::path(
    get, path = "/api/cad/{id}/part-materials", tag = "cad", operation_id = "show_part_materials",
    params(
        ("id" = Uuid, Path, description = "The file"),
        ("If-None-Match" = Option<String>, Header, description = "ETags that the client has"),
    ),
    responses(
        (status = 200, body = MaterialsDto, description = "The map", headers(("ETag" = String, description = "The revision of the file"))),
        (status = 304, description = "The client has this state"),
    ),
    security(("token" = ["viewer"])),
)]
async fn part_materials(
    State(state): State<Materials>,
    FileId(id): FileId,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let file = state.files.get(id).await?;
    let file = file.ok_or_else(|| Problem::not_found("CAD file"))?;
    shown(&file, &file.materials.part_materials, &headers)
}

/// The manual overrides: what a person chose for this file. They win over part materials.
#[utoipa::path(
    get, path = "/api/cad/{id}/manual-material-overrides", tag = "cad", operation_id = "show_manual_material_overrides",
    params(
        ("id" = Uuid, Path, description = "The file"),
        ("If-None-Match" = Option<String>, Header, description = "ETags that the client has"),
    ),
    responses(
        (status = 200, body = MaterialsDto, description = "The map", headers(("ETag" = String, description = "The revision of the file"))),
        (status = 304, description = "The client has this state"),
    ),
    security(("token" = ["viewer"])),
)]
async fn overrides(
    State(state): State<Materials>,
    FileId(id): FileId,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let file = state.files.get(id).await?;
    let file = file.ok_or_else(|| Problem::not_found("CAD file"))?;
    shown(&file, &file.materials.manual_overrides, &headers)
}

/// Replaces the part materials.
///
/// Media that show them are made again, and nothing is tessellated.
#[utoipa::path(
    put, path = "/api/cad/{id}/part-materials", tag = "cad", operation_id = "save_part_materials",
    params(
        ("id" = Uuid, Path, description = "The file"),
        ("If-Match" = Option<String>, Header, description = "The ETag of the state that is changed, or `*`; only its revision is compared", pattern = "^([*]|(W/)?\"[!#-~]*\"|[0-9]{1,18})$"),
    ),
    request_body = MaterialsDto,
    responses(
        (status = 200, body = MaterialsDto, description = "The map as it is now", headers(("ETag" = String, description = "The revision of the file"))),
        (status = 412, body = crate::problem::ProblemBody, content_type = "application/problem+json", description = "It was changed meanwhile"),
    ),
    security(("token" = ["editor"])),
)]
async fn save_part_materials(
    State(state): State<Materials>,
    FileId(id): FileId,
    headers: HeaderMap,
    Json(map): Json<MaterialsDto>,
) -> Result<Response, Problem> {
    let map = map.into_domain()?;
    let expected = expected_revision(&headers)?;
    let file = saved(
        state
            .files
            .change(id, FileChange::PartMaterials(map), expected)
            .await?,
    )?;
    shown(&file, &file.materials.part_materials, &HeaderMap::new())
}

/// Replaces the manual overrides.
///
/// Media that show them are made again, and nothing is tessellated.
#[utoipa::path(
    put, path = "/api/cad/{id}/manual-material-overrides", tag = "cad", operation_id = "save_manual_material_overrides",
    params(
        ("id" = Uuid, Path, description = "The file"),
        ("If-Match" = Option<String>, Header, description = "The ETag of the state that is changed, or `*`; only its revision is compared", pattern = "^([*]|(W/)?\"[!#-~]*\"|[0-9]{1,18})$"),
    ),
    request_body = MaterialsDto,
    responses(
        (status = 200, body = MaterialsDto, description = "The map as it is now", headers(("ETag" = String, description = "The revision of the file"))),
        (status = 412, body = crate::problem::ProblemBody, content_type = "application/problem+json", description = "It was changed meanwhile"),
    ),
    security(("token" = ["editor"])),
)]
async fn save_overrides(
    State(state): State<Materials>,
    FileId(id): FileId,
    headers: HeaderMap,
    Json(map): Json<MaterialsDto>,
) -> Result<Response, Problem> {
    let map = map.into_domain()?;
    let expected = expected_revision(&headers)?;
    let outcome = state
        .files
        .change(id, FileChange::ManualOverrides(map), expected);
    let file = saved(outcome.await?)?;
    shown(&file, &file.materials.manual_overrides, &HeaderMap::new())
}

/// The changed file.
pub(crate) fn saved(outcome: SaveOutcome) -> Result<CadFile, Problem> {
    match outcome {
        SaveOutcome::Saved(file) => Ok(file),
        SaveOutcome::Changed(_) => {
            let detail = "The file is no longer in the state that `If-Match` names.";
            Err(Problem::new(Code::Changed, detail))
        }
        SaveOutcome::NotThere => Err(Problem::not_found("CAD file")),
    }
}

fn shown(file: &CadFile, map: &MaterialMap, headers: &HeaderMap) -> Result<Response, Problem> {
    let tag = Tag::of_revision(file.revision());
    let tag_header = [(header::ETAG, tag.header())];
    if tag.is_known(headers)? {
        return Ok((StatusCode::NOT_MODIFIED, tag_header).into_response());
    }
    Ok((tag_header, axum::Json(MaterialsDto::from(map))).into_response())
}
