//! `cadmill generate-missing`: queues all missing media of a kind.

use anyhow::Result;
use cadmill_domain::{
    MediaKind, TaskKind,
    ledger::{Missing, MissingFilter, MissingRequest, WorkRequests as _},
};
use clap::{Args, ValueEnum};

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
#[command(after_help = "\
Work that is already queued or running is not queued again; it counts as in flight.")]
pub(crate) struct GenerateMissingArguments {
    /// Which media.
    kind: MissingKind,
    /// Only files whose name contains this.
    #[arg(long, value_name = "TEXT")]
    name_contains: Option<String>,
    /// Also queues failed work again.
    #[arg(long)]
    include_failed: bool,
    /// Only counts, and queues nothing.
    #[arg(long)]
    dry_run: bool,
    /// Prints one JSON object.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    wait: WaitArguments,
    #[command(flatten)]
    deployment: DeploymentArguments,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum MissingKind {
    /// The canonical scenes.
    CanonicalScenes,
    /// The USD masters, and the canonical scenes from which they are made.
    UsdMasters,
}

impl From<MissingKind> for TaskKind {
    fn from(kind: MissingKind) -> Self {
        Self::Make(match kind {
            MissingKind::CanonicalScenes => MediaKind::GltfGeometry,
            MissingKind::UsdMasters => MediaKind::UsdMaster,
        })
    }
}

pub(crate) fn run(arguments: &GenerateMissingArguments) -> Result<Exit> {
    let config = Config::load_with_slots(&arguments.deployment, arguments.wait.slots)?;
    with_deployment_of(config, async |deployment| {
        generate(arguments, deployment).await
    })
}

async fn generate(
    arguments: &GenerateMissingArguments,
    deployment: &mut Deployment,
) -> Result<Exit> {
    let request = MissingRequest {
        filter: MissingFilter {
            name_contains: arguments.name_contains.clone(),
            only: None,
        },
        include_failed: arguments.include_failed,
        dry_run: arguments.dry_run,
        ..MissingRequest::of(TaskKind::from(arguments.kind))
    };
    let missing = deployment.store.request_missing(&request).await?;
    print(&missing, arguments.json)?;
    if !arguments.wait.wait || arguments.dry_run {
        return Ok(Exit::Ok);
    }
    if !wait_until_idle(deployment, "`cadmill generate-missing --wait`").await? {
        return Ok(Exit::Interrupted);
    }
    let count = MissingRequest {
        include_failed: false,
        dry_run: true,
        ..request
    };
    let missing = deployment.store.request_missing(&count).await?;
    print(&missing, arguments.json)?;
    Ok(Exit::after(
        missing.present as usize,
        missing.failed as usize,
    ))
}

fn print(missing: &Missing, as_json: bool) -> Result<()> {
    if as_json {
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
