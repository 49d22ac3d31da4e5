//! Signals during a conversion.

use std::{
    fs::File,
    io::Read as _,
    process::{Child, Stdio},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::test_dir::{CommandOutput, TestDir};

/// A conversion that hangs, and a pipe that its tessellator keeps open.
struct Hanging {
    dir: TestDir,
    command: Child,
    pipe: File,
}

impl Hanging {
    fn new() -> Self {
        let dir = TestDir::new();
        let fifo = dir.path("fifo");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
        dir.step("in/a.step", &format!("hang fifo={}", fifo.display()));
        dir.step("in/b.step", "");
        let mut command = dir.command(&["convert", "in", "-o", "out", "--jobs", "1"]);
        let command = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        // Opening blocks until the tessellator opens the pipe. It writes its process id.
        let mut pipe = File::open(fifo).unwrap();
        assert_ne!(pipe.read(&mut [0; 32]).unwrap(), 0);
        let command = command.unwrap();
        Self { dir, command, pipe }
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.command.id() as i32), signal).unwrap();
    }

    /// Waits until no process has the pipe open.
    fn ended(mut self) -> (TestDir, CommandOutput) {
        let ended = self.command.wait_with_output().unwrap().into();
        self.pipe.read_to_end(&mut Vec::new()).unwrap();
        (self.dir, ended)
    }
}

fn check(signal: Signal) {
    let hanging = Hanging::new();
    hanging.signal(signal);
    let (dir, ended) = hanging.ended();
    let ended = ended.expect_exit(130);
    assert!(
        ended.stdout.contains("in/a.step: failed, cancelled"),
        "{}",
        ended.stdout
    );
    assert!(ended.stdout.contains("1 not started"), "{}", ended.stdout);
    dir.assert_scratch_is_empty();
    assert!(!dir.path("out").exists());
}

#[test]
fn ctrl_c_ends_the_tessellator_and_cleans_up() {
    check(Signal::SIGINT);
}

#[test]
fn termination_ends_the_tessellator_and_cleans_up() {
    check(Signal::SIGTERM);
}

/// The system kills the tessellator when its parent dies.
#[cfg(target_os = "linux")]
#[test]
fn a_killed_command_leaves_no_tessellator() {
    let hanging = Hanging::new();
    hanging.signal(Signal::SIGKILL);
    let (_, ended) = hanging.ended();
    assert_eq!(ended.code, None);
}
