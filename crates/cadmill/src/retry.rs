//! `cadmill retry`: asks again for what has failed.

use anyhow::Result;
use cadmill_domain::{Ledger as _, Request, Requested, RowState, TaskPayload};

use crate::{
    cli::RetryArguments, config::Config, deployment::Deployment, exit::Exit, machine, output,
    waiting,
};

/// How many failures are looked at at once.
const PAGE: usize = 500;

pub(crate) fn run(arguments: &RetryArguments) -> Result<Exit> {
    let config = Config::load(&arguments.deployment)?;
    let runtime = machine::runtime()?;
    runtime.block_on(async {
        let mut deployment = Deployment::open(config).await?;
        let mut queued = 0;
        for work in failed(&deployment, &arguments.files).await? {
            let requested = deployment.store.request(work, Request::ASKED).await?;
            queued += u64::from(requested == Some(Requested::Queued));
        }
        output::line(&format!("queued {queued}"))?;
        if arguments.wait && !waiting::until_idle(&mut deployment, "`cadmill retry --wait`").await?
        {
            return Ok(Exit::Interrupted);
        }
        Ok(Exit::Ok)
    })
}

/// What has failed of these files, or of all.
async fn failed(deployment: &Deployment, files: &[String]) -> Result<Vec<TaskPayload>> {
    let mut failed = Vec::new();
    for called in files {
        let cad_file_id = deployment.find(called).await?.id;
        let rows = deployment.store.rows(cad_file_id).await?;
        let rows = rows
            .into_iter()
            .filter(|(_, row)| row.state == RowState::Failed);
        failed.extend(rows.map(|(kind, _)| TaskPayload { cad_file_id, kind }));
    }
    if !files.is_empty() {
        return Ok(failed);
    }
    loop {
        let page = deployment.store.failures(failed.last().copied(), PAGE);
        let page = page.await?;
        if page.is_empty() {
            return Ok(failed);
        }
        failed.extend(page.into_iter().map(|(work, _)| work));
    }
}
