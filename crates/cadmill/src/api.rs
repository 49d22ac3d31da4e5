//! Wires the API to a deployment, and serves it.

use std::{sync::Arc, time::Duration};

use anyhow::Result;
use cadmill_api::{
    Access, Api, DeliverySettings, FeedSettings, JoinTrace, RenderMetrics, Settings, TargetPolicy,
    WebhookClient,
};
use cadmill_domain::HealthCheck;
use cadmill_lock::DedupLock;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{
    config::{AccessMode, Config},
    deployment::Deployment,
    output, token, traces,
};

/// How long a receiver of a webhook may take to answer.
const WEBHOOK_PATIENCE: Duration = Duration::from_secs(10);

/// Serves the API, and delivers webhooks, until told to stop.
pub(crate) async fn serve(
    deployment: &Deployment,
    lock: Arc<dyn DedupLock>,
    checks: Vec<Arc<dyn HealthCheck>>,
    render_metrics: RenderMetrics,
    listener: TcpListener,
    stop: &CancellationToken,
) -> Result<()> {
    let store = &deployment.store;
    let api = Api {
        files: store.clone(),
        assets: store.clone(),
        ledger: store.clone(),
        log: store.clone(),
        blobs: deployment.blobs.clone(),
        refs: store.clone(),
        lock,
        tokens: store.clone(),
        random: rand::random,
        webhooks: store.clone(),
        clock: deployment.clock.clone(),
        checks,
        render_metrics,
        join_trace: join_trace(&deployment.config),
        stop: stop.clone(),
    };
    let router = api.router(&settings(&deployment.config));
    let webhook_client = WebhookClient::new(targets(&deployment.config), WEBHOOK_PATIENCE)?;
    let delivering = cadmill_api::deliver(
        store.clone(),
        webhook_client,
        deployment.clock.clone(),
        DeliverySettings::default(),
        stop.clone(),
    );
    let serving = cadmill_api::serve(listener, router, stop.clone().cancelled_owned());
    let ((), served) = tokio::join!(delivering, serving);
    Ok(served?)
}

/// Serves only `/healthz` and `/metrics`, for a worker.
pub(crate) async fn serve_figures(
    render_metrics: RenderMetrics,
    listener: TcpListener,
    stop: &CancellationToken,
) -> Result<()> {
    let router = cadmill_api::figures_router(render_metrics);
    cadmill_api::serve(listener, router, stop.clone().cancelled_owned()).await?;
    Ok(())
}

/// Says where the API is, and shows the first token when it is made.
pub(crate) async fn greet(deployment: &Deployment, listener: &TcpListener) -> Result<()> {
    let address = listener.local_addr()?;
    output::line(&format!(
        "Listening on http://{address}; its guide is at http://{address}/docs."
    ))?;
    if deployment.config.access == AccessMode::Open {
        return output::line("No token is needed, so only this machine can reach it.");
    }
    if let Some(secret) = token::first(deployment).await? {
        output::line(&format!(
            "The first administrator's token, shown only this once: {}",
            secret.expose()
        ))?;
    }
    Ok(())
}

fn settings(config: &Config) -> Settings {
    Settings {
        access: match config.access {
            AccessMode::Open => Access::Open,
            AccessMode::Tokens => Access::Tokens,
        },
        open_metrics: config.open_metrics,
        cors_origins: config.cors_origins.clone(),
        behind_proxy: config.behind_proxy,
        upload_limit_bytes: config.upload_limit,
        redirect_downloads_for: config.redirect_downloads,
        feed: FeedSettings {
            longest: config.events_longest,
            ..FeedSettings::default()
        },
        webhook_targets: targets(config),
        ..Settings::default()
    }
}

/// Traces that begin elsewhere go on here, if there are any.
fn join_trace(config: &Config) -> JoinTrace {
    match config.otlp_endpoint {
        Some(_) => traces::join,
        None => |_, _| {},
    }
}

/// Where webhooks may lead.
fn targets(config: &Config) -> TargetPolicy {
    TargetPolicy::allowing(config.webhook_networks.iter().copied())
}
