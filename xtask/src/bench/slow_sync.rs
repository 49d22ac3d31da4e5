//! A disk that takes longer to sync: a library in C that is loaded into each process.

use std::{
    ffi::OsString, fs, os::unix::fs::PermissionsExt as _, path::PathBuf, process::Command,
    time::Duration,
};

use anyhow::Result;
use tempfile::TempDir;

use crate::{process, workspace::Workspace};

/// By how much each sync takes longer.
const DELAY: Duration = Duration::from_millis(5);

/// The compiled library, removed when this is dropped.
#[derive(Debug)]
pub(super) struct SlowSync {
    folder: TempDir,
}

impl SlowSync {
    /// Compiles the library.
    pub(super) fn build(workspace: &Workspace) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        // PostgreSQL runs as another user.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755))?;
        let slow = Self { folder };
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-O2", "-Wall", "-Werror"]);
        compiler.arg("-o").arg(slow.library());
        compiler.arg(workspace.root.join("xtask/bench/slow_sync.c"));
        process::run(compiler.arg("-ldl"))?;
        Ok(slow)
    }

    /// What a process must have in its environment.
    pub(super) fn variables(&self) -> Vec<(String, OsString)> {
        self.variables_for(DELAY)
    }

    fn variables_for(&self, delay: Duration) -> Vec<(String, OsString)> {
        let delay_us = delay.as_micros().to_string();
        vec![
            ("LD_PRELOAD".to_owned(), self.library().into()),
            ("CADMILL_TEST_SYNC_DELAY_US".to_owned(), delay_us.into()),
        ]
    }

    fn library(&self) -> PathBuf {
        self.folder.path().join("slow_sync.so")
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    /// A program that syncs takes at least as long as its syncs are delayed.
    #[test]
    fn each_sync_takes_longer() {
        let slow = SlowSync::build(&Workspace::find().unwrap()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let page = folder.path().join("page");
        let delay = Duration::from_secs(1);
        for conversion in ["fsync", "fdatasync"] {
            let mut dd = Command::new("dd");
            dd.args(["if=/dev/zero", "bs=4096", "count=1", "status=none"]);
            dd.arg(format!("conv={conversion}"));
            dd.arg(format!("of={}", page.display()));
            let begun = Instant::now();
            process::output(dd.envs(slow.variables_for(delay))).unwrap();
            assert!(begun.elapsed() >= delay, "{conversion}");
        }
    }
}
