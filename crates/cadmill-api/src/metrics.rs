//! What a worker tells over HTTP, which has no API: whether it lives, and its metrics.

use axum::{Router, http::header, routing::get};

use crate::{RenderMetrics, routes::health::PROMETHEUS};

/// A router with `/healthz` and `/metrics` alone. Whoever reaches it may read both.
pub fn figures_router(render: RenderMetrics) -> Router {
    let metrics = move || async move { ([(header::CONTENT_TYPE, PROMETHEUS)], render()) };
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/metrics", get(metrics))
}
