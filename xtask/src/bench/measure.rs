//! Measuring a program together with all that it starts: seconds and the greatest memory.

use std::{
    fs,
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

use crate::process;

/// How often memory is looked at.
const INTERVAL: Duration = Duration::from_millis(10);

/// Runs `command` and gives its wall-clock seconds.
///
/// # Errors
/// If it cannot be started or fails.
pub(crate) fn seconds(command: &mut Command) -> Result<f64> {
    let begin = Instant::now();
    let status = start(command)?.wait()?;
    let seconds = begin.elapsed().as_secs_f64();
    succeeded(command, status)?;
    Ok(seconds)
}

/// Runs `command` and gives the greatest memory of it and all processes below it, in MiB: the sum of
/// their proportional set sizes, in which a page that several share counts once.
///
/// # Errors
/// If it cannot be started or fails.
pub(crate) fn peak_mib(command: &mut Command) -> Result<f64> {
    let mut child = start(command)?;
    let root = child.id();
    let (ended, end) = mpsc::channel();
    let waiting = thread::spawn(move || {
        let status = child.wait();
        // The receiver lives until the message has come.
        let _ = ended.send(());
        status
    });
    let mut peak_kib = 0;
    while let Err(RecvTimeoutError::Timeout) = end.recv_timeout(INTERVAL) {
        peak_kib = peak_kib.max(tree_kib(root));
    }
    let status = waiting.join().expect("waiting does not panic")?;
    succeeded(command, status)?;
    Ok(f64::from(peak_kib) / 1024.0)
}

fn start(command: &mut Command) -> Result<Child> {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .with_context(|| format!("`{}` cannot be started", process::shown(command)))
}

fn succeeded(command: &Command, status: ExitStatus) -> Result<()> {
    if !status.success() {
        bail!("`{}` failed ({status})", process::shown(command));
    }
    Ok(())
}

/// The memory of a process and all below it, in KiB; what has just ended has none.
fn tree_kib(process: u32) -> u32 {
    let own = fs::read_to_string(format!("/proc/{process}/smaps_rollup"))
        .ok()
        .and_then(|text| pss_kib(&text))
        .unwrap_or(0);
    own + children(process).into_iter().map(tree_kib).sum::<u32>()
}

/// The proportional set size in the text of `smaps_rollup` (see proc(5)).
fn pss_kib(text: &str) -> Option<u32> {
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// The processes that any thread of `process` has started.
pub(crate) fn children(process: u32) -> Vec<u32> {
    let Ok(threads) = fs::read_dir(format!("/proc/{process}/task")) else {
        return Vec::new();
    };
    threads
        .filter_map(|thread| fs::read_to_string(thread.ok()?.path().join("children")).ok())
        .flat_map(|list| {
            list.split_whitespace()
                .filter_map(|id| id.parse().ok())
                .collect::<Vec<_>>()
        })
        .collect()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn the_memory_of_a_child_counts() {
        // The shell starts a child that holds 64 MiB for as long as it reads them.
        let script = "head -c 67108864 /dev/zero | { tail; } > /dev/null; true";
        let peak = peak_mib(Command::new("sh").args(["-c", script])).unwrap();
        assert!(peak > 60.0, "{peak}");
    }

    #[test]
    fn what_fails_is_not_measured() {
        assert!(seconds(&mut Command::new("false")).is_err());
        assert!(peak_mib(&mut Command::new("false")).is_err());
    }

    #[test]
    fn the_set_size_is_read() {
        let text = "55d0-7ffe ---p 00000000 00:00 0 [rollup]\nRss:  900 kB\nPss:   420 kB\n";
        assert_eq!(pss_kib(text), Some(420));
    }
}
