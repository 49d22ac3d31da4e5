//! The programs that are measured, all with a deflection of 0.1 mm and 0.5 rad.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};

use super::fresh;
use crate::{process, venv::Venv, workspace::Workspace};

const LINEAR_MM: &str = "0.1";
const ANGULAR_RAD: &str = "0.5";
const ANGULAR_DEG: &str = "28.64788975654116";

/// What is needed to run each of them.
#[derive(Debug)]
pub(crate) struct Peers {
    python: PathBuf,
    scripts: PathBuf,
    cadmill: PathBuf,
    output: PathBuf,
}

impl Peers {
    /// Installs the peers below `folder`; the release build of `cadmill` must be there.
    pub(crate) fn ensure(workspace: &Workspace, folder: &Path) -> Result<Self> {
        let scripts = workspace.root.join("xtask/bench");
        let python = process::on_path("python3").context("there is no python3 on PATH")?;
        let requirements = scripts.join("requirements.txt");
        let venv = Venv::ensure(&python, folder.join("venv"), &requirements)?;
        Ok(Self {
            python: venv.python(),
            scripts,
            cadmill: workspace.binary("release", "cadmill"),
            output: folder.join("media"),
        })
    }

    /// Ours: GLB and USD of `input`, a file or a folder.
    pub(crate) fn cadmill(&self, input: &Path, jobs: &str) -> Result<Command> {
        let mut command = Command::new(&self.cadmill);
        command.arg("convert").arg(input).args(["--jobs", jobs]);
        command.args(["--kinds", "glb,usd"]);
        command.args(["--linear-deflection-mm", LINEAR_MM]);
        command.args(["--angular-deflection-deg", ANGULAR_DEG]);
        command.arg("-o").arg(self.fresh("cadmill")?);
        Ok(command)
    }

    /// `cascadio`: the GLB of one file.
    pub(crate) fn cascadio(&self, input: &Path) -> Result<Command> {
        let target = self.fresh("cascadio")?.join("out.glb");
        Ok(self.script("cascadio_glb.py", input, &target))
    }

    /// The old way: two processes per file, for GLB and USD. `worker` tells those apart that run at
    /// the same time.
    pub(crate) fn old_way(&self, input: &Path, worker: usize) -> Result<[Command; 2]> {
        let folder = self.fresh(&format!("old-way-{worker}"))?;
        Ok([
            self.script("step_to_glb.py", input, &folder.join("out.glb")),
            self.script("step_to_usd.py", input, &folder.join("out.usdc")),
        ])
    }

    fn script(&self, name: &str, input: &Path, target: &Path) -> Command {
        let mut command = Command::new(&self.python);
        let script = self.scripts.join(name);
        let files: [&OsStr; 4] = [
            "-B".as_ref(),
            script.as_ref(),
            input.as_ref(),
            target.as_ref(),
        ];
        command.args(files).args([LINEAR_MM, ANGULAR_RAD]);
        command
    }

    /// An empty folder for outputs.
    fn fresh(&self, name: &str) -> Result<PathBuf> {
        fresh(&self.output.join(name))
    }
}
