//! `PUT /api/cad/{id}/source`: a new revision of a file.

use axum::{
    Json,
    extract::{Request, State},
    http::header,
    response::{IntoResponse as _, Response},
};
use cadmill_domain::cad_file::FileChange;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    cad::FileDto,
    materials::saved,
    upload::{UPLOADED, Uploads},
};
use crate::{
    dto::BinaryDto,
    etag::{Tag, expected_revision},
    extract::{By, FileId, media_type},
    problem::{Code, Problem},
    receive::receive,
};

/// The media types of STEP files, and the one of any bytes.
const TYPES: [&str; 4] = [
    "application/octet-stream",
    "model/step",
    "application/step",
    "application/p21",
];

pub(crate) fn routes() -> OpenApiRouter<Uploads> {
    OpenApiRouter::new().routes(routes!(replace))
}

/// Gives a file new bytes: a new revision.
///
/// The body is the STEP file itself. Its media are stale then and made again; materials follow by the
/// keys of parts, and keys that name nothing any more are kept and listed as `orphaned_overrides`.
#[utoipa::path(
    put, path = "/api/cad/{id}/source", tag = "cad", operation_id = "replace_cad_file_source",
    params(
        ("id" = Uuid, Path, description = "The file"),
        ("If-Match" = Option<String>, Header, description = "The ETag of the state that is changed, or `*`; only its revision is compared", pattern = "^([*]|(W/)?\"[!#-~]*\"|[0-9]{1,18})$"),
        ("X-Cadmill-Project" = Option<String>, Header, description = "The project for which it is done: projects take turns", min_length = 1, max_length = 128, pattern = "^[!-~]+$"),
    ),
    request_body(content(
        (BinaryDto = "application/octet-stream"), (BinaryDto = "model/step"),
        (BinaryDto = "application/step"), (BinaryDto = "application/p21"),
    )),
    responses(
        (status = 200, body = FileDto, description = "The file as it is now", headers(("ETag" = String, description = "The revision of the file"))),
        (status = 412, body = crate::problem::ProblemBody, content_type = "application/problem+json", description = "It was changed meanwhile"),
    ),
    security(("token" = ["editor"])),
)]
async fn replace(
    State(state): State<Uploads>,
    FileId(id): FileId,
    By(requester): By,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let media_type = media_type(&parts.headers);
    if !media_type.is_some_and(|sent| TYPES.contains(&&*sent)) {
        let detail = "The body must be `model/step` or `application/octet-stream`.";
        return Err(Problem::new(Code::MediaType, detail));
    }
    let expected = expected_revision(&parts.headers)?;
    let file = state.files.get(id).await?;
    let file = file.ok_or_else(|| Problem::not_found("CAD file"))?;
    // Asked before the bytes are taken, too, so that a late client need not send them in vain.
    if expected.is_some_and(|expected| expected != file.revision()) {
        saved(cadmill_domain::cad_file::SaveOutcome::Changed(file))?;
    }
    let mut pieces = body.into_data_stream();
    let broken = |error| Problem::new(Code::BadUpload, "The body is broken off.").because(error);
    let upload = receive(&*state.blobs, &mut pieces, state.limit_bytes, broken).await?;
    let source = cadmill_domain::blobs::keep_upload(&*state.refs, upload).await?;
    let request = cadmill_domain::ledger::Request {
        requester,
        ..UPLOADED
    };
    let outcome = state
        .files
        .change(id, FileChange::Source(source, request), expected);
    let file = saved(outcome.await?)?;
    let tag = Tag::of_revision(file.revision());
    Ok(([(header::ETAG, tag.header())], Json(FileDto::from(&file))).into_response())
}
