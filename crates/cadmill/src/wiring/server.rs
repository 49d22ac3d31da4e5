//! Runs a server until a signal stops it.

use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio_util::sync::CancellationToken;

use crate::{
    exit::{Exit, Failed},
    wiring::{
        config::Config, deployment::Deployment, interrupt::Interrupt, logging::Logging, machine,
        traces::Traces,
    },
};

/// How long after the grace period all work ends at the latest.
const WORK_END_TIMEOUT: Duration = Duration::from_millis(1_800);
/// How long sending the last traces may take after that: two seconds in all.
const TRACES_TIMEOUT: Duration = Duration::from_millis(200);

/// Opens a deployment for `command`, and runs `serve` with it until the process is stopped.
pub(crate) fn run_until_stopped(
    config: Config,
    logging: Logging,
    command: &str,
    serve: impl AsyncFnOnce(&Deployment, CancellationToken) -> Result<()>,
) -> Result<Exit> {
    let runtime = machine::runtime()?;
    let endpoint = config.otlp_endpoint.as_ref();
    let traces = endpoint
        .map(|endpoint| Traces::start(endpoint, runtime.handle()))
        .transpose()?;
    logging.start(traces.as_ref());
    let work_limit = config.grace + WORK_END_TIMEOUT;
    let interrupt = runtime
        .block_on(async { Interrupt::listen() })
        .context("signals cannot be listened for")?;
    let work = async {
        let stop = interrupt.token();
        let opening = Box::pin(Deployment::open_to_work(config, command));
        let opened = stop.run_until_cancelled(opening).await;
        let Some(deployment) = opened.transpose()? else {
            return Ok(());
        };
        let served = serve(&deployment, stop.clone()).await;
        deployment.close().await;
        served
    };
    let ended = runtime.block_on(interrupt.limit_after_stop(work, work_limit));
    if let Some(traces) = traces {
        traces.stop(interrupt.remaining(work_limit + TRACES_TIMEOUT));
    }
    // A blocked read from a network share must not delay the end.
    runtime.shutdown_background();
    ended.unwrap_or(Ok(())).map(|()| Exit::Ok)
}

/// Refuses `server`, such as `a worker`, in a deployment with everything in one folder.
pub(crate) fn refuse_embedded(config: &Config, server: &str) -> Result<()> {
    if !config.is_embedded() {
        return Ok(());
    }
    let text = format!(
        "{server} of its own needs `database_url` and `redis_url`; with everything in one folder, \
         start `cadmill serve`"
    );
    Err(Failed(text).into())
}
