//! buildah without a daemon, a registry or a kernel's help: in a chroot, with plain folders.

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};

use crate::process;

/// buildah with everything that it keeps below one folder.
#[derive(Debug)]
pub(super) struct Buildah {
    folder: PathBuf,
}

/// A container of an image, which is gone when this is dropped.
#[derive(Debug)]
pub(super) struct Container<'a> {
    buildah: &'a Buildah,
    name: String,
}

impl Buildah {
    pub(super) fn new(folder: &Path) -> Result<Self> {
        let scratch = folder.join("tmp");
        fs::create_dir_all(&scratch)
            .with_context(|| format!("{} cannot be made", scratch.display()))?;
        let folder = folder.to_owned();
        Ok(Self { folder })
    }

    /// Where it keeps everything.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Builds an image of `dockerfile` and says what it is called.
    pub(super) fn build(
        &self,
        name: &str,
        dockerfile: &Path,
        context: &Path,
        how: &[impl AsRef<OsStr>],
    ) -> Result<String> {
        let tag = format!("localhost/cadmill-check/{name}");
        let mut build = self.command("bud");
        // The format of OCI has no health check.
        build.args([
            "--isolation",
            "chroot",
            "--format",
            "docker",
            "--pull-never",
        ]);
        build.args(["--tag", &tag, "--file"]).arg(dockerfile);
        process::run(build.args(how).arg(context))?;
        Ok(tag)
    }

    /// Whether there is an image of this name.
    pub(super) fn has(&self, name: &str) -> bool {
        let tag = format!("localhost/cadmill-check/{name}");
        process::succeeds(self.command("inspect").args(["--type", "image", &tag]))
    }

    /// A field of an image, by a template.
    pub(super) fn inspect(&self, image: &str, template: &str) -> Result<String> {
        let mut inspect = self.command("inspect");
        inspect.args(["--type", "image", "--format", template, image]);
        Ok(process::output(&mut inspect)?.trim().to_owned())
    }

    /// A new container of an image.
    pub(super) fn container(&self, image: &str) -> Result<Container<'_>> {
        let mut from = self.command("from");
        let name = process::output(from.args(["--pull-never", image]))?;
        let name = name.trim().to_owned();
        Ok(Container {
            buildah: self,
            name,
        })
    }

    /// Removes images that have lost their names to newer ones.
    pub(super) fn prune(&self) -> Result<()> {
        process::output(self.command("rmi").args(["--prune", "--force"])).map(drop)
    }

    fn command(&self, subcommand: &str) -> Command {
        let mut command = Command::new("buildah");
        command.arg("--root").arg(self.folder.join("storage"));
        command.arg("--runroot").arg(self.folder.join("running"));
        command.args(["--storage-driver", "vfs", subcommand]);
        // Its caches lie there, too.
        command.env("TMPDIR", self.folder.join("tmp"));
        command
    }
}

impl Container<'_> {
    /// Copies `file` into the folder of the image, readable for everybody.
    pub(super) fn bring(&self, file: &Path, folder: &str) -> Result<()> {
        let mut copy = self.buildah.command("copy");
        copy.args(["--chmod", "644", &self.name]);
        process::output(copy.arg(file).arg(folder)).map(drop)
    }

    /// What a command prints that the image's user runs.
    ///
    /// # Errors
    /// If it does not exit with 0.
    pub(super) fn output(&self, command: &[&str]) -> Result<String> {
        eprintln!("$ {}", command.join(" "));
        process::output(&mut self.command(command))
    }

    /// Checks that a command prints `expected`.
    pub(super) fn prints(&self, command: &[&str], expected: &str) -> Result<()> {
        let printed = self.output(command)?;
        ensure!(
            printed.contains(expected),
            "`{}` printed `{}`, not `{expected}`",
            command.join(" "),
            printed.trim()
        );
        Ok(())
    }

    fn command(&self, command: &[&str]) -> Command {
        let mut run = self.buildah.command("run");
        run.args(["--isolation", "chroot", &self.name, "--"]);
        run.args(command);
        run
    }
}

impl Drop for Container<'_> {
    fn drop(&mut self) {
        process::succeeds(self.buildah.command("rm").arg(&self.name));
    }
}
