//! `cadmill gc` and `cadmill adopt`: which blobs are kept, and whose they are.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use cadmill_store::{MaintenanceId, MaintenanceKind, MaintenanceRequest, MaintenanceState, Sweep};
use serde::Serialize;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{
    cli::{AdoptArguments, GcArguments as CliArguments},
    config::Config,
    deployment::{self, Deployment},
    exit::{Exit, Failed},
    interrupt::Interrupt,
    machine,
    maintenance::{GcArguments, MIN_AGE_HOURS, Maintenance, NOTE_EVERY, needs_confirmation},
    output,
};

/// How often a request is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// If no process takes a request within this time, the command does it itself.
const MAX_WAIT: Duration = Duration::from_secs(10);

pub(crate) fn run(arguments: &CliArguments) -> Result<Exit> {
    let config = Config::load(&arguments.deployment)?;
    let runtime = machine::runtime()?;
    runtime.block_on(async {
        let mut deployment = Deployment::open(config).await?;
        let how = GcArguments {
            is_confirmed: arguments.yes,
        };
        let Some(answer) = ask(&mut deployment, MaintenanceKind::Gc, &how, "`cadmill gc`").await?
        else {
            return Ok(Exit::Interrupted);
        };
        let swept: Sweep = serde_json::from_value(answer)?;
        if arguments.json {
            output::line(&serde_json::to_string(&swept)?)?;
        } else if swept.unconfirmed == 0 {
            let Sweep { seen, removed, .. } = swept;
            output::line(&format!(
                "removed {removed} of {}; unused ones are kept for {MIN_AGE_HOURS} hours",
                output::counted(seen, "blob")
            ))?;
        }
        if swept.unconfirmed > 0 {
            return Err(Failed(needs_confirmation(&swept)).into());
        }
        Ok(Exit::Ok)
    })
}

pub(crate) fn adopt(arguments: &AdoptArguments) -> Result<Exit> {
    let config = Config::load(&arguments.deployment)?;
    let runtime = machine::runtime()?;
    runtime.block_on(async {
        deployment::require_database(&config)?;
        let mut deployment = Deployment::open(config).await?;
        // No server works meanwhile with what is adopted.
        if deployment.is_embedded() && !deployment.try_to_work("`cadmill adopt`") {
            bail!(Failed(
                "the data folder is in use; stop the server first".to_owned()
            ));
        }
        let owner = deployment.store.adopt_blobs(&deployment.blobs).await?;
        output::line(&format!(
            "The blobs are those of this database now: deployment {}, generation {}.",
            owner.id, owner.generation
        ))?;
        let (blobs, unused) = deployment.blobs.count_unused(&*deployment.store).await?;
        if unused > 0 {
            output::line(&format!(
                "{unused} of {} belong to no file or medium of this database. If it should know them, it \
                 is too old; they are removed only by `cadmill gc --yes`.",
                output::counted(blobs, "blob")
            ))?;
        }
        output::line("`cadmill verify` says which blobs are missing.")?;
        Ok(Exit::Ok)
    })
}

/// Asks whichever process serves the deployment. If none does, this process answers itself; in a
/// data folder only if it can have the folder. None if the command was interrupted.
pub(crate) async fn ask(
    deployment: &mut Deployment,
    kind: MaintenanceKind,
    arguments: &impl Serialize,
    what: &str,
) -> Result<Option<serde_json::Value>> {
    let interrupt = Interrupt::listen()?;
    let arguments = serde_json::to_value(arguments)?;
    let store = deployment.store.clone();
    let id = store.request_maintenance(kind, arguments).await?;
    let asked_at = Instant::now();
    let mut noted_at = asked_at;
    loop {
        let request = store.maintenance(id).await?;
        let request = request.context("the request is gone from the database")?;
        match request.state {
            MaintenanceState::Done => return Ok(request.answer),
            MaintenanceState::Failed => bail!(Failed(reason(&request))),
            MaintenanceState::Queued if noted_at.elapsed() >= NOTE_EVERY => {
                store.await_maintenance(id).await?;
                noted_at = Instant::now();
            }
            MaintenanceState::Queued | MaintenanceState::Running => {}
        }
        let may_answer = if deployment.is_embedded() {
            deployment.try_to_work(what)
        } else {
            asked_at.elapsed() >= MAX_WAIT
        };
        let wait = async {
            if !may_answer || !answer(deployment, id, &interrupt.token()).await? {
                tokio::time::sleep(LOOK_EVERY).await;
            }
            Ok::<_, anyhow::Error>(())
        };
        tokio::select! {
            () = interrupt.token().cancelled_owned() => {
                store.withdraw_maintenance(id, &machine::process_name()).await?;
                return Ok(None);
            }
            waited = wait => waited?,
        }
    }
}

/// Answers a request in this process, unless another one is at it.
async fn answer(
    deployment: &Deployment,
    id: MaintenanceId,
    stop: &CancellationToken,
) -> Result<bool> {
    let worker = machine::process_name();
    let taken = deployment.store.take_maintenance(&worker, Some(id)).await?;
    let Some(request) = taken else {
        return Ok(false);
    };
    let lock = deployment.lock().await?;
    let maintenance = Maintenance {
        deployment,
        lock: &lock,
        worker: &worker,
        stop,
    };
    maintenance.answer(&request).await?;
    Ok(true)
}

fn reason(request: &MaintenanceRequest) -> String {
    let reason = request.answer.as_ref().and_then(|answer| answer.as_str());
    reason.unwrap_or("it failed").to_owned()
}
