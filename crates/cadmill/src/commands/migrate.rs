//! `cadmill migrate`: migrates the database.

use anyhow::Result;
use clap::Args;

use crate::{
    exit::Exit,
    terminal::output,
    wiring::{
        config::{Config, DeploymentArguments},
        deployment, machine,
    },
};

#[derive(Debug, Args)]
pub(crate) struct MigrateArguments {
    #[command(flatten)]
    deployment: DeploymentArguments,
}

pub(crate) fn run(arguments: &MigrateArguments) -> Result<Exit> {
    let config = Config::load(&arguments.deployment)?;
    machine::runtime()?.block_on(deployment::migrate(&config))?;
    output::line("The tables are those of this version.")?;
    Ok(Exit::Ok)
}
