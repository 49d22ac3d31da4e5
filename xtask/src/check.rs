//! `cargo xtask check`: all that can be said of the sources without running them.

use std::{path::PathBuf, process::Command};

use anyhow::{Result, bail};

use crate::{
    arrows, book, docker, house, packages,
    packages::Consent,
    process::{cargo, output, run},
    workspace::Workspace,
};

/// The release of cargo-deny that reads `.cargo/deny.toml`.
const CARGO_DENY: &str = "0.20.2";

pub(crate) fn check(workspace: &Workspace, consent: Consent) -> Result<()> {
    packages::ensure(
        [packages::BUILD, packages::PYTHON].into_iter().flatten(),
        consent,
    )?;
    check_sources(workspace)?;
    docker::check_files(workspace)?;
    book::check(workspace)?;
    run(cargo(workspace).args(["fmt", "--all", "--check"]))?;
    let everything = ["--workspace", "--all-targets", "--all-features", "--locked"];
    run(cargo(workspace)
        .arg("clippy")
        .args(everything)
        .args(["--", "-D", "warnings"]))?;
    run(cargo(workspace)
        .args([
            "doc",
            "--workspace",
            "--no-deps",
            "--all-features",
            "--locked",
        ])
        .env("RUSTDOCFLAGS", "-D warnings"))?;
    let mut deny = Command::new(cargo_deny(workspace)?);
    deny.args(["--workspace", "--locked", "check", "--hide-inclusion-graph"]);
    deny.args(["bans", "licenses", "sources"]);
    run(deny.current_dir(&workspace.root))
}

/// Crate arrows and house rules.
fn check_sources(workspace: &Workspace) -> Result<()> {
    let arrows = arrows::forbidden(&workspace.metadata);
    let arrows = arrows.iter().map(ToString::to_string);
    let broken: Vec<String> = arrows.chain(house::broken(workspace)?).collect();
    if !broken.is_empty() {
        bail!("the house rules are broken:\n  {}", broken.join("\n  "));
    }
    Ok(())
}

/// The program, built where it is not there yet.
fn cargo_deny(workspace: &Workspace) -> Result<PathBuf> {
    let tools = workspace.target.join("tools");
    let program = tools.join("bin/cargo-deny");
    let is_there = || {
        output(Command::new(&program).arg("--version"))
            .is_ok_and(|version| version.trim().ends_with(CARGO_DENY))
    };
    if !program.is_file() || !is_there() {
        // A debug build is made in half the time, and is fast enough to read a lock file. Without a
        // target folder cargo builds it in a temporary one, which saves 700 MB here.
        run(cargo(workspace)
            .args(["install", "cargo-deny", "--locked", "--debug", "--force"])
            .args(["--version", CARGO_DENY, "--root"])
            .arg(&tools)
            .env_remove("CARGO_TARGET_DIR"))?;
    }
    Ok(program)
}
