//! Spans of requests and tasks, sent to an OpenTelemetry collector by OTLP over HTTP.

mod http_client;
mod span_names;

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

use self::{http_client::RuntimeHttpClient, span_names::NamingExporter};
use crate::wiring::machine;

/// The name of this service.
const SERVICE: &str = "cadmill";
/// How long the collector may take for one batch.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The URL of a collector, such as `http://collector:4318`.
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
            "credentials for the collector go into OTEL_EXPORTER_OTLP_HEADERS, not into its URL"
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

/// Sends spans from a thread of its own. If that thread is too slow, spans are dropped, and nothing
/// waits.
#[derive(Debug)]
pub(crate) struct Traces(SdkTracerProvider);

impl Traces {
    /// Starts to send.
    pub(crate) fn start(endpoint: &Endpoint, runtime: &Handle) -> Result<Self> {
        // It fails if the same provider is already installed.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().timeout(TIMEOUT).build();
        let http = http.context("the HTTP client for traces cannot be set up")?;
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(RuntimeHttpClient::new(http, runtime.clone()))
            .with_endpoint(format!("{}/v1/traces", endpoint.0))
            .with_timeout(TIMEOUT)
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
            .with_batch_exporter(NamingExporter(exporter))
            .with_resource(resource)
            .build();
        Ok(Self(provider))
    }

    /// The layer that takes the spans of our crates, and the events within them.
    pub(crate) fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'span> LookupSpan<'span>,
    {
        let is_ours = filter_fn(|metadata| {
            let is_exported = metadata.is_span() || *metadata.level() <= Level::INFO;
            is_exported && metadata.target().starts_with("cadmill")
        });
        tracing_opentelemetry::layer()
            .with_tracer(self.0.tracer(SERVICE))
            .with_location(false)
            .with_threads(false)
            .with_tracked_inactivity(false)
            .with_filter(is_ours.with_max_level_hint(LevelFilter::DEBUG))
    }

    /// Sends the remaining spans within `limit`. The runtime must still run.
    pub(crate) fn stop(self, limit: Option<Duration>) {
        let limit = limit.map_or(TIMEOUT, |limit| limit.min(TIMEOUT));
        if let Err(error) = self.0.shutdown_with_timeout(limit) {
            warn!(
                error = &error as &dyn std::error::Error,
                "last traces not sent"
            );
        }
    }
}

/// Makes the span of a request part of the trace that its `traceparent` names (W3C Trace Context),
/// and records the id of that trace in the span.
pub(crate) fn join(span: &Span, headers: &HeaderMap) {
    let parent = TraceContextPropagator::new().extract(&HeaderExtractor(headers));
    if parent.span().span_context().is_valid() {
        // It fails only if no layer takes the span.
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
    fn an_endpoint_is_an_http_url_without_credentials() {
        let parse = |text: &str| text.parse::<Endpoint>().unwrap().0;
        assert_eq!(parse("http://127.0.0.1:4318"), "http://127.0.0.1:4318");
        assert_eq!(parse("https://host/otlp/"), "https://host/otlp");
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
