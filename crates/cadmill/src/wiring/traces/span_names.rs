//! Name, kind and status of spans, by the semantic conventions of OpenTelemetry.

use std::time::Duration;

use opentelemetry::trace::{SpanKind, Status};
use opentelemetry_otlp::SpanExporter;
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    trace::{SpanData, SpanExporter as Export},
};

/// Names spans when they are exported: a span has to be created before the route of a request is known.
#[derive(Debug)]
pub(super) struct NamingExporter(pub(super) SpanExporter);

impl Export for NamingExporter {
    async fn export(&self, mut batch: Vec<SpanData>) -> OTelSdkResult {
        batch.iter_mut().for_each(set_name);
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

fn set_name(span: &mut SpanData) {
    if let Some(method) = attribute(span, "http.method") {
        let route = attribute(span, "http.route");
        span.name = route
            .map_or(method.clone(), |route| format!("{method} {route}"))
            .into();
        span.span_kind = SpanKind::Server;
        if attribute(span, "http.status").is_some_and(|status| status.starts_with('5')) {
            span.status = Status::error("");
        }
    }
    if let Some(task) = attribute(span, "task.kind").or_else(|| attribute(span, "task.step")) {
        span.name = task.into();
    }
    if let Some(code) = attribute(span, "failure.code") {
        span.status = Status::error(code);
    }
}

/// The value of an attribute.
fn attribute(span: &SpanData, key: &str) -> Option<String> {
    span.attributes
        .iter()
        .find(|attribute| attribute.key.as_str() == key)
        .map(|attribute| attribute.value.to_string())
}
