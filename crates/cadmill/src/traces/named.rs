//! Spans as a collector expects them: named after what was done, with a kind and a status.

use std::time::Duration;

use opentelemetry::trace::{SpanKind, Status};
use opentelemetry_otlp::SpanExporter;
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    trace::{SpanData, SpanExporter as Export},
};

/// Names spans on their way out, since a route is only known when its span has begun. Our logs have
/// no fields for that.
#[derive(Debug)]
pub(super) struct Named(pub(super) SpanExporter);

impl Export for Named {
    async fn export(&self, mut batch: Vec<SpanData>) -> OTelSdkResult {
        batch.iter_mut().for_each(name);
        self.0.export(batch).await
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.0.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.0.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.0.set_resource(resource);
    }
}

fn name(span: &mut SpanData) {
    if let Some(method) = text(span, "http.method") {
        let route = text(span, "http.route");
        span.name = route
            .map_or(method.clone(), |route| format!("{method} {route}"))
            .into();
        span.span_kind = SpanKind::Server;
        if text(span, "http.status").is_some_and(|status| status.starts_with('5')) {
            span.status = Status::error("");
        }
    }
    if let Some(done) = text(span, "task.kind").or_else(|| text(span, "task.step")) {
        span.name = done.into();
    }
    if let Some(code) = text(span, "failure.code") {
        span.status = Status::error(code);
    }
}

/// What the span says under this key.
fn text(span: &SpanData, key: &str) -> Option<String> {
    let mut attributes = span.attributes.iter();
    let found = attributes.find(|attribute| attribute.key.as_str() == key);
    found.map(|attribute| attribute.value.to_string())
}
