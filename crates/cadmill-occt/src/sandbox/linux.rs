//! The Linux sandbox: Landlock for files, seccomp for system calls.

use std::{
    env,
    path::{Path, PathBuf},
};

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, LandlockStatus, Ruleset, RulesetAttr as _,
    RulesetCreatedAttr as _, RulesetError, Scope, make_bitflags, path_beneath_rules,
};

use super::{Confinement, calls};

/// The latest Landlock version whose restrictions are requested. Older kernels apply those that
/// they support.
const LANDLOCK: ABI = ABI::V6;
/// The prefix of variables that name a resource file or folder of the geometry kernel.
const RESOURCES: &str = "CSF_";
/// The variable that names the installation folder of the geometry kernel.
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
                "Landlock: it needs Linux 5.13 or later, and a container that allows it".into(),
            );
        }
        Err(error) => missing.push(format!("Landlock: {}", with_sources(&error))),
    }
    // After Landlock, because its system calls are not allowed.
    if let Err(error) = calls::restrict() {
        missing.push(format!("seccomp: {}", with_sources(&error)));
    }
    Confinement { missing }
}

/// Restricts file access to `own` and read access to the kernel's resources. Denies TCP, and
/// signals and abstract sockets to other processes.
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

/// Returns the folders from which the geometry kernel loads resources on demand.
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
