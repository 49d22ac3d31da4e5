//! `process_step_file`: hashes the file again and reads header, units and product structure.

use cadmill_domain::{Failure, FailureCode, ledger::TaskOutput};
use cadmill_step::inspect_path;
use tokio::task::spawn_blocking;

use super::{Made, input};
use crate::{
    convert::{join, refuse_what_cannot_be_laid_out},
    runner::Job,
    scratch,
};

pub(super) async fn run(job: &Job<'_>) -> Result<Made, Failure> {
    job.meter.enter("read");
    let folder = scratch::private_folder(&job.runner.settings.scratch)?;
    let source = job.file.source;
    let path = input::fetch(job, &source, folder.path()).await?;
    let found = join(spawn_blocking(move || Ok(inspect_path(&path)?)).await)?;
    if found.hash != source.sha256 {
        let detail = format!("Its bytes do not have the hash {}.", source.sha256);
        let failure = Failure::new(FailureCode::BlobDamaged, detail);
        return Err(input::lost(job, &source, failure).await);
    }
    refuse_what_cannot_be_laid_out(&found.counts)?;
    Ok(TaskOutput::Step(Box::new(found.into())).into())
}
