//! The HTTP client that sends batches to the collector.

use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use reqwest::Client;
use tokio::runtime::Handle;
use tracing::{info, warn};

/// Sends batches in the asynchronous runtime, which the thread of the exporter lacks.
#[derive(Debug)]
pub(super) struct RuntimeHttpClient {
    http: Client,
    runtime: Handle,
    /// Whether the last batch failed; only the first failure of several is logged.
    has_failed: AtomicBool,
}

impl RuntimeHttpClient {
    pub(super) const fn new(http: Client, runtime: Handle) -> Self {
        Self {
            http,
            runtime,
            has_failed: AtomicBool::new(false),
        }
    }
}

#[async_trait]
impl HttpClient for RuntimeHttpClient {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let http = self.http.clone();
        let sent = self
            .runtime
            .spawn(async move { http.send_bytes(request).await });
        let sent = sent.await.map_err(HttpError::from).flatten();
        let has_failed = sent.is_err();
        let had_failed = self.has_failed.swap(has_failed, Ordering::Relaxed);
        match &sent {
            Err(error) if !had_failed => warn!(
                error = &**error as &dyn std::error::Error,
                "collector unavailable, traces dropped"
            ),
            Ok(_) if had_failed => info!("collector available again"),
            _ => {}
        }
        sent
    }
}
