//! `cadmill generate-missing`: asks for every medium of a kind that is not there.

use anyhow::Result;
use cadmill_domain::{Ledger as _, MediaKind, Missing, MissingFilter, MissingRequest, TaskKind};

use crate::{
    cli::{MissingArguments, MissingKind},
    config::Config,
    deployment::Deployment,
    exit::Exit,
    machine, output, waiting,
};

impl From<MissingKind> for TaskKind {
    fn from(kind: MissingKind) -> Self {
        Self::Make(match kind {
            MissingKind::CanonicalScenes => MediaKind::GltfGeometry,
            MissingKind::UsdMasters => MediaKind::UsdMaster,
        })
    }
}

pub(crate) fn run(arguments: &MissingArguments) -> Result<Exit> {
    let config = Config::load(&arguments.deployment)?;
    let runtime = machine::runtime()?;
    runtime.block_on(generate(arguments, config))
}

async fn generate(arguments: &MissingArguments, config: Config) -> Result<Exit> {
    let mut deployment = Deployment::open(config).await?;
    let request = MissingRequest {
        filter: MissingFilter {
            name_contains: arguments.name_contains.clone(),
            only: None,
        },
        include_failed: arguments.include_failed,
        dry_run: arguments.dry_run,
        ..MissingRequest::of(TaskKind::from(arguments.what))
    };
    let missing = deployment.store.request_missing(&request).await?;
    tell(arguments, &missing)?;
    if !arguments.wait || arguments.dry_run {
        return Ok(Exit::Ok);
    }
    if !waiting::until_idle(&mut deployment, "`cadmill generate-missing --wait`").await? {
        return Ok(Exit::Interrupted);
    }
    let request = MissingRequest {
        include_failed: false,
        dry_run: true,
        ..request
    };
    let now = deployment.store.request_missing(&request).await?;
    tell(arguments, &now)?;
    Ok(Exit::after(now.present as usize, now.failed as usize))
}

fn tell(arguments: &MissingArguments, missing: &Missing) -> Result<()> {
    if arguments.json {
        return output::line(&serde_json::to_string(missing)?);
    }
    let Missing {
        queued,
        in_flight,
        present,
        failed,
    } = missing;
    output::line(&format!(
        "queued {queued}, in flight {in_flight}, present {present}, failed {failed}"
    ))
}
