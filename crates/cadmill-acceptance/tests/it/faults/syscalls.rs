//! System calls of a process, as `strace` records them.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    process::Command,
};

/// The calls that write, sync, give names, or answer.
const TRACED: &str = "mkdir,mkdirat,write,pwrite64,writev,pwritev,pwritev2,sendto,sendmsg,fsync,\
                      fdatasync,sync,syncfs,rename,renameat,renameat2,link,linkat";

/// `command` under `strace`, which writes what it does into `log`.
pub(super) fn traced(command: &Command, log: &Path) -> Command {
    let mut strace = Command::new("strace");
    // Only these calls stop the process; strings are written in hexadecimal digits, whole.
    strace.args(["-y", "-xx", "--seccomp-bpf", "-s", "1048576"]);
    strace.args(["-e", "signal=none", "-e"]);
    strace.arg(format!("trace={TRACED}"));
    strace.arg("-o").arg(log);
    under(strace, command)
}

/// `command` under `strace`, which stops it whenever one of its threads first deletes one of these
/// files.
pub(super) fn frozen_at_deletion(command: &Command, files: &[PathBuf], log: &Path) -> Command {
    let mut strace = Command::new("strace");
    strace.args(["-e", "trace=unlink,unlinkat"]);
    strace.args(["-e", "inject=unlink,unlinkat:signal=SIGSTOP:when=1"]);
    for file in files {
        strace.arg("-P").arg(file);
    }
    strace.arg("-o").arg(log);
    under(strace, command)
}

/// Follows `command` and its threads. The process itself is that of `command`, and `strace` a grandchild
/// of it.
fn under(mut strace: Command, command: &Command) -> Command {
    strace.args(["-D", "-f"]);
    strace.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        strace.env(name, value.unwrap());
    }
    if let Some(folder) = command.get_current_dir() {
        strace.current_dir(folder);
    }
    strace
}

/// A call that succeeded.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) name: String,
    /// Its place in the order of all beginnings and ends.
    pub(super) begin: usize,
    pub(super) end: usize,
    /// The path of the file that its first argument leads to, such as `/a/b` or `socket:[7]`.
    pub(super) file: String,
    /// Its strings: paths, or what it writes.
    pub(super) strings: Vec<Vec<u8>>,
}

impl Call {
    pub(super) fn is_sync(&self) -> bool {
        ["fsync", "fdatasync"].contains(&self.name.as_str())
    }

    pub(super) fn is_write(&self) -> bool {
        self.name.contains("write")
    }

    pub(super) fn is_answer(&self) -> bool {
        self.file.starts_with("socket:") || self.file.starts_with("TCP:")
    }

    /// The old and the new name, if it gives one.
    pub(super) fn naming(&self) -> Option<(&str, &str)> {
        let gives = self.name.starts_with("rename") || self.name.starts_with("link");
        match &self.strings[..] {
            [old, new] if gives => Some((text(old)?, text(new)?)),
            _ => None,
        }
    }

    /// The folder that it makes.
    pub(super) fn made_folder(&self) -> Option<&str> {
        match &self.strings[..] {
            [path] if self.name.starts_with("mkdir") => text(path),
            _ => None,
        }
    }

    /// Whether it writes these bytes.
    pub(super) fn has(&self, bytes: &[u8]) -> bool {
        let written = self.strings.concat();
        written.windows(bytes.len()).any(|window| window == bytes)
    }
}

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

/// The calls in a log that succeeded, in the order in which they ended.
pub(super) fn parse(log: &str) -> Vec<Call> {
    let mut unfinished: HashMap<&str, (usize, String)> = HashMap::new();
    let mut calls = Vec::new();
    for (index, line) in log.lines().enumerate() {
        let Some((process, rest)) = line.split_once(' ') else {
            continue;
        };
        let rest = rest.trim_start();
        if let Some(begun) = rest.strip_suffix(" <unfinished ...>") {
            unfinished.insert(process, (index, begun.to_owned()));
        } else if let Some((_, end)) = rest.split_once(" resumed>") {
            if let Some((begin, begun)) = unfinished.remove(process) {
                calls.extend(call(begin, index, &(begun + end)));
            }
        } else {
            calls.extend(call(index, index, rest));
        }
    }
    calls
}

fn call(begin: usize, end: usize, line: &str) -> Option<Call> {
    let (call, result) = line.rsplit_once(" = ")?;
    if result.starts_with('-') || result.starts_with('?') {
        return None;
    }
    let (name, arguments) = call.split_once('(')?;
    let first = arguments.split(", ").next()?;
    let file = first
        .split_once('<')
        .and_then(|(_, file)| file.split_once('>'));
    let strings = arguments.split('"').skip(1).step_by(2);
    Some(Call {
        name: name.to_owned(),
        begin,
        end,
        file: file.map_or_else(String::new, |(file, _)| {
            String::from_utf8_lossy(&decode(file)).into_owned()
        }),
        strings: strings.map(decode).collect(),
    })
}

/// What `\x2f\x61` stands for.
fn decode(digits: &str) -> Vec<u8> {
    let bytes = digits.split("\\x").skip(1);
    bytes
        .map(|byte| u8::from_str_radix(byte, 16).unwrap())
        .collect()
}
