//! `cadmill serve`: the API and a worker in one process.

use std::{net::SocketAddr, sync::Arc};

use anyhow::Result;
use clap::Args;

use crate::{
    exit::Exit,
    wiring::{
        api,
        config::{Config, DeploymentArguments, SlotsArgument, TraceArguments},
        health_checks, listener,
        logging::Logging,
        metrics,
        server::run_until_stopped,
        tessellator, worker,
    },
};

#[derive(Debug, Args)]
pub(crate) struct ServeArguments {
    /// The address on which the API listens [default: 127.0.0.1:8080].
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    #[command(flatten)]
    tracing: TraceArguments,
    #[command(flatten)]
    deployment: DeploymentArguments,
    #[command(flatten)]
    slots: SlotsArgument,
}

pub(crate) fn run(arguments: &ServeArguments, logging: Logging) -> Result<Exit> {
    let mut config = Config::load_with_slots(&arguments.deployment, arguments.slots.slots)?
        .with_traces(&arguments.tracing);
    config.listen = arguments.listen.unwrap_or(config.listen);
    run_until_stopped(
        config,
        logging,
        "`cadmill serve`",
        async |deployment, stop| {
            let render_metrics = metrics::record()?;
            let listener = listener::bind_api(&deployment.config).await?;
            let (runner, _scratch) = deployment.task_runner().await?;
            let runner = Arc::new(runner);
            let lock = runner.lock.clone();
            let checks = health_checks::of(deployment, lock.clone(), Some(tessellator::find()));
            api::announce(deployment, &listener).await?;
            let serving = api::serve(deployment, lock, checks, render_metrics, listener, &stop);
            let working = worker::work(deployment, &runner, &stop);
            tokio::try_join!(working, serving).map(drop)
        },
    )
}
