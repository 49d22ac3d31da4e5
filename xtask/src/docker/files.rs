//! What can be said of the files below `docker/` without running them: schemas and lints.

use std::process::Command;

use anyhow::Result;

use crate::{
    process::run,
    venv::{self, Venv},
    workspace::Workspace,
};

/// The linters, in the versions that are committed.
pub(crate) fn linters(workspace: &Workspace) -> Result<Venv> {
    let requirements = workspace.root.join("xtask/docker/requirements.txt");
    let folder = workspace.target.join("linters");
    Venv::ensure(&venv::python_3_11()?, folder, &requirements)
}

/// Checks the compose file and the manifests against their schemas, and the Dockerfile by hadolint.
pub(crate) fn check(workspace: &Workspace) -> Result<()> {
    let linters = linters(workspace)?;
    let sources = workspace.root.join("xtask/docker");
    let docker = workspace.root.join("docker");
    let python = |script: &str| {
        let mut python = Command::new(linters.python());
        // `-B`: nothing is compiled into the sources' folder.
        python.arg("-B").arg(sources.join(script));
        python
    };
    run(python("test_deployment.py").arg("--quiet"))?;
    run(python("deployment.py").arg(&docker))?;
    let mut lint = Command::new(linters.program("hadolint"));
    lint.arg("--config").arg(docker.join("hadolint.yaml"));
    run(lint.arg(docker.join("Dockerfile")))
}
