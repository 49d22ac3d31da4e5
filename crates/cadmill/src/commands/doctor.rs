//! `cadmill doctor`: checks everything that a conversion needs.

mod deployment;
mod finding;
mod machine;
mod tessellator;

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

use crate::{
    exit::Exit,
    terminal::output,
    wiring::{
        config::{Config, DeploymentArguments},
        machine::runtime,
        tessellator::find,
    },
};

#[derive(Debug, Args)]
pub(crate) struct DoctorArguments {
    /// The output folder whose disk is checked.
    #[arg(short, long, value_name = "DIR", default_value = ".")]
    output: PathBuf,
    #[command(flatten)]
    deployment: DeploymentArguments,
}

/// Runs all checks; the exit code is 1 if one fails.
pub(crate) fn run(arguments: &DoctorArguments) -> Result<Exit> {
    let config = Config::load(&arguments.deployment)?;
    let findings = runtime()?.block_on(async {
        let tessellator = find();
        let mut findings = vec![
            tessellator::check_program(&tessellator).await,
            tessellator::check_conversion(&tessellator).await,
            tessellator::check_sandbox(&tessellator, config.require_sandbox).await,
            machine::check_memory(),
            machine::check_scratch(),
            machine::check_disk("output", &arguments.output),
        ];
        if config.data_dir.is_dir() {
            findings.push(machine::check_disk("data", &config.data_dir));
        }
        findings.extend(deployment::check(&config).await);
        findings
    });
    for finding in &findings {
        output::line(&finding.to_string())?;
    }
    let has_failed = findings.iter().any(|finding| finding.result.is_err());
    Ok(if has_failed { Exit::Failed } else { Exit::Ok })
}
