//! `cadmill retry`: asks again for what has failed.

use anyhow::Result;
use cadmill_domain::{FailedFilter, Ledger as _, Request, Requested, Requester, RowState, Work};

use crate::{
    cli::RetryArguments, config::Config, deployment::Deployment, exit::Exit, machine, output,
    waiting,
};

pub(crate) fn run(arguments: &RetryArguments) -> Result<Exit> {
    let config = Config::load(&arguments.deployment)?;
    let runtime = machine::runtime()?;
    runtime.block_on(async {
        let mut deployment = Deployment::open(config).await?;
        let queued = if arguments.files.is_empty() {
            deployment
                .store
                .retry_failed(&FailedFilter::default(), Requester::SHARED)
                .await?
        } else {
            retry(&deployment, &arguments.files).await?
        };
        output::line(&format!("queued {queued}"))?;
        if arguments.wait && !waiting::until_idle(&mut deployment, "`cadmill retry --wait`").await?
        {
            return Ok(Exit::Interrupted);
        }
        Ok(Exit::Ok)
    })
}

/// Asks again for what has failed of these files; how much is in the queue now.
async fn retry(deployment: &Deployment, files: &[String]) -> Result<u64> {
    let mut queued = 0;
    for called in files {
        let cad_file_id = deployment.find(called).await?.id;
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
