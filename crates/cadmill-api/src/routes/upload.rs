//! `POST /api/cad`: brings files in.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use axum::{
    Json,
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use bytes::Bytes;
use cadmill_domain::{
    Blobs, CadFile, CadFiles, NewCadFile,
    blobs::{BlobRefs, BlobUpload, keep_upload},
    ledger::{Priority, Requester},
};
use futures_util::{Stream, StreamExt as _};
use multer::{Field, Multipart};
use serde::Serialize;
use tracing::info;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        RefOr, Schema,
        schema::{AdditionalProperties, ArrayBuilder, ObjectBuilder},
    },
};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::cad::FileDto;
use crate::{
    dto::BinaryDto,
    extract::{By, media_type},
    file_name::clean,
    problem::{Code, Problem, ProblemBody},
    receive::receive,
    request::id_of,
};

/// How many files one request may bring.
const MAX_FILES: usize = 100;
/// How many bytes the head of one part may have, in bytes. The parser keeps them in memory.
const MAX_HEAD_BYTES: usize = 256 << 10;

/// What these routes work with.
#[derive(Debug, Clone)]
pub(crate) struct Uploads {
    pub(crate) files: Arc<dyn CadFiles>,
    pub(crate) blobs: Arc<dyn Blobs>,
    pub(crate) refs: Arc<dyn BlobRefs>,
    pub(crate) limit_bytes: u64,
}

/// How somebody who waits asks for a file to be processed.
pub(crate) const UPLOADED: cadmill_domain::ledger::Request = cadmill_domain::ledger::Request {
    priority: Priority::Upload,
    ..cadmill_domain::ledger::Request::ASKED
};

pub(crate) fn routes() -> OpenApiRouter<Uploads> {
    OpenApiRouter::new().routes(routes!(upload))
}

/// Files to bring in.
struct UploadForm;

impl PartialSchema for UploadForm {
    fn schema() -> RefOr<Schema> {
        let files = ArrayBuilder::new()
            .items(BinaryDto::schema())
            .min_items(Some(1))
            .max_items(Some(MAX_FILES))
            .description(Some("STEP files, each with its name"));
        ObjectBuilder::new()
            .property("file", files)
            .required("file")
            .additional_properties(Some(AdditionalProperties::<Schema>::FreeForm(false)))
            .into()
    }
}

impl ToSchema for UploadForm {
    fn name() -> std::borrow::Cow<'static, str> {
        "Upload".into()
    }
}

/// What became of one file of several.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = UploadResult)]
struct ResultDto {
    /// The status that it would have had alone.
    #[schema(minimum = 200, maximum = 599)]
    status: u16,
    /// Its name, cleaned.
    name: String,
    /// The file, if it was brought in.
    file: Option<FileDto>,
    /// What went wrong, if not.
    problem: Option<ProblemBody>,
}

/// A file that is in the blob store but for its last step.
struct Received {
    name: String,
    upload: Result<Box<dyn BlobUpload>, Problem>,
    /// Whether the body is at its end, so that what follows can be read.
    is_read: bool,
}

/// Brings files in, and asks for each to be processed.
///
/// The body is `multipart/form-data` with parts named `file`. One file is answered with 201 and its
/// `Location`; of several, each has its own result in an answer with 207, in their order. A file that is
/// too large has the status 413; if it has more than twice the limit, reading stops there, and what
/// follows has no result. Nothing is brought in before the whole body was read, so a broken connection leaves nothing. Names are
/// cleaned: no path, no control characters, at most 200 bytes.
#[utoipa::path(
    post, path = "/api/cad", tag = "cad", operation_id = "upload_cad_files",
    params(("X-Cadmill-Project" = Option<String>, Header, description = "The project for which it is done: projects take turns", min_length = 1, max_length = 128, pattern = "^[!-~]+$")),
    request_body(content = UploadForm, content_type = "multipart/form-data"),
    responses(
        (status = 201, body = FileDto, description = "The file", headers(("Location" = String, description = "Where it is shown"))),
        (status = 207, body = Vec<ResultDto>, description = "What became of each of several files"),
    ),
    security(("token" = ["editor"])),
)]
async fn upload(
    State(state): State<Uploads>,
    By(requester): By,
    request: Request,
) -> Result<Response, Problem> {
    let id = id_of(request.headers());
    let received = state.receive_all(request).await?;
    let is_one = received.len() == 1;
    let mut results = Vec::with_capacity(received.len());
    for Received { name, upload, .. } in received {
        let added = match upload {
            Ok(upload) => state.add(&name, upload, requester).await,
            Err(problem) => Err(problem),
        };
        if is_one {
            return added.map(|file| created(&file));
        }
        results.push(result(name, added, &id));
    }
    Ok((StatusCode::MULTI_STATUS, Json(results)).into_response())
}

fn created(file: &CadFile) -> Response {
    let location = format!("/api/cad/{}", file.id);
    let body = Json(FileDto::from(file));
    (StatusCode::CREATED, [(header::LOCATION, location)], body).into_response()
}

fn result(name: String, added: Result<CadFile, Problem>, request_id: &str) -> ResultDto {
    match added {
        Ok(file) => ResultDto {
            status: StatusCode::CREATED.as_u16(),
            name,
            file: Some(FileDto::from(&file)),
            problem: None,
        },
        Err(problem) => ResultDto {
            status: problem.status().as_u16(),
            name,
            file: None,
            problem: Some(problem.body(request_id)),
        },
    }
}

impl Uploads {
    async fn receive_all(&self, request: Request) -> Result<Vec<Received>, Problem> {
        let (parts, body) = request.into_parts();
        let mut form = multipart(&parts.headers, body)?;
        let mut received = Vec::new();
        while let Some((field, head)) = form.next().await? {
            if received.len() == MAX_FILES {
                let detail = format!("A request brings at most {MAX_FILES} files.");
                return Err(Problem::new(Code::Invalid, detail));
            }
            let file = self.receive_one(field, head).await?;
            let is_read = file.is_read;
            received.push(file);
            if !is_read {
                return Ok(received);
            }
        }
        if received.is_empty() {
            let detail = "There is no part named `file`.";
            return Err(Problem::new(Code::Invalid, detail).at("/file"));
        }
        Ok(received)
    }

    /// A file that is too large is a result, anything else the end of the request.
    async fn receive_one(&self, field: Field<'_>, head: Head) -> Result<Received, Problem> {
        if field.name() != Some("file") {
            let detail = "Every part must be named `file`.";
            return Err(Problem::new(Code::Invalid, detail));
        }
        let Some(name) = field.file_name().map(clean) else {
            let detail = "A part named `file` must be a file, which has a `filename`.";
            return Err(Problem::new(Code::Invalid, detail));
        };
        let mut pieces = field.inspect(|_| head.reset());
        let upload = receive(&*self.blobs, &mut pieces, self.limit_bytes, broken).await;
        let (upload, is_read) = match upload {
            Ok(upload) => (Ok(upload), true),
            Err(problem) if problem.status() == StatusCode::PAYLOAD_TOO_LARGE => {
                (Err(problem), skip(&mut pieces, self.limit_bytes).await?)
            }
            Err(problem) => return Err(problem),
        };
        Ok(Received {
            name,
            upload,
            is_read,
        })
    }

    async fn add(
        &self,
        name: &str,
        upload: Box<dyn BlobUpload>,
        requester: Requester,
    ) -> Result<CadFile, Problem> {
        let source = keep_upload(&*self.refs, upload).await?;
        let name = name.to_owned();
        let request = cadmill_domain::ledger::Request {
            requester,
            ..UPLOADED
        };
        let file = NewCadFile { name, source };
        let file = self.files.add(file, Some(request)).await?;
        info!(cad_file.id = %file.id, bytes = file.source.bytes, "A file was brought in.");
        Ok(file)
    }
}

/// Reads on to the end of a part, but no more than `limit` bytes; whether the end was reached.
async fn skip(
    pieces: &mut (impl Stream<Item = Result<Bytes, multer::Error>> + Unpin),
    limit: u64,
) -> Result<bool, Problem> {
    let mut skipped = 0;
    while let Some(piece) = pieces.next().await {
        skipped += piece.map_err(broken)?.len() as u64;
        if skipped > limit {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The parts of a body, and how long the head of the next has become.
struct Form {
    parts: Multipart<'static>,
    head: Head,
}

/// How many bytes came since the parser gave something away.
#[derive(Debug, Clone, Default)]
struct Head(Arc<AtomicUsize>);

impl Head {
    fn reset(&self) {
        self.0.store(0, Ordering::Relaxed);
    }

    fn is_too_long(&self, piece: usize) -> bool {
        // What came before this piece; the piece itself may hold the end of the head.
        self.0.fetch_add(piece, Ordering::Relaxed) > MAX_HEAD_BYTES
    }
}

impl Form {
    async fn next(&mut self) -> Result<Option<(Field<'static>, Head)>, Problem> {
        let field = self.parts.next_field().await.map_err(broken)?;
        self.head.reset();
        Ok(field.map(|field| (field, self.head.clone())))
    }
}

fn multipart(headers: &HeaderMap, body: Body) -> Result<Form, Problem> {
    let wrong = |detail: &str| Problem::new(Code::MediaType, detail);
    if media_type(headers).as_deref() != Some("multipart/form-data") {
        return Err(wrong("The body must be `multipart/form-data`."));
    }
    let content_type = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let boundary = multer::parse_boundary(content_type.unwrap_or_default());
    let boundary = boundary.map_err(|_| wrong("The boundary of the multipart body is missing."))?;
    let head = Head::default();
    let counted = head.clone();
    let pieces = body.into_data_stream().map(move |piece| {
        let piece = piece.map_err(std::io::Error::other)?;
        if counted.is_too_long(piece.len()) {
            return Err(std::io::Error::other("the head of a part is too long"));
        }
        Ok(piece)
    });
    let parts = Multipart::new(pieces, boundary);
    Ok(Form { parts, head })
}

fn broken(error: multer::Error) -> Problem {
    let detail = "The multipart body is broken off or malformed; nothing of it was kept.";
    Problem::new(Code::BadUpload, detail).because(error)
}
