//! Stand-ins for the images that both of ours are built on, where no registry has them.

use std::{fs, path::Path, process::Command};

use anyhow::{Context, Result};

use super::buildah::Buildah;
use crate::{process, workspace::Workspace};

/// The release of Debian.
const RELEASE: &str = "bookworm";
/// Where packages come from in the image; `debian:bookworm-slim` has the same.
const SOURCES: &str = "\
deb http://deb.debian.org/debian bookworm main
deb http://deb.debian.org/debian bookworm-updates main
deb http://deb.debian.org/debian-security bookworm-security main
";

/// Makes the stand-ins.
#[derive(Debug)]
pub(super) struct Base<'a> {
    workspace: &'a Workspace,
    buildah: &'a Buildah,
}

impl<'a> Base<'a> {
    pub(super) fn new(workspace: &'a Workspace, buildah: &'a Buildah) -> Self {
        Self { workspace, buildah }
    }

    /// Debian, made by debootstrap once and then kept.
    pub(super) fn debian(&self) -> Result<String> {
        let folder = self.buildah.folder().join("debian");
        let root = folder.join("root");
        let archive = folder.join("debian.tar");
        if !archive.is_file() {
            remove(&folder)?;
            fs::create_dir_all(&folder)
                .with_context(|| format!("{} cannot be made", folder.display()))?;
            let variant = ["--variant=minbase", RELEASE];
            process::run(Command::new("debootstrap").args(variant).arg(&root))?;
            fs::write(root.join("etc/apt/sources.list"), SOURCES)
                .context("the sources of packages cannot be written")?;
            let unwanted = ["./dev/*", "./var/cache/apt/*", "./var/lib/apt/lists/*"];
            let mut pack = Command::new("tar");
            pack.args(unwanted.map(|path| format!("--exclude={path}")));
            // Under another name first, so that half an archive is not taken for one.
            let packing = folder.join("debian.tar.part");
            process::run(pack.arg("-C").arg(&root).arg("-cf").arg(&packing).arg("."))?;
            fs::rename(&packing, &archive).context("the archive cannot be renamed")?;
            remove(&root)?;
        }
        self.once("debian", "Dockerfile.debian", &folder, &[])
    }

    /// `debian` with the toolchain that this program was built with.
    pub(super) fn rust(&self, debian: &str) -> Result<String> {
        let sysroot = process::output(
            Command::new("rustc")
                .args(["--print", "sysroot"])
                .current_dir(&self.workspace.root),
        )?;
        let debian = format!("DEBIAN={debian}");
        let certificates = "certificates=/etc/ssl/certs";
        let how = ["--build-arg", &debian, "--build-context", certificates];
        let sysroot = Path::new(sysroot.trim());
        self.once("rust", "Dockerfile.rust", sysroot, &how)
    }

    /// An image that is built unless it is there.
    fn once(&self, name: &str, dockerfile: &str, context: &Path, how: &[&str]) -> Result<String> {
        if self.buildah.has(name) {
            return Ok(format!("localhost/cadmill-check/{name}"));
        }
        let dockerfile = self.workspace.root.join("xtask/docker").join(dockerfile);
        self.buildah.build(name, &dockerfile, context, how)
    }
}

fn remove(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder)
            .with_context(|| format!("{} cannot be removed", folder.display()))?;
    }
    Ok(())
}
