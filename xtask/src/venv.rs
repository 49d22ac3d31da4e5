//! Python environments with exactly the packages of a requirements file.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

use crate::process;

/// A Python environment in a folder of its own.
#[derive(Debug)]
pub(crate) struct Venv {
    folder: PathBuf,
}

impl Venv {
    /// Makes the environment at `folder`, unless it already holds just what `requirements` names.
    ///
    /// # Errors
    /// If `python` cannot make it, or a package cannot be installed.
    pub(crate) fn ensure(python: &Path, folder: PathBuf, requirements: &Path) -> Result<Self> {
        let version = process::output(Command::new(python).arg("--version"))?;
        let wanted = read(requirements)? + &version;
        let venv = Self { folder };
        if !is_stamped(&venv.folder, &wanted) {
            let create = ["-m", "venv", "--clear"];
            process::run(Command::new(python).args(create).arg(&venv.folder))?;
            let install = ["-m", "pip", "install", "--quiet", "--no-cache-dir"];
            let quiet = [
                "--disable-pip-version-check",
                "--only-binary",
                ":all:",
                "-r",
            ];
            let mut pip = Command::new(venv.python());
            process::run(pip.args(install).args(quiet).arg(requirements))?;
            stamp(&venv.folder, &wanted)?;
        }
        Ok(venv)
    }

    /// Its interpreter.
    pub(crate) fn python(&self) -> PathBuf {
        self.program("python")
    }

    /// A program of its packages.
    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.folder.join("bin").join(name)
    }
}

/// The interpreter that the committed versions were chosen for: Python 3.11, whatever it is called here.
///
/// # Errors
/// Says what is missing.
pub(crate) fn python_3_11() -> Result<PathBuf> {
    let is_3_11 = |python: &PathBuf| {
        let code = "import sys, venv, ensurepip; sys.exit(sys.version_info[:2] != (3, 11))";
        process::succeeds(Command::new(python).args(["-c", code]))
    };
    let found = ["python3", "python3.11"]
        .into_iter()
        .filter_map(process::on_path)
        .find(is_3_11);
    match found {
        Some(python) => Ok(python),
        None => bail!(
            "Python 3.11 with its venv module is needed, as some packages (Blender's module) have \
             wheels for no other; Debian 12 has it as python3, elsewhere install python3.11"
        ),
    }
}

/// Whether what lies in `folder` was made of `wanted`.
pub(crate) fn is_stamped(folder: &Path, wanted: &str) -> bool {
    fs::read_to_string(folder.join(STAMP)).is_ok_and(|made_of| made_of == wanted)
}

/// Notes that what lies in `folder` was made of `wanted`.
pub(crate) fn stamp(folder: &Path, wanted: &str) -> Result<()> {
    let file = folder.join(STAMP);
    fs::write(&file, wanted).with_context(|| format!("{} cannot be written", file.display()))
}

/// The text of `file`.
pub(crate) fn read(file: &Path) -> Result<String> {
    fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))
}

const STAMP: &str = "made-of.txt";
