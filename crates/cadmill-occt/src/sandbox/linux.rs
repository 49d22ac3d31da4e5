//! The sandbox of Linux: Landlock for files, seccomp for system calls.

use std::{
    env,
    path::{Path, PathBuf},
};

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, LandlockStatus, Ruleset, RulesetAttr as _,
    RulesetCreatedAttr as _, RulesetError, Scope, make_bitflags, path_beneath_rules,
};

use super::{Confinement, calls};

/// The newest version of Landlock whose restrictions are asked for. An older kernel applies those
/// that it knows.
const LANDLOCK: ABI = ABI::V6;
/// Variables that name a folder with resources of the kernel, or such a file.
const RESOURCES: &str = "CSF_";
/// The variable that names the folder of an installation of the kernel.
const INSTALLATION: &str = "CASROOT";

pub(super) fn enter(own: &Path) -> Confinement {
    let mut missing = Vec::new();
    match restrict_files(own) {
        Ok(LandlockStatus::Available { .. }) => {}
        Ok(LandlockStatus::NotEnabled) => {
            missing.push("Landlock: it is built into the kernel but not enabled (`lsm=`)".into());
        }
        Ok(LandlockStatus::NotImplemented) => {
            missing.push(
                "Landlock: it needs Linux 5.13 or newer, and a container that lets it through"
                    .into(),
            );
        }
        Err(error) => missing.push(format!("Landlock: {}", with_sources(&error))),
    }
    // Landlock's own system calls are not among those that are left.
    if let Err(error) = calls::restrict() {
        missing.push(format!("seccomp: {}", with_sources(&error)));
    }
    Confinement { missing }
}

/// Leaves the files in `own` and, for reading, the kernel's resources; no TCP, no signals and no
/// abstract sockets of other processes.
fn restrict_files(own: &Path) -> Result<LandlockStatus, RulesetError> {
    const OWN: BitFlags<AccessFs> = make_bitflags!(AccessFs::{
        ReadFile | ReadDir | WriteFile | MakeReg | RemoveFile | Truncate
    });
    const READ: BitFlags<AccessFs> = make_bitflags!(AccessFs::{ReadFile | ReadDir});
    let status = Ruleset::default()
        .handle_access(AccessFs::from_all(LANDLOCK))?
        .handle_access(AccessNet::from_all(LANDLOCK))?
        .scope(Scope::from_all(LANDLOCK))?
        .create()?
        .no_new_privs(true)
        .add_rules(path_beneath_rules([own], OWN))?
        .add_rules(path_beneath_rules(resources(), READ))?
        .restrict_self()?;
    Ok(status.landlock)
}

/// Where the kernel looks for resources that it reads when it first needs them.
fn resources() -> Vec<PathBuf> {
    let named = env::vars_os().filter(|(name, value)| {
        let is_known = name
            .to_str()
            .is_some_and(|name| name == INSTALLATION || name.starts_with(RESOURCES));
        is_known && Path::new(value).is_absolute()
    });
    named.map(|(_, value)| value.into()).collect()
}

fn with_sources(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}
