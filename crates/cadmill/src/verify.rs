//! `cadmill verify`: compares all stored blobs with their hashes.

use anyhow::Result;
use cadmill_pipeline::{Fault, Verified};
use cadmill_store::MaintenanceKind;

use crate::{
    cli::VerifyArguments as CliArguments, config::Config, deployment::Deployment, exit::Exit, gc,
    machine, maintenance::VerifyArguments, output, quantity,
};

pub(crate) fn run(arguments: &CliArguments) -> Result<Exit> {
    let config = Config::load(&arguments.deployment)?;
    let runtime = machine::runtime()?;
    runtime.block_on(async {
        let mut deployment = Deployment::open(config).await?;
        let how = VerifyArguments {
            repairs: arguments.repair,
        };
        let kind = MaintenanceKind::Verify;
        let Some(answer) = gc::ask(&mut deployment, kind, &how, "`cadmill verify`").await? else {
            return Ok(Exit::Interrupted);
        };
        let verified: Verified = serde_json::from_value(answer)?;
        report(arguments, &verified)?;
        let is_mended = arguments.repair && verified.sources == 0 && verified.unreadable == 0;
        if verified.is_whole() || is_mended {
            Ok(Exit::Ok)
        } else {
            Ok(Exit::Failed)
        }
    })
}

fn report(arguments: &CliArguments, verified: &Verified) -> Result<()> {
    if arguments.json {
        return output::line(&serde_json::to_string(verified)?);
    }
    for finding in &verified.findings {
        let what = match finding.fault {
            Fault::Missing => "missing",
            Fault::Damaged => "damaged",
            Fault::Unreadable => "cannot be read",
        };
        output::line(&format!("{}: {what}", finding.sha256))?;
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
        output::counted(*blobs, "blob"),
        quantity::in_words(*bytes),
    ))?;
    if arguments.repair {
        output::line(&format!(
            "media made again {media}, files without their source {sources}, sources found again {found}"
        ))?;
    } else if missing + damaged > 0 {
        output::line(
            "`cadmill verify --repair` lets lost media be made again, and marks files whose source is \
             lost.",
        )?;
    }
    if *unreadable > 0 {
        output::line(
            "Check the disk and the permissions of what cannot be read; the log of the process that \
             verified says why.",
        )?;
    }
    if *sources > 0 {
        output::line("Upload the files without their source again; `cadmill status` lists them.")?;
    }
    Ok(())
}
