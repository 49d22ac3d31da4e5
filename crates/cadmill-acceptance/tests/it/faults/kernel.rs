//! The tessellator as the tests start it: it tells which bytes it is run on, notices a second one
//! on the same bytes, and waits at a gate while there is one.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
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
if [ -e "$here/poison-$hash" ]; then
    while [ "$(wc -l <"$here/runs")" -lt "$(cat "$here/poison-$hash")" ]; do sleep 0.05; done
    kill -9 $PPID
fi
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

    /// Lets each run on the bytes with this hash kill its worker, once there were so many runs in all.
    pub(super) fn poison(&self, hash: &str, runs: usize) {
        let path = self.folder.join(format!("poison-{hash}"));
        fs::write(path, runs.to_string()).unwrap();
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
    processes_in(folder).len()
}

/// Kills all tessellators that work in `folder`, as a system does that runs out of memory.
pub(super) fn kill_tessellators_in(folder: &Path) {
    for process in processes_in(folder) {
        // It may have ended by now.
        let _ = kill(process, Signal::SIGKILL);
    }
}

fn processes_in(folder: &Path) -> Vec<Pid> {
    let folder = folder.to_str().unwrap();
    let is_one = |process: &Path| {
        let command = fs::read(process.join("cmdline")).unwrap_or_default();
        let command = String::from_utf8_lossy(&command);
        command.contains("\0--source-hash\0") && command.contains(folder)
    };
    let entries = fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let processes = entries
        .map(|entry| entry.path())
        .filter(|path| is_one(path));
    let ids = processes.filter_map(|path| path.file_name()?.to_str()?.parse().ok());
    ids.map(Pid::from_raw).collect()
}
