//! `/docs` and `/openapi.json`: the document, and pages that show it.

use axum::{
    Router,
    http::{HeaderValue, header},
};
use tower_http::set_header::SetResponseHeaderLayer;
use utoipa::openapi::OpenApi;
use utoipa_swagger_ui::SwaggerUi;

/// What the pages may load: themselves, and their styles and pictures.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'",
);

/// Both need no token: they tell nothing of the files.
pub(crate) fn router(document: OpenApi) -> Router {
    let pages = SwaggerUi::new("/docs").url("/openapi.json", document);
    let policy = SetResponseHeaderLayer::overriding(header::CONTENT_SECURITY_POLICY, POLICY);
    // Not what has no route: that is answered as everywhere.
    Router::from(pages).route_layer(policy)
}
