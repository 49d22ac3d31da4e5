//! What is left when the parent is killed.

use std::{
    fs::{self, File, Permissions},
    io::{BufRead as _, BufReader},
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::Stdio,
    sync::mpsc,
    thread,
    time::Duration,
};

use nix::{
    sys::{
        signal::{Signal, kill},
        stat::Mode,
    },
    unistd::{Pid, mkfifo},
};

use crate::{inputs::INPUTS, milled::fresh_folder, program::Convert};

/// Only a failing test waits this long.
const LONG: Duration = Duration::from_mins(1);

#[test]
fn a_killed_parent_leaves_no_child() {
    let folder = fresh_folder("killed");
    let fifo = folder.join("fifo");
    mkfifo(&fifo, Mode::S_IRWXU).unwrap();
    let convert = Convert::new(&[&INPUTS[0].path], &folder.join("media"));
    let tessellator = endless_tessellator(&folder, &fifo);
    let mut command = convert.tessellator(&tessellator).command();
    let mut parent = command
        .stderr(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();

    let (sender, lines) = mpsc::channel();
    thread::spawn(move || {
        // Reading ends when nobody has the fifo open for writing any more: when the child is dead.
        for line in BufReader::new(File::open(fifo).unwrap()).lines() {
            sender.send(Some(line.unwrap())).unwrap();
        }
        sender.send(None).unwrap();
    });
    let next = || {
        lines
            .recv_timeout(LONG)
            .expect("the child should have ended")
    };
    let child: i32 = next().expect("the child says its id").parse().unwrap();
    kill(Pid::from_raw(parent.id().cast_signed()), Signal::SIGKILL).unwrap();
    parent.wait().unwrap();
    let end = lines.recv_timeout(LONG);
    if end != Ok(None) {
        kill(Pid::from_raw(child), Signal::SIGKILL).unwrap();
    }
    assert_eq!(end, Ok(None), "the child lived on");
}

/// A program that says its id to `fifo`, and then waits for ever for another that nobody opens. It
/// starts no program, as that would be another child.
fn endless_tessellator(folder: &Path, fifo: &Path) -> std::path::PathBuf {
    let silent = folder.join("silent");
    mkfifo(&silent, Mode::S_IRWXU).unwrap();
    let script = format!(
        "#!/bin/sh\nexec 3>'{}'\necho $$ >&3\nread line <'{}'\n",
        fifo.display(),
        silent.display()
    );
    let path = folder.join("tessellator");
    fs::write(&path, script).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
    path
}
