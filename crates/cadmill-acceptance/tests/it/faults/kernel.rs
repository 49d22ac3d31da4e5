//! The tessellator as the tests start it: it tells which bytes it is run on, notices a second one
//! on the same bytes, and waits at a gate while there is one.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use crate::program::given;

/// Runs the real tessellator. A lock on a file goes with the process that holds it, however it
/// ends; the naps at the gate do not hold it.
const SCRIPT: &str = r#"#!/bin/sh
here='HERE'
real='REAL'
case $1 in --version | check-sandbox) exec "$real" "$@" ;; esac
hash=none before=
for argument; do
    [ "$before" = --source-hash ] && hash=$argument
    before=$argument
done
echo "$hash" >>"$here/runs"
exec 9>"$here/at-$hash"
flock -n 9 || echo "$hash" >>"$here/overlaps"
while [ -e "$here/gate" ]; do sleep 0.05 9>&-; done
exec "$real" "$@"
"#;

/// A tessellator that is watched.
#[derive(Debug)]
pub(crate) struct Kernel {
    folder: PathBuf,
}

impl Kernel {
    pub(crate) fn new(folder: PathBuf) -> Self {
        fs::create_dir(&folder).unwrap();
        let real = given("CADMILL_TESSELLATOR");
        let script = SCRIPT
            .replace("HERE", folder.to_str().unwrap())
            .replace("REAL", real.to_str().unwrap());
        let kernel = Self { folder };
        fs::write(kernel.program(), script).unwrap();
        fs::set_permissions(kernel.program(), Permissions::from_mode(0o755)).unwrap();
        kernel
    }

    /// What to start.
    pub(crate) fn program(&self) -> PathBuf {
        self.folder.join("tessellate")
    }

    /// Lets every run wait from now on.
    pub(crate) fn close_gate(&self) {
        fs::write(self.folder.join("gate"), "").unwrap();
    }

    /// Lets all of them go on.
    pub(crate) fn open_gate(&self) {
        fs::remove_file(self.folder.join("gate")).unwrap();
    }

    /// The hash of the bytes of each run so far, in order.
    pub(crate) fn runs(&self) -> Vec<String> {
        self.lines("runs")
    }

    /// The runs that began while another was on the same bytes.
    pub(super) fn overlaps(&self) -> Vec<String> {
        self.lines("overlaps")
    }

    fn lines(&self, name: &str) -> Vec<String> {
        let text = fs::read_to_string(self.folder.join(name)).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }
}

/// How many tessellators work in `folder`, waiting ones too.
pub(super) fn tessellators_in(folder: &Path) -> usize {
    let folder = folder.to_str().unwrap();
    let processes = fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let commands = processes.filter_map(|process| fs::read(process.path().join("cmdline")).ok());
    let is_one = |command: &Vec<u8>| {
        let command = String::from_utf8_lossy(command);
        command.contains("\0--source-hash\0") && command.contains(folder)
    };
    commands.filter(is_one).count()
}
