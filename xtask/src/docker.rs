//! `cargo xtask docker`: whether `docker/` is right, as far as a machine without a container engine
//! can tell.

mod base;
mod buildah;
mod files;
mod images;

use std::{env, fs, path::PathBuf};

use anyhow::{Context, Result, ensure};
use clap::Args;

pub(crate) use self::files::{check as check_files, linters};
use self::{base::Base, buildah::Buildah};
use crate::{
    packages::{self, Consent},
    run,
    workspace::Workspace,
};

/// Checks the files below `docker/`, builds both images and runs them.
#[derive(Debug, Args)]
pub(crate) struct Docker {
    #[command(flatten)]
    consent: Consent,
    /// Builds the programs inside the image, too, which takes long; otherwise those are brought in
    /// that are built here.
    #[arg(long, conflicts_with = "programs")]
    whole: bool,
    /// Brings in the `cadmill` and `cadmill-tessellate` of this folder instead, built on Debian 12.
    #[arg(long, value_name = "DIR")]
    programs: Option<PathBuf>,
}

impl Docker {
    pub(crate) fn run(&self, workspace: &Workspace) -> Result<()> {
        let needs = [packages::PYTHON, packages::IMAGES];
        packages::ensure(needs.into_iter().flatten(), self.consent)?;
        files::check(workspace)?;
        ensure!(
            packages::is_root(),
            "the images are built in a chroot, for which one must be root"
        );
        let folder = workspace.target.join("docker");
        let buildah = Buildah::new(&folder)?;
        let debian = Base::new(workspace, &buildah).debian()?;
        let mut how = vec!["--build-arg".to_owned(), format!("DEBIAN={debian}")];
        if self.whole {
            let rust = Base::new(workspace, &buildah).rust(&debian)?;
            how.extend(["--build-arg".to_owned(), format!("RUST={rust}")]);
            if let Ok(jobs) = env::var("CARGO_BUILD_JOBS") {
                how.extend(["--build-arg".to_owned(), format!("JOBS={jobs}")]);
            }
        } else {
            let built = self.stand_in(workspace, &folder)?;
            how.extend(["--build-context".to_owned(), format!("build={built}")]);
        }
        images::check(workspace, &buildah, &how)
    }

    /// A folder that takes the place of the stage that builds: with the programs in `out`.
    fn stand_in(&self, workspace: &Workspace, folder: &std::path::Path) -> Result<String> {
        let built = folder.join("built");
        let out = built.join("out");
        fs::create_dir_all(&out).with_context(|| format!("{} cannot be made", out.display()))?;
        if self.programs.is_none() {
            run::build_release(workspace)?;
        }
        for name in ["cadmill", "cadmill-tessellate"] {
            let ours = || workspace.binary("release", name);
            let program = self.programs.as_ref().map_or_else(ours, |it| it.join(name));
            fs::copy(&program, out.join(name))
                .with_context(|| format!("{} cannot be copied", program.display()))?;
        }
        Ok(built.display().to_string())
    }
}
