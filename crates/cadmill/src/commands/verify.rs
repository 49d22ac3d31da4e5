//! `cadmill verify`: compares all stored blobs with their hashes.

use anyhow::Result;
use cadmill_pipeline::{Fault, Verified};
use cadmill_store::MaintenanceKind;
use clap::Args;

use crate::{
    exit::Exit,
    quantity,
    terminal::{output, text::counted},
    wiring::{
        config::DeploymentArguments,
        deployment::with_deployment,
        maintenance::{VerifyRequest, request::request},
    },
};

#[derive(Debug, Args)]
#[command(after_help = "\
All blobs of files and media are read. The exit code is 1 if one is missing or damaged; with
--repair, if the source of a file is lost or a blob cannot be read.")]
pub(crate) struct VerifyArguments {
    /// Queues media with missing or damaged bytes again, and marks files with a lost source.
    #[arg(long)]
    repair: bool,
    /// Prints one JSON object.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    deployment: DeploymentArguments,
}

pub(crate) fn run(arguments: &VerifyArguments) -> Result<Exit> {
    with_deployment(&arguments.deployment, async |deployment| {
        let options = VerifyRequest {
            repairs: arguments.repair,
        };
        let kind = MaintenanceKind::Verify;
        let answer = request(deployment, kind, &options, "`cadmill verify`").await?;
        let Some(answer) = answer else {
            return Ok(Exit::Interrupted);
        };
        let verified: Verified = serde_json::from_value(answer)?;
        if arguments.json {
            output::line(&serde_json::to_string(&verified)?)?;
        } else {
            report(&verified, arguments.repair)?;
        }
        let is_repaired = arguments.repair && verified.sources == 0 && verified.unreadable == 0;
        if verified.is_whole() || is_repaired {
            Ok(Exit::Ok)
        } else {
            Ok(Exit::Failed)
        }
    })
}

fn report(verified: &Verified, repair: bool) -> Result<()> {
    for finding in &verified.findings {
        let fault = match finding.fault {
            Fault::Missing => "missing",
            Fault::Damaged => "damaged",
            Fault::Unreadable => "unreadable",
        };
        output::line(&format!("{}: {fault}", finding.sha256))?;
    }
    let Verified {
        blobs,
        bytes,
        missing,
        damaged,
        unreadable,
        media,
        sources,
        found,
        ..
    } = verified;
    output::line(&format!(
        "{} ({}): missing {missing}, damaged {damaged}, unreadable {unreadable}",
        counted(*blobs, "blob"),
        quantity::format_bytes(*bytes),
    ))?;
    if repair {
        output::line(&format!(
            "media queued again {media}, files with a lost source {sources}, sources found again \
             {found}"
        ))?;
    } else if missing + damaged > 0 {
        output::line(
            "`cadmill verify --repair` queues lost media again, and marks files with a lost source.",
        )?;
    }
    if *unreadable > 0 {
        output::line(
            "Check the disk and the permissions of unreadable blobs; the log of the process that \
             verified them has the reason.",
        )?;
    }
    if *sources > 0 {
        output::line("Upload the files with a lost source again; `cadmill status` lists them.")?;
    }
    Ok(())
}
