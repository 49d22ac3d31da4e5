//! `cadmill serve` and `cadmill worker`: work until told to stop.

use std::{sync::Arc, time::Duration};

use anyhow::{Context as _, Result};
use cadmill_lock::{LockKey, run_exclusive};
use cadmill_pipeline::{Mill, Worker, WorkerSettings};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::{
    cli::DeploymentArguments,
    config::Config,
    deployment::{self, Deployment},
    exit::{Exit, Failed},
    interrupt::Interrupt,
    machine, output,
};

/// How often blobs are swept.
const SWEEP: Duration = Duration::from_hours(1);

/// Everything in one folder and one process.
pub(crate) fn serve(arguments: &DeploymentArguments) -> Result<Exit> {
    work(Config::load(arguments)?, "`cadmill serve`")
}

/// One of many workers.
pub(crate) fn worker(arguments: &DeploymentArguments) -> Result<Exit> {
    let config = Config::load(arguments)?;
    if config.database_url.is_none() {
        let text = "a worker of its own needs `database_url` and `redis_url`; with everything in \
                    one folder, start `cadmill serve`";
        return Err(Failed(text.to_owned()).into());
    }
    work(config, "`cadmill worker`")
}

/// Brings the tables to this version.
pub(crate) fn migrate(arguments: &DeploymentArguments) -> Result<Exit> {
    let config = Config::load(arguments)?;
    let runtime = machine::runtime()?;
    runtime.block_on(deployment::migrate(&config))?;
    output::line("The tables are those of this version.")?;
    Ok(Exit::Ok)
}

fn work(config: Config, what: &str) -> Result<Exit> {
    let runtime = machine::runtime()?;
    runtime.block_on(async {
        let interrupt = Interrupt::listen().context("signals cannot be listened for")?;
        let deployment = Deployment::open_to_work(config, what).await?;
        let (mill, _scratch) = deployment.mill().await?;
        output::line(&format!(
            "Milling with {} in `{}`; Ctrl-C stops.",
            output::counted(deployment.config.slots as u64, "slot"),
            deployment.config.data_dir.display()
        ))?;
        let mill = Arc::new(mill);
        let worker = worker_of(&deployment, &mill);
        tokio::select! {
            () = worker.run(interrupt.token()) => {}
            () = sweep(&deployment, &mill) => {}
        }
        Ok::<_, anyhow::Error>(())
    })?;
    // Whatever still reads from a share that does not answer shall not keep us from the end.
    runtime.shutdown_background();
    Ok(Exit::Ok)
}

/// The worker of a deployment.
pub(crate) fn worker_of(deployment: &Deployment, mill: &Arc<Mill>) -> Worker {
    let config = &deployment.config;
    let settings = WorkerSettings {
        slots: config.slots,
        poll: config.poll,
        grace: config.grace,
    };
    Worker::new(Arc::clone(mill), deployment.bell.clone(), settings)
}

/// Sweeps now and then, one process at a time.
async fn sweep(deployment: &Deployment, mill: &Mill) {
    let key = LockKey::new("blob_sweep_lock");
    loop {
        let swept = run_exclusive(&mill.lock, &key, mill.settings.lease, async |_| {
            deployment.sweep().await
        });
        match swept.await {
            Ok(cadmill_lock::Exclusive::Ran(Err(error))) => {
                warn!("Blobs were not swept: {error:#}");
            }
            Err(error) => warn!(
                error = &error as &dyn std::error::Error,
                "Blobs were not swept."
            ),
            Ok(_) => info!("The next sweep is in an hour."),
        }
        tokio::time::sleep(SWEEP).await;
    }
}

/// Works in this process until `until` has ended.
pub(crate) async fn work_until<T>(
    deployment: &Deployment,
    until: impl Future<Output = Result<T>>,
) -> Result<T> {
    let (mill, _scratch) = deployment.mill().await?;
    let stop = CancellationToken::new();
    let worker = worker_of(deployment, &Arc::new(mill));
    let until = async {
        let ended = until.await;
        stop.cancel();
        ended
    };
    let ((), ended) = tokio::join!(worker.run(stop.clone()), until);
    ended
}
