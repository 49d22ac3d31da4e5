//! The outermost layer: gives each request its id and its span, and writes the problems.

use axum::{
    Json,
    extract::{MatchedPath, Request, State},
    http::{HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use cadmill_domain::sentence;
use tracing::{Instrument as _, Span, debug, error, field, info_span, warn};
use uuid::Uuid;

use crate::{api::JoinTrace, problem::Problem};

/// The header by which requests are found in the log.
pub(crate) const REQUEST_ID: &str = "x-request-id";
/// A longer id is replaced.
const MAX_ID_BYTES: usize = 128;
const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");

/// Runs a request within its span.
pub(crate) async fn outermost(
    State(join_trace): State<JoinTrace>,
    mut request: Request,
    next: Next,
) -> Response {
    let id = request_id(&request);
    let span = info_span!(
        "request",
        request.id = %id, http.method = %request.method(), http.path = request.uri().path(),
        http.route = field::Empty, http.status = field::Empty, token.id = field::Empty,
        trace.id = field::Empty,
    );
    join_trace(&span, request.headers());
    // Ours in any case: what is behind reads it, too.
    let header_value = HeaderValue::from_str(&id).unwrap_or(HeaderValue::from_static("invalid"));
    request
        .headers_mut()
        .insert(REQUEST_ID, header_value.clone());
    let response = next.run(request).instrument(span.clone()).await;
    let mut response = span.in_scope(|| written(response, &id));
    span.record("http.status", response.status().as_u16());
    span.in_scope(|| debug!("Answered with {}.", response.status()));
    response.headers_mut().insert(REQUEST_ID, header_value);
    response
}

/// Notes in the span which route was found. It runs behind the routing.
pub(crate) async fn note_route(
    route: Option<MatchedPath>,
    request: Request,
    next: Next,
) -> Response {
    if let Some(route) = route {
        Span::current().record("http.route", route.as_str());
    }
    next.run(request).await
}

/// The id that the client sent, if it can be logged, or a new one.
fn request_id(request: &Request) -> String {
    let sent = request.headers().get(REQUEST_ID);
    let sent = sent.and_then(|value| value.to_str().ok());
    let is_sound = |id: &&str| {
        (1..=MAX_ID_BYTES).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic())
    };
    sent.filter(is_sound)
        .map_or_else(|| Uuid::now_v7().to_string(), str::to_owned)
}

/// Writes the problem of an answer, or makes one of an error that has no body of its own.
fn written(mut response: Response, id: &str) -> Response {
    let status = response.status();
    let problem = response.extensions_mut().remove::<Problem>();
    let is_error = status.is_client_error() || status.is_server_error();
    if problem.is_none() && !is_error {
        return response;
    }
    let problem = problem.unwrap_or_else(|| Problem::of_status(status));
    log(&problem);
    let status = problem.status();
    let body = Json(problem.body(id)).into_response().into_body();
    let (mut parts, _) = response.into_parts();
    parts.status = status;
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.insert(header::CONTENT_TYPE, PROBLEM_JSON);
    Response::from_parts(parts, body)
}

/// The one place where the whole chain of what went wrong is told.
fn log(problem: &Problem) {
    let code = problem.code();
    let cause = problem.cause().map(|cause| sentence(cause));
    let cause = cause.as_deref().unwrap_or(problem.detail());
    match problem.status() {
        // Where it was found, it was logged with all that is known.
        _ if problem.was_logged() => debug!(problem.code = code, "{cause}"),
        StatusCode::INTERNAL_SERVER_ERROR => error!(problem.code = code, "{cause}"),
        StatusCode::SERVICE_UNAVAILABLE => warn!(problem.code = code, "{cause}"),
        _ => debug!(problem.code = code, "The request was refused."),
    }
}

/// The id of a request, as handlers see it.
pub(crate) fn id_of(headers: &axum::http::HeaderMap) -> String {
    let id = headers
        .get(REQUEST_ID)
        .and_then(|value| value.to_str().ok());
    id.unwrap_or_default().to_owned()
}
