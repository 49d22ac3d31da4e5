//! `cadmill worker`: one of several workers.

use std::{net::SocketAddr, sync::Arc};

use anyhow::Result;
use clap::Args;

use crate::{
    exit::Exit,
    wiring::{
        api,
        config::{Config, DeploymentArguments, SlotsArgument, TraceArguments},
        listener,
        logging::Logging,
        metrics,
        server::{refuse_embedded, run_until_stopped},
        worker,
    },
};

#[derive(Debug, Args)]
pub(crate) struct WorkerArguments {
    /// The address of `/healthz` and `/metrics` of this worker [default: they are not served].
    #[arg(long, value_name = "ADDRESS")]
    metrics_listen: Option<SocketAddr>,
    #[command(flatten)]
    tracing: TraceArguments,
    #[command(flatten)]
    deployment: DeploymentArguments,
    #[command(flatten)]
    slots: SlotsArgument,
}

pub(crate) fn run(arguments: &WorkerArguments, logging: Logging) -> Result<Exit> {
    let config = Config::load_with_slots(&arguments.deployment, arguments.slots.slots)?
        .with_traces(&arguments.tracing);
    refuse_embedded(&config, "a worker")?;
    run_until_stopped(
        config,
        logging,
        "`cadmill worker`",
        async |deployment, stop| {
            let (runner, _scratch) = deployment.task_runner().await?;
            let runner = Arc::new(runner);
            let serving_metrics = async {
                let Some(address) = arguments.metrics_listen else {
                    return Ok(());
                };
                let render_metrics = metrics::record()?;
                let listener = listener::bind(address).await?;
                api::serve_metrics(render_metrics, listener, &stop).await
            };
            let working = worker::work(deployment, &runner, &stop);
            tokio::try_join!(working, serving_metrics).map(drop)
        },
    )
}
