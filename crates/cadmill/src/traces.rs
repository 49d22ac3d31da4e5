//! Spans of requests and tasks, sent to a collector of OpenTelemetry by OTLP over HTTP.

mod named;
mod post;

use std::{str::FromStr, time::Duration};

use anyhow::{Context as _, Error, Result, bail, ensure};
use axum::http::{HeaderMap, Uri};
use opentelemetry::{
    KeyValue,
    propagation::TextMapPropagator as _,
    trace::{TraceContextExt as _, TracerProvider as _},
};
use opentelemetry_http::HeaderExtractor;
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::{Resource, propagation::TraceContextPropagator, trace::SdkTracerProvider};
use serde::Deserialize;
use tokio::runtime::Handle;
use tracing::{Level, Span, Subscriber, level_filters::LevelFilter, warn};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::{Layer, filter::filter_fn, registry::LookupSpan};

use self::{named::Named, post::Post};
use crate::machine;

/// What we are called among other services.
const SERVICE: &str = "cadmill";
/// How long the collector may take for one batch.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where a collector listens, such as `http://collector:4318`.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Endpoint(String);

impl FromStr for Endpoint {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let Ok(url) = text.parse::<Uri>() else {
            bail!("`{text}` is no URL");
        };
        let host = url.authority().map_or("", |authority| authority.as_str());
        ensure!(
            matches!(url.scheme_str(), Some("http" | "https")) && !host.is_empty(),
            "`{text}` is no URL of a collector, such as `http://127.0.0.1:4318`"
        );
        ensure!(
            !host.contains('@'),
            "what a collector shall know of us goes into OTEL_EXPORTER_OTLP_HEADERS, not into its URL"
        );
        Ok(Self(text.trim_end_matches('/').to_owned()))
    }
}

impl TryFrom<String> for Endpoint {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

/// What sends them. A thread of its own collects and sends; when it is not fast enough, spans are
/// dropped, and nothing waits.
#[derive(Debug)]
pub(crate) struct Traces(SdkTracerProvider);

impl Traces {
    /// Begins to send.
    pub(crate) fn begin(endpoint: &Endpoint, runtime: &Handle) -> Result<Self> {
        // Whoever was first has chosen the same.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().timeout(PATIENCE).build();
        let http = http.context("the HTTP client for traces cannot be set up")?;
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Post::new(http, runtime.clone()))
            .with_endpoint(format!("{}/v1/traces", endpoint.0))
            .with_timeout(PATIENCE)
            .build()
            .context("traces cannot be sent")?;
        let resource = Resource::builder()
            .with_service_name(SERVICE)
            .with_attributes([
                KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
                KeyValue::new("service.instance.id", machine::process_name()),
            ])
            .build();
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(Named(exporter))
            .with_resource(resource)
            .build();
        Ok(Self(provider))
    }

    /// What takes our own spans, and what is told within them.
    pub(crate) fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'span> LookupSpan<'span>,
    {
        let is_ours = filter_fn(|what| {
            let is_wanted = what.is_span() || *what.level() <= Level::INFO;
            is_wanted && what.target().starts_with("cadmill")
        });
        tracing_opentelemetry::layer()
            .with_tracer(self.0.tracer(SERVICE))
            .with_location(false)
            .with_threads(false)
            .with_tracked_inactivity(false)
            .with_filter(is_ours.with_max_level_hint(LevelFilter::DEBUG))
    }

    /// Sends what is left, for so long at most. The runtime must still be there.
    pub(crate) fn end(self, limit: Option<Duration>) {
        let limit = limit.map_or(PATIENCE, |limit| limit.min(PATIENCE));
        if let Err(error) = self.0.shutdown_with_timeout(limit) {
            warn!(error = %error, "The last traces could not be sent.");
        }
    }
}

/// Makes the span of a request part of the trace that its `traceparent` names (W3C Trace Context),
/// and tells the log which trace that is.
pub(crate) fn join(span: &Span, headers: &HeaderMap) {
    let parent = TraceContextPropagator::new().extract(&HeaderExtractor(headers));
    if parent.span().span_context().is_valid() {
        // It fails only if nobody takes the span.
        let _ = span.set_parent(parent);
    }
    let context = span.context();
    let trace = context.span().span_context().trace_id();
    span.record("trace.id", trace.to_string());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_a_url_without_a_path_to_lose() {
        let good = |text: &str| text.parse::<Endpoint>().unwrap().0;
        assert_eq!(good("http://127.0.0.1:4318"), "http://127.0.0.1:4318");
        assert_eq!(good("https://host/otlp/"), "https://host/otlp");
        for bad in [
            "",
            "collector:4318",
            "grpc://host",
            "http://",
            "http://a:b@host",
            "a b",
        ] {
            assert!(bad.parse::<Endpoint>().is_err(), "{bad}");
        }
    }
}
