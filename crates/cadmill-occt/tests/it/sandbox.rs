//! The capabilities of a confined tessellator.

use std::{
    collections::BTreeSet,
    fs,
    process::{Command, Stdio},
    sync::Mutex,
};

use cadmill_domain::Recipe;
use serde::Deserialize;

use crate::{
    run::{Run, TESSELLATOR},
    sources,
};

#[derive(Debug, Deserialize)]
struct Answer {
    missing: Vec<String>,
    refused: Vec<String>,
    allowed: Vec<String>,
}

#[test]
fn everything_forbidden_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let own = folder.path().join("own");
    fs::create_dir(&own).unwrap();
    let output = Command::new(TESSELLATOR)
        .args(["check-sandbox", "--output-dir"])
        .arg(&own)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let answer: Answer = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answer.missing, [""; 0]);
    assert_eq!(answer.allowed, [""; 0]);
    for what in [
        "reading a file",
        "writing a file",
        "reading the memory of its parent",
        "reading the environment of its parent",
        "a socket of UDP",
        "a Unix socket",
        "starting a program",
        "a signal to its parent",
        "system call ptrace",
        "system call process_vm_readv",
        "system call execve",
        "system call io_uring_setup",
    ] {
        assert!(
            answer.refused.iter().any(|refused| refused == what),
            "{what} was not tried"
        );
    }
    assert!(fs::read_dir(folder.path()).unwrap().count() == 1);
}

#[test]
fn every_thread_is_confined() {
    let seen = Mutex::new(Vec::new());
    let run = Run::of(&sources::sample("gearbox.step"))
        .threads(3)
        .recipe(Recipe::FINE);
    run.finish_after(|process| {
        // All threads that exist at or after the first line of output.
        for thread in fs::read_dir(format!("/proc/{process}/task")).unwrap() {
            // The thread may have ended.
            let status = fs::read_to_string(thread.unwrap().path().join("status"));
            seen.lock().unwrap().extend(status);
        }
    });
    let seen = seen.into_inner().unwrap();
    assert!(seen.len() >= 2, "{} threads", seen.len());
    for status in seen {
        let has = |line: &str| {
            status
                .lines()
                .any(|other| other.split_whitespace().eq(line.split(' ')))
        };
        assert!(has("NoNewPrivs: 1") && has("Seccomp: 2"), "{status}");
    }
}

#[test]
fn nothing_else_is_opened_after_the_start() {
    for text in [
        sources::with_shape_in("/etc/passwd", false).into_bytes(),
        sources::latin1_names(),
    ] {
        let run = Run::of_text(text).threads(3);
        let own = run.folder().canonicalize().unwrap();
        let log = own.join("trace");
        let mut strace = Command::new("strace");
        strace
            .args(["--follow-forks", "--quiet=all", "--output"])
            .arg(&log);
        strace.args(["--trace", "%file,%network,%process,seccomp"]);
        let finished = run.finish_under(strace);
        finished.report();
        let trace = fs::read_to_string(&log).unwrap();
        let confined = trace
            .find(" seccomp(")
            .expect("it confines itself by seccomp");
        let after: Vec<&str> = trace[confined..].lines().skip(1).collect();
        // A call interrupted by another thread has a second line that reports its resumption.
        let opens = [" open(", " openat(", " openat2("];
        let opened: BTreeSet<&str> = after
            .iter()
            .filter(|line| opens.iter().any(|open| line.contains(open)))
            .map(|line| line.split('"').nth(1).expect("a path"))
            .collect();
        // The kernel looks for resources in the working folder unless a variable names another.
        let known = |path: &str| {
            ["XSTEP.us", "SHAPE.us"].contains(&path) || path.starts_with(own.to_str().unwrap())
        };
        assert!(opened.iter().all(|path| known(path)), "{opened:#?}");
        assert!(
            opened.iter().any(|path| path.ends_with("scene.glb")),
            "{opened:#?}"
        );
        let calls = ["socket", "connect", "execve", "fork", "kill"];
        let called = after
            .iter()
            .find(|line| calls.iter().any(|call| line.contains(&format!(" {call}("))));
        assert_eq!(called, None);
    }
}

#[test]
fn a_complete_sandbox_is_accepted() {
    let run = Run::of(&sources::sample("inch-cube.step")).require_sandbox();
    assert_eq!(run.finish().report().parts, 1);
}
