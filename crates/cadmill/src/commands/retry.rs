//! `cadmill retry`: queues failed work again.

use anyhow::Result;
use cadmill_domain::{
    Work,
    ledger::{
        FailedFilter, LedgerView as _, Request, Requested, Requester, RowState, WorkRequests as _,
        WorkRequestsExt as _,
    },
};
use clap::Args;

use crate::{
    exit::Exit,
    terminal::output,
    wiring::{
        config::{Config, DeploymentArguments},
        deployment::{Deployment, with_deployment_of},
        idle::{WaitArguments, wait_until_idle},
    },
};

#[derive(Debug, Args)]
pub(crate) struct RetryArguments {
    /// Ids or names of files [default: all files with failed work].
    #[arg(value_name = "ID")]
    files: Vec<String>,
    #[command(flatten)]
    wait: WaitArguments,
    #[command(flatten)]
    deployment: DeploymentArguments,
}

pub(crate) fn run(arguments: &RetryArguments) -> Result<Exit> {
    let config = Config::load_with_slots(&arguments.deployment, arguments.wait.slots)?;
    with_deployment_of(config, async |deployment| {
        let queued = if arguments.files.is_empty() {
            let store = &deployment.store;
            store
                .retry_failed(&FailedFilter::default(), Requester::SHARED)
                .await?
        } else {
            retry_files(deployment, &arguments.files).await?
        };
        output::line(&format!("queued {queued}"))?;
        if arguments.wait.wait && !wait_until_idle(deployment, "`cadmill retry --wait`").await? {
            return Ok(Exit::Interrupted);
        }
        Ok(Exit::Ok)
    })
}

/// Queues the failed work of these files again, and returns how many rows it queued.
async fn retry_files(deployment: &Deployment, files: &[String]) -> Result<u64> {
    let mut queued = 0;
    for id_or_name in files {
        let cad_file_id = deployment.find(id_or_name).await?.id;
        let rows = deployment.store.rows(cad_file_id).await?;
        for (kind, _) in rows.iter().filter(|(_, row)| row.state == RowState::Failed) {
            let work = Work {
                cad_file_id,
                kind: *kind,
            };
            let requested = deployment.store.request(work, Request::ASKED).await?;
            queued += u64::from(requested == Some(Requested::Queued));
        }
    }
    Ok(queued)
}
