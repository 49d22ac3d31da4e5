//! What is answered when something goes wrong: problem details (RFC 9457), each with a stable code.

use std::{error::Error, sync::Arc};

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use cadmill_domain::{CursorError, Failure, FailureCode, StoreError};
use cadmill_lock::LockError;
use serde::Serialize;
use utoipa::ToSchema;

/// How long a client is told to wait when something is away.
const RETRY_AFTER_S: u64 = 5;

macro_rules! catalogue {
    ($($(#[$doc:meta])* $variant:ident = $code:literal, $status:ident, $title:literal, $remedy:literal;)+) => {
        /// The stable code of a problem.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
        #[schema(as = ProblemCode)]
        #[serde(rename_all = "snake_case")]
        pub(crate) enum Code {
            $($(#[$doc])* $variant,)+
        }

        impl Code {
            #[cfg(test)]
            const ALL: &'static [Self] = &[$(Self::$variant,)+];

            const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $code,)+ }
            }

            const fn status(self) -> StatusCode {
                match self { $(Self::$variant => StatusCode::$status,)+ }
            }

            pub(crate) const fn title(self) -> &'static str {
                match self { $(Self::$variant => $title,)+ }
            }

            const fn remedy(self) -> &'static str {
                match self { $(Self::$variant => $remedy,)+ }
            }
        }
    };
}

catalogue! {
    /// The request cannot be understood.
    BadRequest = "bad_request", BAD_REQUEST,
        "The request cannot be understood.", "Compare it with the documentation at `/docs`.";
    /// A query parameter is unknown or has a value that it cannot have.
    BadQuery = "bad_query", BAD_REQUEST,
        "The query cannot be understood.", "Compare its parameters with the documentation at `/docs`.";
    /// A part of the path has a value that it cannot have.
    BadPath = "bad_path", BAD_REQUEST,
        "The path cannot be understood.", "Compare it with the documentation at `/docs`.";
    /// A header has a value that it cannot have.
    BadHeader = "bad_header", BAD_REQUEST,
        "A header cannot be understood.", "Compare it with the documentation at `/docs`.";
    /// The body is no JSON.
    BadJson = "bad_json", BAD_REQUEST,
        "The body is not JSON.", "Send JSON in UTF-8.";
    /// The body ended too early, or is no multipart body.
    BadUpload = "bad_upload", BAD_REQUEST,
        "The upload is not whole.", "Send it again.";
    /// There is no token, or it is not good.
    Unauthorized = "unauthorized", UNAUTHORIZED,
        "An access token is needed.", "Send a good token as `Authorization: Bearer …`; an admin can make one.";
    /// The role of the token does not reach.
    Forbidden = "forbidden", FORBIDDEN,
        "The token may not do this.", "Use a token with a higher role; an admin can make one.";
    /// There is no such route.
    NoRoute = "no_route", NOT_FOUND,
        "There is nothing under this address.", "The routes are listed at `/docs`.";
    /// There is no such thing.
    NotFound = "not_found", NOT_FOUND,
        "It is not there.", "Check the id; it may have been deleted.";
    /// The medium is not there, or not yet.
    MediumMissing = "medium_missing", NOT_FOUND,
        "This medium is not there.", "Ask for it by `POST /api/cad/{id}/media/{kind}` and wait until it is ready.";
    /// The route does not know the method.
    MethodNotAllowed = "method_not_allowed", METHOD_NOT_ALLOWED,
        "The method is not allowed here.", "Use one that the header `Allow` names.";
    /// There is no canonical scene yet.
    NoScene = "no_scene", CONFLICT,
        "There is no canonical scene yet.", "Wait until `gltf_geometry` is ready, then ask again.";
    /// This kind of medium is not made here.
    NotMadeHere = "not_made_here", CONFLICT,
        "This kind of medium is not made here.", "Ask whoever runs the service to enable it.";
    /// The URL of a webhook leads into a network that is not public.
    TargetNotPublic = "target_not_public", CONFLICT,
        "Nothing is delivered to addresses that are not public.", "Use a public address, or have the network allowed in the configuration.";
    /// The webhook is disabled.
    WebhookDisabled = "webhook_disabled", CONFLICT,
        "The webhook is disabled.", "Enable it first.";
    /// The cursor belongs to another list.
    CursorMismatch = "cursor_mismatch", CONFLICT,
        "The cursor does not belong to this list.", "Begin again without a cursor.";
    /// The file was changed meanwhile.
    Changed = "changed", PRECONDITION_FAILED,
        "It was changed meanwhile.", "Read it again, then repeat the change with its new ETag.";
    /// The body is too large.
    TooLarge = "too_large", PAYLOAD_TOO_LARGE,
        "The body is too large.", "Send less, or have the limit raised.";
    /// The media type of the body is not understood.
    MediaType = "media_type", UNSUPPORTED_MEDIA_TYPE,
        "The media type of the body is not understood.", "Send the media type that `/docs` names.";
    /// The range lies outside.
    Range = "range", RANGE_NOT_SATISFIABLE,
        "The range lies outside of the file.", "Ask for a range within the length in `Content-Range`.";
    /// The body is JSON, but not what is expected.
    Invalid = "invalid", UNPROCESSABLE_ENTITY,
        "The body does not say what is expected.", "Correct the value that `pointer` names.";
    /// There were too many failed logins.
    TooManyLogins = "too_many_logins", TOO_MANY_REQUESTS,
        "There were too many failed logins.", "Wait as long as `Retry-After` says, and check the token.";
    /// A fault of the service itself.
    Internal = "internal", INTERNAL_SERVER_ERROR,
        "The service made a mistake.", "Report it with the request id.";
    /// The stored bytes of a medium are missing or damaged.
    BytesLost = "bytes_lost", SERVICE_UNAVAILABLE,
        "The stored bytes of this medium were lost, and it is made again.", "Ask again when the medium is ready.";
    /// The database is away.
    DatabaseAway = "database_away", SERVICE_UNAVAILABLE,
        "The database does not answer.", "Try again later.";
    /// The database is damaged.
    DatabaseDamaged = "database_damaged", SERVICE_UNAVAILABLE,
        "The database is damaged.", "Ask the operator of the service to restore it from its backup.";
    /// The blob store is away or full.
    StorageAway = "storage_away", SERVICE_UNAVAILABLE,
        "The blob store cannot be used.", "Try again later; its operator finds the reason in the log.";
    /// The lock store is away.
    LockAway = "lock_away", SERVICE_UNAVAILABLE,
        "The lock store does not answer.", "Try again later.";
    /// Something that is needed does not work.
    NotReady = "not_ready", SERVICE_UNAVAILABLE,
        "The service is not ready.", "Look at what is named, and try again later.";
    /// As many follow the events as there may be.
    TooManyFollowers = "too_many_followers", SERVICE_UNAVAILABLE,
        "Too many follow the events already.", "Try again later, or have the limit raised.";
    /// The service ends.
    Stopping = "stopping", SERVICE_UNAVAILABLE,
        "The service is about to end.", "Try again as soon as it is back.";
    /// It took too long.
    TimedOut = "timed_out", SERVICE_UNAVAILABLE,
        "The answer took too long.", "Try again later.";
}

/// A problem on its way to the client. The outermost layer writes it, since only that knows the id
/// of the request.
#[derive(Debug, Clone)]
pub(crate) struct Problem {
    code: Code,
    detail: String,
    pointer: Option<String>,
    retry_after_s: Option<u64>,
    cause: Option<Arc<dyn Error + Send + Sync>>,
}

/// What went wrong, as problem details (RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct ProblemBody {
    /// A URI that names the kind of problem.
    #[serde(rename = "type")]
    #[schema(format = "uri")]
    kind: String,
    /// What kind of problem it is, in one sentence.
    title: &'static str,
    /// The status of the answer.
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// The stable code.
    code: Code,
    /// What happened in this case.
    detail: String,
    /// What can be done about it.
    remedy: &'static str,
    /// By which the request is found in the log.
    request_id: String,
    /// Which value of the body is meant, as a JSON pointer (RFC 6901).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pointer: Option<String>,
}

impl Problem {
    pub(crate) fn new(code: Code, detail: impl Into<String>) -> Self {
        let waits = code.status() == StatusCode::SERVICE_UNAVAILABLE;
        Self {
            code,
            detail: detail.into(),
            pointer: None,
            retry_after_s: waits.then_some(RETRY_AFTER_S),
            cause: None,
        }
    }

    /// What happened in this case.
    pub(crate) fn detail(&self) -> &str {
        &self.detail
    }

    /// Whether it is in the log already, from where it was found.
    pub(crate) const fn was_logged(&self) -> bool {
        matches!(self.code, Code::NotReady | Code::BytesLost)
    }

    /// The problem of an answer that has nothing but a status.
    pub(crate) fn of_status(status: StatusCode) -> Self {
        let code = match status {
            StatusCode::NOT_FOUND => Code::NoRoute,
            StatusCode::METHOD_NOT_ALLOWED => Code::MethodNotAllowed,
            StatusCode::PAYLOAD_TOO_LARGE => Code::TooLarge,
            StatusCode::UNSUPPORTED_MEDIA_TYPE => Code::MediaType,
            StatusCode::UNPROCESSABLE_ENTITY => Code::Invalid,
            StatusCode::SERVICE_UNAVAILABLE => Code::TimedOut,
            status if status.is_client_error() => Code::BadRequest,
            _ => Code::Internal,
        };
        Self::new(code, code.title())
    }

    #[must_use]
    pub(crate) fn at(mut self, pointer: impl Into<String>) -> Self {
        self.pointer = Some(pointer.into());
        self
    }

    #[must_use]
    pub(crate) const fn after(mut self, seconds: u64) -> Self {
        self.retry_after_s = Some(seconds);
        self
    }

    #[must_use]
    pub(crate) fn because(mut self, cause: impl Error + Send + Sync + 'static) -> Self {
        self.cause = Some(Arc::new(cause));
        self
    }

    pub(crate) fn not_found(what: &str) -> Self {
        Self::new(Code::NotFound, format!("There is no such {what}."))
    }

    pub(crate) const fn status(&self) -> StatusCode {
        self.code.status()
    }

    pub(crate) const fn code(&self) -> &'static str {
        self.code.as_str()
    }

    pub(crate) fn cause(&self) -> Option<&(dyn Error + Send + Sync)> {
        self.cause.as_deref()
    }

    /// What the client reads.
    pub(crate) fn body(self, request_id: &str) -> ProblemBody {
        ProblemBody {
            kind: format!("urn:cadmill:problem:{}", self.code.as_str()),
            title: self.code.title(),
            status: self.status().as_u16(),
            code: self.code,
            detail: self.detail,
            remedy: self.code.remedy(),
            request_id: request_id.to_owned(),
            pointer: self.pointer,
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        let headers = response.headers_mut();
        if let Some(seconds) = self.retry_after_s {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        if self.status() == StatusCode::UNAUTHORIZED {
            let scheme = HeaderValue::from_static("Bearer realm=\"cadmill\"");
            headers.insert(header::WWW_AUTHENTICATE, scheme);
        }
        response.extensions_mut().insert(self);
        response
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        let code = match error {
            StoreError::Unavailable(_) | StoreError::Full(_) => Code::DatabaseAway,
            StoreError::Damaged(_) => Code::DatabaseDamaged,
            StoreError::BlobNotKept(_) => Code::StorageAway,
            _ => Code::Internal,
        };
        Self::new(code, code.title()).because(error)
    }
}

/// What a blob store says, or the database that keeps blobs from being swept.
impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        let of_database = match failure.code {
            FailureCode::Database => Some(Code::DatabaseAway),
            FailureCode::DatabaseDamaged => Some(Code::DatabaseDamaged),
            _ => None,
        };
        if let Some(code) = of_database {
            return Self::new(code, code.title()).because(failure);
        }
        let detail = match failure.code {
            FailureCode::DiskFull => "The blob store is full.",
            _ => Code::StorageAway.title(),
        };
        Self::new(Code::StorageAway, detail).because(failure)
    }
}

impl From<LockError> for Problem {
    fn from(error: LockError) -> Self {
        Self::new(Code::LockAway, Code::LockAway.title()).because(error)
    }
}

impl From<CursorError> for Problem {
    fn from(error: CursorError) -> Self {
        Self::new(Code::CursorMismatch, cadmill_domain::sentence(&error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_problem_says_what_happened_and_what_to_do() {
        for code in Code::ALL {
            assert!(
                code.title().ends_with('.') && code.remedy().ends_with('.'),
                "{code:?}"
            );
            assert_eq!(serde_json::to_value(code).unwrap(), code.as_str());
        }
    }

    #[test]
    fn nothing_internal_is_told() {
        let error = StoreError::Unavailable("password authentication failed for user x".into());
        let problem = Problem::from(error);
        assert!(problem.cause().is_some());
        let body = serde_json::to_string(&problem.body("r1")).unwrap();
        assert!(!body.contains("password"), "{body}");
        assert!(body.contains("\"request_id\":\"r1\""), "{body}");
    }
}
