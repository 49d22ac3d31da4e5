//! Ctrl-C.

use std::{
    fs::File,
    io::Read as _,
    process::{Child, Stdio},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::bench::{Bench, Ended};

/// A conversion that hangs, and a pipe that its tessellator holds open.
struct Hanging {
    bench: Bench,
    command: Child,
    pipe: File,
}

impl Hanging {
    fn new() -> Self {
        let bench = Bench::new();
        let leash = bench.path("leash");
        nix::unistd::mkfifo(&leash, nix::sys::stat::Mode::S_IRWXU).unwrap();
        bench.step("in/a.step", &format!("hang fifo={}", leash.display()));
        bench.step("in/b.step", "");
        let mut command = bench.command(&["convert", "in", "-o", "out", "--jobs", "1"]);
        let command = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        // Opening waits until the tessellator opens the pipe; what it writes is its number.
        let mut pipe = File::open(leash).unwrap();
        assert_ne!(pipe.read(&mut [0; 32]).unwrap(), 0);
        let command = command.unwrap();
        Self {
            bench,
            command,
            pipe,
        }
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.command.id() as i32), signal).unwrap();
    }

    /// Waits until no process holds the pipe.
    fn ended(mut self) -> (Bench, Ended) {
        let ended = self.command.wait_with_output().unwrap().into();
        self.pipe.read_to_end(&mut Vec::new()).unwrap();
        (self.bench, ended)
    }
}

fn check(signal: Signal) {
    let hanging = Hanging::new();
    hanging.signal(signal);
    let (bench, ended) = hanging.ended();
    let ended = ended.with(130);
    assert!(
        ended.stdout.contains("in/a.step: failed, cancelled"),
        "{}",
        ended.stdout
    );
    assert!(ended.stdout.contains("1 not begun"), "{}", ended.stdout);
    bench.assert_scratch_is_empty();
    assert!(!bench.path("out").exists());
}

#[test]
fn ctrl_c_ends_the_tessellator_and_cleans_up() {
    check(Signal::SIGINT);
}

#[test]
fn termination_ends_the_tessellator_and_cleans_up() {
    check(Signal::SIGTERM);
}

/// The system kills the tessellator with its parent.
#[cfg(target_os = "linux")]
#[test]
fn a_killed_command_leaves_no_tessellator() {
    let hanging = Hanging::new();
    hanging.signal(Signal::SIGKILL);
    let (_, ended) = hanging.ended();
    assert_eq!(ended.code, None);
}
