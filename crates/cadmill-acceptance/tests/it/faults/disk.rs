//! A disk whose power can be cut: an ext4 file system on a loop device, of which a copy is taken while
//! it is written to. The copy holds what the disk was given, and nothing of the page cache above it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use super::workers::Worker;

/// Makes the disk and runs the arguments after the first.
///
/// The image lies on a file system of its own, `outer`, which can be frozen: the copy is then of one
/// moment, as no disk changes while it has no power. All of it is in memory, in a mount namespace that
/// ends with the process.
const ON_A_NEW_DISK: &str = r#"
set -e
ram=$1/ram
mkdir "$ram" "$1/disk"
mount -t tmpfs -o size=1g ram "$ram"
truncate -s 700m "$ram/outer.img"
mkfs.ext4 -q -F -O ^has_journal "$ram/outer.img"
mkdir "$ram/outer"
mount -o loop "$ram/outer.img" "$ram/outer"
truncate -s 512m "$ram/outer/disk.img"
mkfs.ext4 -q -F "$ram/outer/disk.img"
mount -o loop "$ram/outer/disk.img" "$1/disk"
shift
exec "$@"
"#;

/// Mounts the image `$1/disk.img`, whose journal is replayed, and runs the arguments after the first.
const ON_A_COPY: &str = r#"
set -e
mkdir "$1/disk"
mount -o loop "$1/disk.img" "$1/disk"
shift
exec "$@"
"#;

/// A folder with a disk in it, seen only by the process that [`Disk::start`] starts.
#[derive(Debug)]
pub(super) struct Disk {
    folder: PathBuf,
    script: &'static str,
}

impl Disk {
    /// Whether loop devices can be mounted here; if not, the reason.
    pub(super) fn is_possible(folder: &Path) -> Result<(), String> {
        let disk = Self::new(folder);
        let output = disk.command(&Command::new("true")).output().unwrap();
        fs::remove_dir_all(folder).unwrap();
        if output.status.success() {
            Ok(())
        } else {
            Err(String::from_utf8_lossy(&output.stderr).into_owned())
        }
    }

    /// A new disk in an empty folder.
    pub(super) fn new(folder: &Path) -> Self {
        fs::create_dir(folder).unwrap();
        Self {
            folder: folder.to_owned(),
            script: ON_A_NEW_DISK,
        }
    }

    /// Where the disk is mounted, as its process sees it.
    pub(super) fn mount(&self) -> PathBuf {
        self.folder.join("disk")
    }

    /// Makes or mounts the disk and starts `command` on it.
    pub(super) fn start(&self, command: &Command) -> Worker {
        Worker::start(self.command(command), self.folder.join("log"))
    }

    /// Takes a copy of what the disk holds at this moment, as a disk in the new folder `copy`.
    pub(super) fn cut(&self, process: &Worker, copy: &Path) -> Self {
        fs::create_dir(copy).unwrap();
        let outer = process.root(&self.folder.join("ram/outer"));
        freeze(&outer, "--freeze");
        let image = outer.join("disk.img");
        let mut copying = Command::new("cp");
        copying.arg("--sparse=always").arg(&image).arg(copy);
        let copied = copying.output();
        freeze(&outer, "--unfreeze");
        succeeded(&copied.unwrap());
        Self {
            folder: copy.to_owned(),
            script: ON_A_COPY,
        }
    }

    fn command(&self, on_it: &Command) -> Command {
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", self.script, "sh"]);
        command.arg(&self.folder);
        command.arg(on_it.get_program()).args(on_it.get_args());
        for (name, value) in on_it.get_envs() {
            command.env(name, value.unwrap());
        }
        command
    }
}

fn freeze(folder: &Path, how: &str) {
    let mut command = Command::new("fsfreeze");
    succeeded(&command.arg(how).arg(folder).output().unwrap());
}

#[track_caller]
fn succeeded(output: &Output) {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
}
