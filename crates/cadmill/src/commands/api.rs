//! `cadmill api`: the API without a worker.

use std::net::SocketAddr;

use anyhow::Result;
use clap::Args;

use crate::{
    exit::Exit,
    wiring::{
        api,
        config::{Config, DeploymentArguments, TraceArguments},
        health_checks, listener,
        logging::Logging,
        metrics,
        server::{refuse_embedded, run_until_stopped},
    },
};

#[derive(Debug, Args)]
pub(crate) struct ApiArguments {
    /// The address on which the API listens [default: 127.0.0.1:8080].
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    #[command(flatten)]
    tracing: TraceArguments,
    #[command(flatten)]
    deployment: DeploymentArguments,
}

pub(crate) fn run(arguments: &ApiArguments, logging: Logging) -> Result<Exit> {
    let mut config = Config::load(&arguments.deployment)?.with_traces(&arguments.tracing);
    config.listen = arguments.listen.unwrap_or(config.listen);
    refuse_embedded(&config, "an API")?;
    run_until_stopped(
        config,
        logging,
        "`cadmill api`",
        async |deployment, stop| {
            let render_metrics = metrics::record()?;
            let listener = listener::bind_api(&deployment.config).await?;
            let lock = deployment.lock().await?;
            let checks = health_checks::of(deployment, lock.clone(), None);
            api::announce(deployment, &listener).await?;
            api::serve(deployment, lock, checks, render_metrics, listener, &stop).await
        },
    )
}
