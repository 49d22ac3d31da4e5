//! `/api/cad`: all files, page by page.

use std::sync::Arc;

use axum::{Json, extract::State};
use cadmill_domain::{
    CadFileCursor, CadFileOrder, CadFiles, Direction, MediaKind, SortKey, SortValue,
    cad_file::{CadFileQuery, Period},
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::cad::OverviewDto;
use crate::{
    dto::StateDto,
    extract::{Query, has_nul, is_plain},
    problem::{Code, Problem},
};

/// What these routes work with.
#[derive(Debug, Clone)]
pub(crate) struct Catalogue {
    pub(crate) files: Arc<dyn CadFiles>,
}

pub(crate) fn routes() -> OpenApiRouter<Catalogue> {
    OpenApiRouter::new().routes(routes!(list))
}

/// By what files are sorted; ties go by id.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum SortDto {
    Name,
    CreatedAt,
    UpdatedAt,
}

/// Which way.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum DirectionDto {
    Ascending,
    Descending,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ListQuery {
    /// Only files whose name contains this, in upper or lower case (of ASCII letters).
    #[param(max_length = 200, pattern = r"^[^\u0000]*$")]
    name_contains: Option<String>,
    /// Only files whose canonical scene stands so.
    #[param(inline)]
    gltf_geometry: Option<StateDto>,
    /// Only files whose USD master stands so.
    #[param(inline)]
    usd_master: Option<StateDto>,
    /// Only files whose scene for the web stands so.
    #[param(inline)]
    web_glb: Option<StateDto>,
    /// Only files whose picture stands so.
    #[param(inline)]
    thumbnail: Option<StateDto>,
    /// Only files that were brought in then or later.
    created_from: Option<DateTime<Utc>>,
    /// Only files that were brought in earlier.
    created_until: Option<DateTime<Utc>>,
    /// Only files that last changed then or later.
    updated_from: Option<DateTime<Utc>>,
    /// Only files that last changed earlier.
    updated_until: Option<DateTime<Utc>>,
    /// By what they are sorted: `created_at` if nothing is said.
    #[param(inline)]
    sort: Option<SortDto>,
    /// Which way: `ascending` if nothing is said.
    #[param(inline)]
    direction: Option<DirectionDto>,
    /// The `next` of the page before; with the same `sort` and `direction`.
    #[param(pattern = "^1[A-Za-z0-9_-]+$", max_length = 2000)]
    cursor: Option<String>,
    /// At most so many files: 50 if nothing is said.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u16>,
}

/// Some of the files that were asked for.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CadFilePage)]
struct PageDto {
    /// The files.
    files: Vec<OverviewDto>,
    /// The cursor of the next page, if there is one.
    next: Option<String>,
}

/// The files that are asked for, each with the state of its media, page by page.
///
/// Files that come and go do not move the pages. A cursor of a list that is sorted in another way is
/// refused with 409.
#[utoipa::path(
    get, path = "/api/cad", tag = "cad", operation_id = "list_cad_files",
    params(ListQuery),
    responses(
        (status = 200, body = PageDto, description = "One page"),
        (status = 409, body = crate::problem::ProblemBody, content_type = "application/problem+json", description = "The cursor does not belong to this list"),
    ),
    security(("token" = ["viewer"])),
)]
async fn list(
    State(state): State<Catalogue>,
    Query(query): Query<ListQuery>,
) -> Result<Json<PageDto>, Problem> {
    let page = state.files.list(&query.into_domain()?).await?;
    Ok(Json(PageDto {
        files: page.files.into_iter().map(Into::into).collect(),
        next: page.next.map(|cursor| cursor.to_text()),
    }))
}

impl ListQuery {
    fn into_domain(self) -> Result<CadFileQuery, Problem> {
        let bad = |detail: &str| Err(Problem::new(Code::BadQuery, detail));
        let text = self.name_contains.as_deref().unwrap_or_default();
        if text.chars().count() > 200 || has_nul(text) {
            return bad("`name_contains` has at most 200 characters, none of them NUL.");
        }
        let limit = self.limit.unwrap_or(50);
        if !(1..=200).contains(&limit) {
            return bad("`limit` lies between 1 and 200.");
        }
        let moments = [
            self.created_from,
            self.created_until,
            self.updated_from,
            self.updated_until,
        ];
        if !moments.into_iter().flatten().all(is_plain) {
            return bad("Moments lie within the years 1 to 9999.");
        }
        let order = self.order();
        let after = self
            .cursor
            .as_deref()
            .map(|text| cursor(text, order))
            .transpose()?;
        let states = [
            (MediaKind::GltfGeometry, self.gltf_geometry),
            (MediaKind::UsdMaster, self.usd_master),
            (MediaKind::WebGlb, self.web_glb),
            (MediaKind::Thumbnail, self.thumbnail),
        ];
        let states = states.into_iter();
        let media = states.filter_map(|(kind, state)| Some((kind, state?.into())));
        Ok(CadFileQuery {
            name_contains: self.name_contains.filter(|text| !text.is_empty()),
            media: media.collect(),
            created: Period {
                from: self.created_from,
                until: self.created_until,
            },
            updated: Period {
                from: self.updated_from,
                until: self.updated_until,
            },
            order,
            after,
            limit: limit.into(),
        })
    }

    fn order(&self) -> CadFileOrder {
        CadFileOrder {
            key: match self.sort {
                Some(SortDto::Name) => SortKey::Name,
                Some(SortDto::CreatedAt) | None => SortKey::CreatedAt,
                Some(SortDto::UpdatedAt) => SortKey::UpdatedAt,
            },
            direction: match self.direction {
                Some(DirectionDto::Ascending) | None => Direction::Ascending,
                Some(DirectionDto::Descending) => Direction::Descending,
            },
        }
    }
}

/// The cursor with this text, if it holds what a database can compare with.
fn cursor(text: &str, order: CadFileOrder) -> Result<CadFileCursor, Problem> {
    let cursor = CadFileCursor::parse(text, order)?;
    let is_sound = match cursor.value() {
        SortValue::Name(name) => !has_nul(name),
        SortValue::Moment(moment) => is_plain(*moment),
    };
    if is_sound {
        Ok(cursor)
    } else {
        Err(cadmill_domain::CursorError::Unreadable.into())
    }
}
