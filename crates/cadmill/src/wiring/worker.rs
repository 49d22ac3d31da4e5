//! Wires the worker to a deployment, and runs it.

use std::{sync::Arc, time::Duration};

use anyhow::Result;
use cadmill_pipeline::{TaskRunner, Worker, WorkerSettings};
use tokio_util::sync::CancellationToken;

use crate::{
    terminal::{output, text::counted},
    wiring::{
        deployment::Deployment,
        interrupt::limit_after,
        maintenance::{Maintenance, scrub},
    },
};

/// How long sweep and scrub may take to release their locks.
const UNLOCK_TIMEOUT: Duration = Duration::from_millis(500);

/// Works, and maintains the deployment, until `stop`.
pub(crate) async fn work(
    deployment: &Deployment,
    runner: &Arc<TaskRunner>,
    stop: &CancellationToken,
) -> Result<()> {
    output::line(&format!(
        "Working with {} in `{}`; Ctrl-C stops.",
        counted(deployment.config.slots as u64, "slot"),
        deployment.config.data_dir.display()
    ))?;
    let worker = new_worker(deployment, runner);
    let maintenance = Maintenance {
        deployment,
        lock: &runner.lock,
        worker: runner.settings.worker.as_str(),
        stop,
    };
    let maintain = async {
        let scrub = scrub::run(deployment, &runner.records, &runner.lock, stop);
        tokio::join!(maintenance.run(), scrub)
    };
    let maintain = limit_after(stop, maintain, UNLOCK_TIMEOUT);
    tokio::join!(worker.run(stop.clone()), maintain);
    Ok(())
}

/// Works until `condition` is ready, and returns its output.
pub(crate) async fn work_until<T>(
    deployment: &Deployment,
    condition: impl Future<Output = Result<T>>,
) -> Result<T> {
    deployment.own_blobs().await?;
    let (runner, _scratch) = deployment.task_runner().await?;
    let stop = CancellationToken::new();
    let worker = new_worker(deployment, &Arc::new(runner));
    let condition = async {
        let ended = condition.await;
        stop.cancel();
        ended
    };
    let ((), ended) = tokio::join!(worker.run(stop.clone()), condition);
    ended
}

fn new_worker(deployment: &Deployment, runner: &Arc<TaskRunner>) -> Worker {
    let config = &deployment.config;
    let settings = WorkerSettings {
        slots: config.slots,
        poll: config.poll,
        grace: config.grace,
        is_only_process: config.is_embedded(),
    };
    Worker::new(Arc::clone(runner), deployment.notifier.clone(), settings)
}
