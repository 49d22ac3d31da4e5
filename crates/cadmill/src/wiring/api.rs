//! Wires the API to a deployment, and serves it.

use std::{sync::Arc, time::Duration};

use anyhow::Result;
use cadmill_api::{
    Access, Api, DeliverySettings, FeedSettings, JoinTrace, RenderMetrics, Settings, TargetPolicy,
    WebhookClient,
};
use cadmill_domain::{
    HealthCheck,
    access_token::{AccessTokens as _, NewAccessToken, Role, TokenSecret},
};
use cadmill_lock::DedupLock;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{
    terminal::output,
    wiring::{
        config::{AccessMode, Config},
        deployment::Deployment,
        traces,
    },
};

/// How long the receiver of a webhook may take to respond.
const WEBHOOK_TIMEOUT: Duration = Duration::from_secs(10);
/// The name of the token that the first start creates.
const FIRST_TOKEN: &str = "first";

/// Serves the API and delivers webhooks until `stop`.
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
        requests: store.clone(),
        view: store.clone(),
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
    let webhook_client = WebhookClient::new(webhook_targets(&deployment.config), WEBHOOK_TIMEOUT)?;
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

/// Serves only `/healthz` and `/metrics` until `stop`, for a worker.
pub(crate) async fn serve_metrics(
    render_metrics: RenderMetrics,
    listener: TcpListener,
    stop: &CancellationToken,
) -> Result<()> {
    let router = cadmill_api::figures_router(render_metrics);
    cadmill_api::serve(listener, router, stop.clone().cancelled_owned()).await?;
    Ok(())
}

/// Prints the address of the API, and the first token when it was created.
pub(crate) async fn announce(deployment: &Deployment, listener: &TcpListener) -> Result<()> {
    let address = listener.local_addr()?;
    output::line(&format!(
        "Listening on http://{address}; its guide is at http://{address}/docs."
    ))?;
    if deployment.config.access == AccessMode::Open {
        return output::line("No token is needed, so only this machine can reach it.");
    }
    if let Some(secret) = create_first_token(deployment).await? {
        output::line(&format!(
            "The first administrator's token, shown only this once: {}",
            secret.expose()
        ))?;
    }
    Ok(())
}

/// Creates a token for the first administrator if there is no token yet.
async fn create_first_token(deployment: &Deployment) -> Result<Option<TokenSecret>> {
    let secret = TokenSecret::from_random(rand::random());
    let token = NewAccessToken::of(&secret, FIRST_TOKEN, Role::Admin, None);
    let created = deployment.store.create_first(token).await?;
    Ok(created.map(|_| secret))
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
        webhook_targets: webhook_targets(config),
        ..Settings::default()
    }
}

/// Continues the traces of clients, if traces are collected.
fn join_trace(config: &Config) -> JoinTrace {
    match config.otlp_endpoint {
        Some(_) => traces::join,
        None => |_, _| {},
    }
}

/// The addresses to which webhooks may be sent.
fn webhook_targets(config: &Config) -> TargetPolicy {
    TargetPolicy::allowing(config.webhook_networks.iter().copied())
}
