//! `cadmill gc`: removes unreferenced blobs.

use anyhow::Result;
use cadmill_store::{MaintenanceKind, Sweep};
use clap::Args;

use crate::{
    exit::{Exit, Failed},
    terminal::{output, text::counted},
    wiring::{
        config::DeploymentArguments,
        deployment::with_deployment,
        maintenance::{MIN_AGE_HOURS, SweepRequest, needs_confirmation, request::request},
    },
};

#[derive(Debug, Args)]
pub(crate) struct GcArguments {
    /// Also removes blobs that no deletion and no new revision released if they are more than 100
    /// and more than a tenth of all.
    #[arg(long)]
    yes: bool,
    /// Prints one JSON object.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    deployment: DeploymentArguments,
}

pub(crate) fn run(arguments: &GcArguments) -> Result<Exit> {
    with_deployment(&arguments.deployment, async |deployment| {
        let options = SweepRequest {
            is_confirmed: arguments.yes,
        };
        let answer = request(deployment, MaintenanceKind::Gc, &options, "`cadmill gc`").await?;
        let Some(answer) = answer else {
            return Ok(Exit::Interrupted);
        };
        let swept: Sweep = serde_json::from_value(answer)?;
        if arguments.json {
            output::line(&serde_json::to_string(&swept)?)?;
        } else if swept.unconfirmed == 0 {
            output::line(&format!(
                "removed {} of {}; unreferenced ones are kept for {MIN_AGE_HOURS} hours",
                swept.removed,
                counted(swept.seen, "blob")
            ))?;
        }
        if swept.unconfirmed > 0 {
            return Err(Failed(needs_confirmation(&swept)).into());
        }
        Ok(Exit::Ok)
    })
}
