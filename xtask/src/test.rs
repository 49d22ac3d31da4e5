//! `cargo xtask test`: the set-up, then every test.

use anyhow::Result;

use crate::{
    oracles,
    packages::{self, Consent},
    process::{cargo, run},
    servers::Servers,
    workspace::Workspace,
};

pub(crate) fn test(workspace: &Workspace, consent: Consent, filters: &[String]) -> Result<()> {
    let needs = [
        packages::BUILD,
        packages::PYTHON,
        packages::ORACLES,
        packages::SERVERS,
    ];
    packages::ensure(needs.into_iter().flatten(), consent)?;
    let oracles = oracles::ensure(workspace)?;
    // Programs and tests in one go: apart, cargo would choose other features and build twice.
    run(cargo(workspace).args(["build", "--workspace", "--bins", "--tests"]))?;
    let servers = Servers::start_with_s3(workspace)?;
    let mut test = cargo(workspace);
    test.args(["test", "--workspace"])
        .env("CADMILL_BIN", workspace.binary("debug", "cadmill"))
        .env(
            "CADMILL_TESSELLATOR",
            workspace.binary("debug", "cadmill-tessellate"),
        )
        .env("CADMILL_ORACLES", oracles)
        .envs(servers.variables());
    if !filters.is_empty() {
        test.arg("--").args(filters);
    }
    run(&mut test)?;
    drop(servers);
    build_fuzz_targets(workspace)
}

/// Builds the fuzz targets, so that they cannot rot; running them is for a person with time.
fn build_fuzz_targets(workspace: &Workspace) -> Result<()> {
    let manifest = workspace.root.join("crates/cadmill-step/fuzz/Cargo.toml");
    run(cargo(workspace)
        .args(["build", "--locked", "--manifest-path"])
        .arg(manifest)
        .arg("--target-dir")
        .arg(workspace.target.join("fuzz")))
}
