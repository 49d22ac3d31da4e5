//! The validators of the field, each in a folder of its own below `target/oracles`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};

use crate::{
    process,
    venv::{self, Venv},
    workspace::Workspace,
};

/// Installs the validators that are not there yet in the versions that are committed, and says
/// where they are.
pub(crate) fn ensure(workspace: &Workspace) -> Result<PathBuf> {
    let folder = workspace.target.join("oracles");
    fs::create_dir_all(&folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    let sources = workspace.root.join("crates/cadmill-acceptance/oracles");
    let python = venv::python_3_11()?;
    // The NVIDIA validator and Blender each bring a `pxr` of their own, so none shares a folder.
    for name in ["usd", "nvidia", "blender", "schemathesis"] {
        let requirements = sources.join(format!("requirements-{name}.txt"));
        Venv::ensure(&python, folder.join(name), &requirements)?;
    }
    ensure_gltf_validator(&sources.join("gltf"), &folder.join("gltf"))?;
    Ok(folder)
}

fn ensure_gltf_validator(source: &Path, folder: &Path) -> Result<()> {
    let files = ["package.json", "package-lock.json"];
    let texts: Vec<String> = files
        .iter()
        .map(|name| venv::read(&source.join(name)))
        .collect::<Result<_>>()?;
    let wanted = texts.concat();
    if venv::is_stamped(folder, &wanted) {
        return Ok(());
    }
    fs::create_dir_all(folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    for (name, text) in files.iter().zip(&texts) {
        fs::write(folder.join(name), text)
            .with_context(|| format!("{name} cannot be written to {}", folder.display()))?;
    }
    let quiet = ["ci", "--silent", "--no-audit", "--no-fund"];
    process::run(Command::new("npm").args(quiet).current_dir(folder))?;
    venv::stamp(folder, &wanted)
}
