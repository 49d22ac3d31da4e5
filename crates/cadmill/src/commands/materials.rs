//! `cadmill materials`: shows or replaces the materials of a file.

use std::path::PathBuf;

use anyhow::Result;
use cadmill_domain::CadFiles as _;
use cadmill_domain::cad_file::FileChange;
use clap::Subcommand;

use crate::{
    exit::{Exit, Failed},
    material_maps::{self, GivenMaps},
    terminal::output,
    wiring::{
        config::DeploymentArguments,
        deployment::{Deployment, with_deployment},
    },
};

#[derive(Debug, Subcommand)]
pub(crate) enum MaterialsCommand {
    /// Replaces the materials of a file. The media that show them are made again, without
    /// tessellation.
    Set {
        /// The id or the name of the file.
        #[arg(value_name = "ID")]
        file: String,
        /// A JSON document with `part_materials`, `manual_overrides` or both, which replace those
        /// of the file; or one map from parts to materials, which replaces the overrides.
        #[arg(value_name = "MAP.json")]
        map: PathBuf,
        #[command(flatten)]
        deployment: DeploymentArguments,
    },
    /// Prints the materials of a file as such a document.
    Show {
        /// The id or the name of the file.
        #[arg(value_name = "ID")]
        file: String,
        #[command(flatten)]
        deployment: DeploymentArguments,
    },
}

pub(crate) fn run(command: &MaterialsCommand) -> Result<Exit> {
    match command {
        MaterialsCommand::Set {
            file,
            map,
            deployment,
        } => {
            let maps = material_maps::read_given(map)?;
            with_deployment(deployment, async |deployment| {
                set(deployment, file, maps).await
            })
        }
        MaterialsCommand::Show { file, deployment } => {
            with_deployment(deployment, async |deployment| {
                let file = deployment.find(file).await?;
                output::line(&serde_json::to_string_pretty(&file.materials)?)?;
                Ok(Exit::Ok)
            })
        }
    }
}

async fn set(deployment: &Deployment, id_or_name: &str, maps: GivenMaps) -> Result<Exit> {
    let mut file = deployment.find(id_or_name).await?;
    let store = &deployment.store;
    let removed = || Failed(format!("the CAD file `{id_or_name}` was removed meanwhile"));
    if let Some(map) = maps.part_materials {
        let saved = store
            .change(file.id, FileChange::PartMaterials(map), None)
            .await?;
        file = saved.saved().ok_or_else(removed)?;
    }
    if let Some(map) = maps.manual_overrides {
        let saved = store
            .change(file.id, FileChange::ManualOverrides(map), None)
            .await?;
        file = saved.saved().ok_or_else(removed)?;
    }
    output::line(&format!("{} changed {}", file.id, file.updated_at))?;
    Ok(Exit::Ok)
}
