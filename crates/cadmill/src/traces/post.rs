//! How batches reach the collector.

use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use reqwest::Client;
use tokio::runtime::Handle;
use tracing::{info, warn};

/// Posts batches within the runtime, as the thread that sends them has none.
#[derive(Debug)]
pub(super) struct Post {
    http: Client,
    runtime: Handle,
    /// Whether the last batch could not be delivered, which is told once.
    is_away: AtomicBool,
}

impl Post {
    pub(super) const fn new(http: Client, runtime: Handle) -> Self {
        Self {
            http,
            runtime,
            is_away: AtomicBool::new(false),
        }
    }
}

#[async_trait]
impl HttpClient for Post {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let http = self.http.clone();
        let sent = self
            .runtime
            .spawn(async move { http.send_bytes(request).await });
        let sent = sent.await.map_err(HttpError::from).flatten();
        let is_away = sent.is_err();
        let was_away = self.is_away.swap(is_away, Ordering::Relaxed);
        match &sent {
            Err(error) if !was_away => warn!(
                error = &**error as &dyn std::error::Error,
                "The collector takes no traces; they are dropped until it does."
            ),
            Ok(_) if was_away => info!("The collector takes traces again."),
            _ => {}
        }
        sent
    }
}
