//! Requests of commands for maintenance: a serving process answers them, or else the command itself.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use cadmill_store::{MaintenanceId, MaintenanceKind, MaintenanceRequest, MaintenanceState};
use serde::Serialize;
use serde_json::Value;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Maintenance, NOTE_INTERVAL};
use crate::{
    exit::Failed,
    wiring::{deployment::Deployment, interrupt::Interrupt, machine},
};

/// How often the state of the request is read.
const POLL: Duration = Duration::from_millis(250);
/// If no process takes a request within this time, the command answers it itself.
const MAX_WAIT: Duration = Duration::from_secs(10);

/// Requests maintenance for `command`, and waits for the answer; `None` if a signal came first.
///
/// If no process serves the deployment, this one answers the request itself; in an embedded
/// deployment only if it gets the lock of the data folder.
pub(crate) async fn request(
    deployment: &mut Deployment,
    kind: MaintenanceKind,
    options: &impl Serialize,
    command: &str,
) -> Result<Option<Value>> {
    let interrupt = Interrupt::listen()?;
    let options = serde_json::to_value(options)?;
    let store = deployment.store.clone();
    let id = store.request_maintenance(kind, options).await?;
    let requested_at = Instant::now();
    let mut noted_at = requested_at;
    loop {
        let request = store.maintenance(id).await?;
        let request = request.context("the request is gone from the database")?;
        match request.state {
            MaintenanceState::Done => return Ok(request.answer),
            MaintenanceState::Failed => bail!(Failed(reason(&request))),
            MaintenanceState::Queued if noted_at.elapsed() >= NOTE_INTERVAL => {
                store.await_maintenance(id).await?;
                noted_at = Instant::now();
            }
            MaintenanceState::Queued | MaintenanceState::Running => {}
        }
        let may_answer = if deployment.config.is_embedded() {
            deployment.try_to_work(command)
        } else {
            requested_at.elapsed() >= MAX_WAIT
        };
        let wait = async {
            if !may_answer || !answer(deployment, id, &interrupt.token()).await? {
                tokio::time::sleep(POLL).await;
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

/// Answers the request in this process; `false` if another one has taken it.
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
    let reason = request.answer.as_ref().and_then(Value::as_str);
    reason.unwrap_or("it failed").to_owned()
}
