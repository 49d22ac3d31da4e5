//! `cadmill adopt`: assigns the blobs to this database.

use anyhow::{Result, bail};
use clap::Args;

use crate::{
    exit::{Exit, Failed},
    terminal::{output, text::counted},
    wiring::{
        config::{Config, DeploymentArguments},
        deployment::{self, Deployment, with_deployment_of},
    },
};

#[derive(Debug, Args)]
#[command(after_help = "\
A database and its blobs have the same mark. After a restore, or if a copy of a database gets its
own blobs, stop all processes and run this once. From then on, these blobs refuse other copies of
the database.")]
pub(crate) struct AdoptArguments {
    #[command(flatten)]
    deployment: DeploymentArguments,
}

pub(crate) fn run(arguments: &AdoptArguments) -> Result<Exit> {
    let config = Config::load(&arguments.deployment)?;
    deployment::require_database(&config)?;
    with_deployment_of(config, adopt)
}

async fn adopt(deployment: &mut Deployment) -> Result<Exit> {
    // No server may use the blobs meanwhile.
    if deployment.config.is_embedded() && !deployment.try_to_work("`cadmill adopt`") {
        bail!(Failed(
            "the data folder is in use; stop the server first".to_owned()
        ));
    }
    let owner = deployment.store.adopt_blobs(&deployment.blobs).await?;
    output::line(&format!(
        "The blobs belong to this database now: deployment {}, generation {}.",
        owner.id, owner.generation
    ))?;
    let (blobs, unused) = deployment.blobs.count_unused(&*deployment.store).await?;
    if unused > 0 {
        output::line(&format!(
            "{unused} of {} belong to no file or medium of this database. If they should, the \
             database is too old. Only `cadmill gc --yes` removes them.",
            counted(blobs, "blob")
        ))?;
    }
    output::line("`cadmill verify` reports missing blobs.")?;
    Ok(Exit::Ok)
}
