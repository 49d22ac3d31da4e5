//! `cadmill serve`, `api` and `worker`: the API, the work or both, until told to stop.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::{Context as _, Result};
use cadmill_pipeline::{TaskRunner, Worker, WorkerSettings};
use tokio_util::sync::CancellationToken;

use crate::{
    api, checks,
    cli::{ServeArguments, WorkerArguments},
    config::Config,
    deployment::{self, Deployment},
    exit::{Exit, Failed},
    interrupt::{Interrupt, or_overdue},
    listener,
    logging::Logging,
    machine,
    maintenance::Maintenance,
    metrics, output, scrub, tessellator,
    traces::Traces,
};

/// How long after the grace time all work has ended at the latest.
const WORK_ENDS_WITHIN: Duration = Duration::from_millis(1_800);
/// How long the last traces may take after that: two seconds in all.
const TRACES_WITHIN: Duration = Duration::from_millis(200);
/// How long sweep and scrub may take to release their locks.
const LOCKS_WITHIN: Duration = Duration::from_millis(500);

/// The API and the workers in one process.
pub(crate) fn serve(arguments: &ServeArguments, log: Logging) -> Result<Exit> {
    let config = arguments.config()?;
    until_stopped(config, log, "`cadmill serve`", async |deployment, stop| {
        let render = metrics::record()?;
        let listener = listener::bind(&deployment.config).await?;
        let (runner, _scratch) = deployment.runner().await?;
        let runner = Arc::new(runner);
        let checks = checks::of(deployment, runner.lock.clone(), Some(tessellator::find()));
        api::greet(deployment, &listener).await?;
        let served = api::serve(
            deployment,
            runner.lock.clone(),
            checks,
            render,
            listener,
            &stop,
        );
        let worked = work(deployment, &runner, &stop);
        tokio::try_join!(worked, served).map(drop)
    })
}

/// The API alone.
pub(crate) fn api(arguments: &ServeArguments, log: Logging) -> Result<Exit> {
    let config = arguments.config()?;
    refuse_embedded(&config, "an API")?;
    until_stopped(config, log, "`cadmill api`", async |deployment, stop| {
        let render = metrics::record()?;
        let listener = listener::bind(&deployment.config).await?;
        let lock = deployment.lock().await?;
        let checks = checks::of(deployment, lock.clone(), None);
        api::greet(deployment, &listener).await?;
        api::serve(deployment, lock, checks, render, listener, &stop).await
    })
}

/// One of many workers.
pub(crate) fn worker(arguments: &WorkerArguments, log: Logging) -> Result<Exit> {
    let config = arguments.config()?;
    refuse_embedded(&config, "a worker")?;
    let metrics = arguments.metrics_listen;
    until_stopped(config, log, "`cadmill worker`", async |deployment, stop| {
        let (runner, _scratch) = deployment.runner().await?;
        let runner = Arc::new(runner);
        let telling = async {
            match metrics {
                Some(address) => tell_figures(address, &stop).await,
                None => Ok(()),
            }
        };
        tokio::try_join!(work(deployment, &runner, &stop), telling).map(drop)
    })
}

/// Brings the tables to this version.
pub(crate) fn migrate(arguments: &crate::cli::DeploymentArguments) -> Result<Exit> {
    let config = Config::load(arguments)?;
    let runtime = machine::runtime()?;
    runtime.block_on(deployment::migrate(&config))?;
    output::line("The tables are those of this version.")?;
    Ok(Exit::Ok)
}

fn refuse_embedded(config: &Config, what: &str) -> Result<()> {
    if config.database_url.is_some() {
        return Ok(());
    }
    let text = format!(
        "{what} of its own needs `database_url` and `redis_url`; with everything in one folder, \
         start `cadmill serve`"
    );
    Err(Failed(text).into())
}

/// Opens a deployment, and lets `run` have it until the process is told to stop.
fn until_stopped(
    config: Config,
    log: Logging,
    what: &str,
    run: impl AsyncFnOnce(&Deployment, CancellationToken) -> Result<()>,
) -> Result<Exit> {
    let runtime = machine::runtime()?;
    let endpoint = config.otlp_endpoint.as_ref();
    let traces = endpoint.map(|endpoint| Traces::begin(endpoint, runtime.handle()));
    let traces = traces.transpose()?;
    log.start(traces.as_ref());
    let work_limit = config.grace + WORK_ENDS_WITHIN;
    let limit = work_limit + TRACES_WITHIN;
    let interrupt = runtime.block_on(async { Interrupt::listen() });
    let interrupt = interrupt.context("signals cannot be listened for")?;
    let work = async {
        let stop = interrupt.token();
        let opening = Box::pin(Deployment::open_to_work(config, what));
        let opened = stop.run_until_cancelled(opening).await;
        let Some(deployment) = opened.transpose()? else {
            return Ok(());
        };
        let ran = run(&deployment, stop.clone()).await;
        deployment.close().await;
        ran
    };
    let ended = runtime.block_on(interrupt.or_overdue(work, work_limit));
    if let Some(traces) = traces {
        traces.end(interrupt.left_of(limit));
    }
    // What still reads from a share that does not answer shall not keep us from the end.
    runtime.shutdown_background();
    ended.unwrap_or(Ok(())).map(|()| Exit::Ok)
}

/// Works until told to stop.
async fn work(
    deployment: &Deployment,
    runner: &Arc<TaskRunner>,
    stop: &CancellationToken,
) -> Result<()> {
    output::line(&format!(
        "Milling with {} in `{}`; Ctrl-C stops.",
        output::counted(deployment.config.slots as u64, "slot"),
        deployment.config.data_dir.display()
    ))?;
    let worker = worker_of(deployment, runner);
    let maintenance = Maintenance {
        deployment,
        lock: &runner.lock,
        worker: runner.settings.worker.as_str(),
        stop,
    };
    let beside = async {
        let scrub = scrub::run(deployment, &runner.records, &runner.lock, stop);
        tokio::join!(maintenance.run(), scrub)
    };
    let beside = or_overdue(stop, beside, LOCKS_WITHIN);
    tokio::join!(worker.run(stop.clone()), beside);
    Ok(())
}

/// Tells the figures of a worker until told to stop.
async fn tell_figures(address: SocketAddr, stop: &CancellationToken) -> Result<()> {
    let render = metrics::record()?;
    let listener = listener::at(address).await?;
    api::serve_figures(render, listener, stop).await
}

/// The worker of a deployment.
pub(crate) fn worker_of(deployment: &Deployment, runner: &Arc<TaskRunner>) -> Worker {
    let config = &deployment.config;
    let settings = WorkerSettings {
        slots: config.slots,
        poll: config.poll,
        grace: config.grace,
        is_only_process: config.database_url.is_none(),
    };
    Worker::new(Arc::clone(runner), deployment.notifier.clone(), settings)
}

/// Works in this process until `until` has ended.
pub(crate) async fn work_until<T>(
    deployment: &Deployment,
    until: impl Future<Output = Result<T>>,
) -> Result<T> {
    deployment.own_blobs().await?;
    let (runner, _scratch) = deployment.runner().await?;
    let stop = CancellationToken::new();
    let worker = worker_of(deployment, &Arc::new(runner));
    let until = async {
        let ended = until.await;
        stop.cancel();
        ended
    };
    let ((), ended) = tokio::join!(worker.run(stop.clone()), until);
    ended
}
