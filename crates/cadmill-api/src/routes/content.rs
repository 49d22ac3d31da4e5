//! `…/content`: the bytes of media.

use std::{ops::Range, sync::Arc, time::Duration};

use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use cadmill_domain::{CadFiles, Failure, MediaAsset, MediaAssets};
use futures_util::TryStreamExt as _;
use tracing::warn;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    dto::{BinaryDto, KindDto},
    etag::Tag,
    extract::{AssetId, FileId, Kind, header_text},
    file_name::{attachment, of_medium},
    media_bytes::MediaBytes,
    problem::{Code, Problem},
};

/// What has this address never changes.
const FOR_EVER: HeaderValue = HeaderValue::from_static("private, max-age=31536000, immutable");
/// What has this address may be another tomorrow.
const ASK_AGAIN: HeaderValue = HeaderValue::from_static("private, no-cache");

/// What these routes work with.
#[derive(Debug, Clone)]
pub(crate) struct Contents {
    pub(crate) files: Arc<dyn CadFiles>,
    pub(crate) assets: Arc<dyn MediaAssets>,
    pub(crate) media: MediaBytes,
    pub(crate) redirect_for: Option<Duration>,
}

pub(crate) fn routes() -> OpenApiRouter<Contents> {
    OpenApiRouter::new()
        .routes(routes!(of_asset))
        .routes(routes!(of_kind))
}

/// The bytes of an asset, which never change.
///
/// One range may be asked for; several are answered with the whole.
#[utoipa::path(
    get, path = "/api/media/{id}/content", tag = "media", operation_id = "download_media_asset",
    params(
        ("id" = Uuid, Path, description = "The asset"),
        ("Range" = Option<String>, Header, description = "`bytes=first-last`, `bytes=first-` or `bytes=-last`"),
        ("If-None-Match" = Option<String>, Header, description = "ETags that the client has"),
        ("If-Range" = Option<String>, Header, description = "The ETag of what the client has a part of"),
    ),
    responses(
        (status = 200, description = "The whole", content((BinaryDto = "model/gltf-binary"), (BinaryDto = "model/vnd.usdz+zip"), (BinaryDto = "image/png")), headers(("ETag" = String, description = "Its hash"))),
        (status = 206, description = "The range", content((BinaryDto = "model/gltf-binary"), (BinaryDto = "model/vnd.usdz+zip"), (BinaryDto = "image/png")), headers(("Content-Range" = String, description = "Which range"))),
        (status = 304, description = "The client has it"),
        (status = 307, description = "The blob store has it", headers(("Location" = String, description = "Where"))),
        (status = 416, body = crate::problem::ProblemBody, content_type = "application/problem+json", description = "The range lies outside"),
    ),
    security(("token" = ["viewer"])),
)]
async fn of_asset(
    State(state): State<Contents>,
    AssetId(id): AssetId,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let asset = state.assets.get(id).await?;
    let asset = asset.ok_or_else(|| Problem::not_found("media asset"))?;
    state.content(&asset, &method, &headers, FOR_EVER).await
}

/// The bytes of the newest medium of a kind that is there, be it stale.
///
/// One range may be asked for; several are answered with the whole.
#[utoipa::path(
    get, path = "/api/cad/{id}/media/{kind}/content", tag = "media", operation_id = "download_medium",
    params(
        ("id" = Uuid, Path, description = "The file"),
        ("kind" = inline(KindDto), Path, description = "The kind of medium"),
        ("Range" = Option<String>, Header, description = "`bytes=first-last`, `bytes=first-` or `bytes=-last`"),
        ("If-None-Match" = Option<String>, Header, description = "ETags that the client has"),
        ("If-Range" = Option<String>, Header, description = "The ETag of what the client has a part of"),
    ),
    responses(
        (status = 200, description = "The whole", content((BinaryDto = "model/gltf-binary"), (BinaryDto = "model/vnd.usdz+zip"), (BinaryDto = "image/png")), headers(("ETag" = String, description = "Its hash"))),
        (status = 206, description = "The range", content((BinaryDto = "model/gltf-binary"), (BinaryDto = "model/vnd.usdz+zip"), (BinaryDto = "image/png")), headers(("Content-Range" = String, description = "Which range"))),
        (status = 304, description = "The client has it"),
        (status = 307, description = "The blob store has it", headers(("Location" = String, description = "Where"))),
        (status = 416, body = crate::problem::ProblemBody, content_type = "application/problem+json", description = "The range lies outside"),
    ),
    security(("token" = ["viewer"])),
)]
async fn of_kind(
    State(state): State<Contents>,
    FileId(id): FileId,
    Kind(kind): Kind,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let overview = state.files.overview(id).await?;
    let overview = overview.ok_or_else(|| Problem::not_found("CAD file"))?;
    let missing = || {
        Problem::new(
            Code::MediumMissing,
            format!("There is no `{kind}` of this file."),
        )
    };
    let status = overview.media.iter().find(|status| status.kind == kind);
    let asset = status.and_then(|status| status.asset).ok_or_else(missing)?;
    let asset = state.assets.get(asset).await?.ok_or_else(missing)?;
    state.content(&asset, &method, &headers, ASK_AGAIN).await
}

impl Contents {
    async fn content(
        &self,
        asset: &MediaAsset,
        method: &Method,
        headers: &HeaderMap,
        caching: HeaderValue,
    ) -> Result<Response, Problem> {
        let tag = Tag::of_bytes(&asset.blob.sha256);
        let basics = [
            (header::ETAG, tag.header()),
            (header::CACHE_CONTROL, caching),
        ];
        if tag.is_known(headers)? {
            return Ok((StatusCode::NOT_MODIFIED, basics).into_response());
        }
        let name = self.file_name(asset).await?;
        let is_head = method == Method::HEAD;
        if !is_head && let Some(response) = self.redirect(asset, &name).await? {
            return Ok(response);
        }
        let length = asset.blob.bytes;
        let asked = if tag.allows_range(headers)? {
            asked_range(headers, length)?
        } else {
            Asked::Whole
        };
        let (status, range) = match asked {
            Asked::Whole => (StatusCode::OK, 0..length),
            Asked::Part(range) => (StatusCode::PARTIAL_CONTENT, range),
            Asked::Outside => return Ok(outside(length)),
        };
        let body = if is_head || range.is_empty() {
            Body::empty()
        } else {
            self.body(asset, range.clone()).await?
        };
        let mut response = (status, basics, body).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static(asset.kind.media_type()),
        );
        headers.insert(header::CONTENT_LENGTH, (range.end - range.start).into());
        headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        headers.insert(header::CONTENT_DISPOSITION, attachment(&name));
        if status == StatusCode::PARTIAL_CONTENT {
            let text = format!("bytes {}-{}/{length}", range.start, range.end - 1);
            headers.insert(header::CONTENT_RANGE, ascii(&text));
        }
        Ok(response)
    }

    async fn body(&self, asset: &MediaAsset, range: Range<u64>) -> Result<Body, Problem> {
        let stream = self.media.read(&asset.blob, range).await?;
        let id = asset.id;
        // The status has been sent by then, so all that is left is to break off.
        let stream = stream.inspect_err(move |failure: &Failure| {
            warn!(media_asset.id = %id, "Sending a medium broke off: {failure}");
        });
        Ok(Body::from_stream(stream))
    }

    async fn redirect(&self, asset: &MediaAsset, name: &str) -> Result<Option<Response>, Problem> {
        let Some(valid_for) = self.redirect_for else {
            return Ok(None);
        };
        let media_type = asset.kind.media_type();
        let signed = self
            .media
            .blobs
            .direct_url(&asset.blob, name, media_type, valid_for);
        let url = match signed.await {
            Ok(url) => url,
            Err(failure) => return Err(self.media.lost(&asset.blob, failure).await),
        };
        let caching = (header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        Ok(url.map(|url| {
            let location = (header::LOCATION, ascii(&url));
            (StatusCode::TEMPORARY_REDIRECT, [location, caching]).into_response()
        }))
    }

    /// What the medium is called when it is saved: as its file, with its own extension.
    async fn file_name(&self, asset: &MediaAsset) -> Result<String, Problem> {
        let file = self.files.get(asset.cad_file_id).await?;
        let file = file.ok_or_else(|| Problem::not_found("CAD file"))?;
        Ok(of_medium(&file.name, asset.kind.extension()))
    }
}

/// What is asked for of some bytes.
#[derive(Debug, PartialEq, Eq)]
enum Asked {
    Whole,
    Part(Range<u64>),
    Outside,
}

fn asked_range(headers: &HeaderMap, length: u64) -> Result<Asked, Problem> {
    let text = header_text(headers, &header::RANGE)?;
    Ok(text.map_or(Asked::Whole, |text| parse_range(text, length)))
}

/// What a `Range` asks for (RFC 9110, section 14.2). What cannot be understood is ignored, and so are
/// several ranges.
fn parse_range(text: &str, length: u64) -> Asked {
    let Some((unit, range)) = text.split_once('=') else {
        return Asked::Whole;
    };
    let Some((first, last)) = range.trim().split_once('-') else {
        return Asked::Whole;
    };
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return Asked::Whole;
    }
    let number = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        // What does not fit is beyond every end.
        digits.then(|| text.parse().unwrap_or(u64::MAX))
    };
    let part = match (first, last, number(first), number(last)) {
        ("", _, _, Some(suffix)) => length.saturating_sub(suffix)..length,
        (_, "", Some(first), _) => first..length,
        (_, _, Some(first), Some(last)) if first <= last => {
            first..last.saturating_add(1).min(length)
        }
        _ => return Asked::Whole,
    };
    if part.is_empty() {
        Asked::Outside
    } else {
        Asked::Part(part)
    }
}

fn outside(length: u64) -> Response {
    let detail = format!("It has {length} bytes, and the range lies outside of them.");
    let mut response = Problem::new(Code::Range, detail).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_RANGE, ascii(&format!("bytes */{length}")));
    response
}

fn ascii(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_the_standard_says() {
        let part = |range: Range<u64>| Asked::Part(range);
        let cases = [
            ("bytes=0-0", part(0..1)),
            ("bytes=0-", part(0..10)),
            ("bytes=2-4", part(2..5)),
            ("bytes=9-100", part(9..10)),
            ("bytes=-3", part(7..10)),
            ("bytes=-100", part(0..10)),
            ("BYTES=1-1", part(1..2)),
            ("bytes=0-99999999999999999999999", part(0..10)),
            ("bytes=10-", Asked::Outside),
            ("bytes=99999999999999999999999-", Asked::Outside),
            ("bytes=-0", Asked::Outside),
            ("bytes=0-1,3-4", Asked::Whole),
            ("bytes=5-2", Asked::Whole),
            ("bytes=a-b", Asked::Whole),
            ("bytes=-", Asked::Whole),
            ("bytes", Asked::Whole),
            ("lines=0-1", Asked::Whole),
            ("bytes=+1-2", Asked::Whole),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_range(text, 10), expected, "{text}");
        }
        assert_eq!(parse_range("bytes=0-", 0), Asked::Outside);
    }
}
