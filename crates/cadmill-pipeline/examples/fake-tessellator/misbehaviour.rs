//! The ways in which the stand-in can go wrong.

use std::{
    fs,
    io::Write as _,
    path::Path,
    process::{Command, ExitCode},
};

use cadmill_domain::ContentHash;
use nix::sys::signal::{SigSet, Signal, raise};

use crate::{Request, result, say};

pub(crate) enum Misbehaviour {
    Signal(Signal),
    Hang { politely: bool },
    Memory,
    Grandchild { leave: bool },
    Flood,
    Garbage,
    WrongHash,
    WrongCounts,
    NoReport,
    WithoutDone,
    Silent,
    Tell,
    Failed(String),
}

impl Misbehaviour {
    pub(crate) fn of(words: &[String]) -> Option<Self> {
        let argument = words.get(1).cloned().unwrap_or_default();
        Some(match words.first()?.as_str() {
            "signal" => {
                let number: i32 = argument.parse().expect("a number");
                Self::Signal(number.try_into().expect("a signal"))
            }
            "hang" => Self::Hang { politely: false },
            "hang-politely" => Self::Hang { politely: true },
            "memory" => Self::Memory,
            "grandchild" => Self::Grandchild { leave: false },
            "leave-grandchild" => Self::Grandchild { leave: true },
            "flood" => Self::Flood,
            "garbage" => Self::Garbage,
            "wrong-hash" => Self::WrongHash,
            "wrong-counts" => Self::WrongCounts,
            "no-report" => Self::NoReport,
            "without-done" => Self::WithoutDone,
            "silent" => Self::Silent,
            "tell" => Self::Tell,
            "failed" => Self::Failed(argument),
            other => panic!("`{other}` is unknown"),
        })
    }

    /// Misbehaves; returns nothing if all else goes its usual way.
    pub(crate) fn act(self, request: &Request) -> Option<ExitCode> {
        let glb = Path::new(request.option("--output-dir")).join("scene.glb");
        match self {
            Self::Signal(signal) => die_by(signal),
            Self::Hang { politely } => {
                if !politely {
                    block_sigterm();
                }
                say(r#"{"event":"progress","phase":"mesh","fraction":0.5}"#);
                wait_for_ever()
            }
            Self::Memory => exhaust_memory(),
            Self::Grandchild { leave } => {
                leave_a_grandchild();
                if leave {
                    return None;
                }
                say(r#"{"event":"progress","phase":"mesh","fraction":0.5}"#);
                wait_for_ever()
            }
            Self::Flood => {
                flood();
                None
            }
            Self::Garbage => {
                result::write(request, |_, _| {});
                fs::write(glb, b"glTF, but not really").expect("it can be written");
                Some(done())
            }
            Self::WrongHash => {
                let other = ContentHash::of(b"another file");
                result::write(request, |scene, _| scene.provenance.source_hash = other);
                Some(done())
            }
            Self::WrongCounts => {
                result::write(request, |_, report| report.triangles += 1);
                Some(done())
            }
            Self::NoReport => {
                fs::write(glb, b"").expect("it can be written");
                Some(done())
            }
            Self::WithoutDone => {
                result::write(request, |_, _| {});
                Some(ExitCode::SUCCESS)
            }
            Self::Silent => {
                eprintln!("something went wrong in here");
                Some(ExitCode::from(7))
            }
            Self::Tell => {
                tell(request);
                Some(ExitCode::from(7))
            }
            Self::Failed(code) => {
                say(&format!(
                    r#"{{"event":"failed","code":"{code}","detail":"As asked."}}"#
                ));
                Some(ExitCode::FAILURE)
            }
        }
    }
}

#[expect(
    clippy::zombie_processes,
    reason = "whether the parent ends what the child leaves behind is what is tested"
)]
fn leave_a_grandchild() {
    let program = std::env::current_exe().expect("a path");
    let grandchild = Command::new(program).arg("--wait").spawn();
    grandchild.expect("a grandchild");
}

fn done() -> ExitCode {
    say(r#"{"event":"done"}"#);
    ExitCode::SUCCESS
}

/// Until it is killed. Another signal ends the wait, so it waits again.
pub(crate) fn wait_for_ever() -> ! {
    loop {
        nix::unistd::pause();
    }
}

fn die_by(signal: Signal) -> ! {
    loop {
        // The runtime's own handler of SIGSEGV and SIGBUS takes itself out at the first.
        raise(signal).expect("a signal can be raised");
    }
}

fn block_sigterm() {
    let mut set = SigSet::empty();
    set.add(Signal::SIGTERM);
    set.thread_block().expect("a signal can be blocked");
}

fn exhaust_memory() -> ! {
    let mut hoard: Vec<Vec<u8>> = Vec::new();
    loop {
        hoard.push(vec![1; 16 << 20]);
        std::hint::black_box(&hoard);
    }
}

/// 32 MiB without a line break on both streams, then a line of its own.
fn flood() {
    let block = vec![b'x'; 64 * 1024];
    let (mut stdout, mut stderr) = (std::io::stdout().lock(), std::io::stderr().lock());
    for _ in 0..512 {
        stdout.write_all(&block).expect("the parent reads");
        stderr.write_all(&block).expect("the parent reads");
    }
    stdout.write_all(b"\n").expect("the parent reads");
}

/// What it got and inherited, on standard error.
fn tell(request: &Request) {
    eprintln!("input {}", ContentHash::of(&request.source));
    for file in fs::read_dir("/dev/fd").into_iter().flatten().flatten() {
        let path = fs::read_link(file.path()).unwrap_or_default();
        eprintln!("descriptor {}", path.display());
    }
    for (name, _) in std::env::vars_os() {
        eprintln!("variable {}", name.to_string_lossy());
    }
    let group = nix::unistd::getpgrp();
    eprintln!("leads its group: {}", group == nix::unistd::getpid());
    let folder = std::env::current_dir().expect("a folder");
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &fs::metadata(&folder).expect("a folder").permissions(),
    );
    eprintln!("folder {} {:o}", folder.display(), mode & 0o777);
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    eprintln!("{limits}");
}
