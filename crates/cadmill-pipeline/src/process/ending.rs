//! From the end of a child process to the entry of the failure catalogue that it is.

use std::{io, os::unix::process::ExitStatusExt as _, process::ExitStatus, time::Duration};

use cadmill_domain::{Failure, FailureCode};
use nix::sys::signal::Signal;

use super::{confine::Limits, events::Verdict};

/// How the last lines of a process look that got no more memory, in the words of the C++ and Rust
/// runtimes, the C library, the dynamic loader and the allocator.
const OUT_OF_MEMORY: [&str; 6] = [
    "bad_alloc",
    "memory allocation of",
    "Cannot allocate memory",
    "failed to map segment",
    "out of memory",
    "unable to allocate",
];
/// Where in the log such a line is looked for, in bytes from its end.
const LAST_WORDS: usize = 2048;
/// How the dynamic loader says that a library is missing; it then exits with this code.
const LOADER: (i32, &str) = (127, "error while loading shared libraries");

/// How a child ended that was neither stopped nor killed by us.
#[derive(Debug)]
pub(super) struct Ending {
    pub(super) status: ExitStatus,
    pub(super) verdict: Option<Verdict>,
    pub(super) log_tail: Option<String>,
    pub(super) limits: Limits,
    pub(super) memory_bytes: u64,
}

impl Ending {
    /// Whether the child says that its result is there.
    pub(super) fn check(self) -> Result<(), Failure> {
        let (code, detail) = match (&self.verdict, self.status.signal(), self.status.code()) {
            // What the child knows of its failure is better than how it left afterwards.
            (Some(Verdict::Failed { code, detail }), _, _) => (*code, detail.clone()),
            (_, Some(signal), _) => self.signalled(signal),
            (Some(Verdict::Done), None, Some(0)) => return Ok(()),
            (None, None, Some(0)) => (
                FailureCode::OutputInvalid,
                "It ended without saying that it is done.".to_owned(),
            ),
            (_, None, exit) => self.exited(exit.unwrap_or(-1)),
        };
        Err(Failure {
            log_tail: self.log_tail,
            ..Failure::new(code, detail)
        })
    }

    fn signalled(&self, number: i32) -> (FailureCode, String) {
        let signal = Signal::try_from(number);
        let name = signal.map_or_else(|_| format!("signal {number}"), |s| s.as_str().to_owned());
        match signal {
            Ok(Signal::SIGXCPU) => (
                FailureCode::KernelTimeout,
                format!(
                    "It used up its {} s of processor time (SIGXCPU).",
                    self.limits.cpu_s
                ),
            ),
            // It never sends itself one of these, and we know when we kill it.
            Ok(
                Signal::SIGKILL
                | Signal::SIGTERM
                | Signal::SIGINT
                | Signal::SIGHUP
                | Signal::SIGQUIT,
            ) => (
                FailureCode::KernelKilled,
                format!("It was killed from outside ({name})."),
            ),
            _ if self.ran_out_of_memory() => self.out_of_memory(),
            _ => (FailureCode::KernelCrash, format!("It died by {name}.")),
        }
    }

    fn exited(&self, exit: i32) -> (FailureCode, String) {
        let log = self.log_tail.as_deref().unwrap_or_default();
        // The loader needs memory, too.
        if self.ran_out_of_memory() {
            return self.out_of_memory();
        }
        if exit == LOADER.0 && log.contains(LOADER.1) {
            let detail = "A library that it needs is missing.".to_owned();
            return (FailureCode::TessellatorMissing, detail);
        }
        (
            FailureCode::KernelError,
            format!("It ended with exit code {exit} and did not say why."),
        )
    }

    fn ran_out_of_memory(&self) -> bool {
        let log = self.log_tail.as_deref().unwrap_or_default();
        let last_words = &log[log.ceil_char_boundary(log.len().saturating_sub(LAST_WORDS))..];
        OUT_OF_MEMORY.iter().any(|words| last_words.contains(words))
    }

    fn out_of_memory(&self) -> (FailureCode, String) {
        let mib = self.memory_bytes >> 20;
        (
            FailureCode::KernelMemory,
            format!("The limit is {mib} MiB of address space."),
        )
    }
}

/// It ran longer than it may.
pub(super) fn out_of_time(limit: Duration, log_tail: Option<String>) -> Failure {
    let detail = format!("The limit is {} s.", limit.as_secs_f64());
    Failure {
        log_tail,
        ..Failure::new(FailureCode::KernelTimeout, detail)
    }
}

/// It could not be started.
pub(super) fn not_started(program: &std::path::Path, error: &io::Error) -> Failure {
    let detail = format!("Starting `{}` failed: {error}.", program.display());
    Failure::new(FailureCode::TessellatorMissing, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(raw_status: i32, verdict: Option<Verdict>, log: &str, expected: &str) {
        let ending = Ending {
            status: ExitStatus::from_raw(raw_status),
            verdict,
            log_tail: Some(log.to_owned()),
            limits: Limits::new(1 << 30, Duration::from_secs(9), 2),
            memory_bytes: 1 << 30,
        };
        let found = ending.check().map_or_else(
            |failure| format!("{}: {}", failure.code, failure.detail),
            |()| "ok".to_owned(),
        );
        assert!(found.starts_with(expected), "{found}");
    }

    const fn exit(code: i32) -> i32 {
        code << 8
    }

    #[test]
    fn each_end_is_one_entry_of_the_catalogue() {
        let done = || Some(Verdict::Done);
        check(exit(0), done(), "", "ok");
        check(exit(0), None, "", "output_invalid: ");
        check(
            exit(1),
            None,
            "why",
            "kernel_error: It ended with exit code 1",
        );
        check(exit(1), done(), "", "kernel_error: ");
        check(11, None, "", "kernel_crash: It died by SIGSEGV.");
        check(6 | 0x80, None, "", "kernel_crash: It died by SIGABRT.");
        check(24, None, "", "kernel_timeout: It used up its 30 s");
        for from_outside in [1, 2, 3, 9, 15] {
            let expected = "kernel_killed: It was killed from outside";
            check(from_outside, None, "", expected);
        }
        check(40, None, "", "kernel_crash: It died by signal 40.");
    }

    #[test]
    fn the_want_of_memory_is_known_by_its_last_words() {
        for words in ["std::bad_alloc", "memory allocation of 9 bytes failed"] {
            check(6, None, words, "kernel_memory: The limit is 1024 MiB");
            check(exit(101), None, words, "kernel_memory: ");
        }
        let long_ago = format!("bad_alloc{}", "é".repeat(LAST_WORDS));
        check(6, None, &long_ago, "kernel_crash: ");
    }

    #[test]
    fn what_the_child_knows_is_stronger_than_how_it_left() {
        let failed = Verdict::Failed {
            code: FailureCode::DiskFull,
            detail: "No space.".to_owned(),
        };
        check(exit(1), Some(failed.clone()), "", "disk_full: No space.");
        check(11, Some(failed), "", "disk_full: No space.");
    }

    #[test]
    fn a_missing_library_is_a_missing_tessellator() {
        let log = "x: error while loading shared libraries: libTKernel.so.7.6: cannot open";
        check(exit(127), None, log, "tessellator_missing: ");
        let log =
            "x: error while loading shared libraries: libTKernel.so.7.6: failed to map segment";
        check(exit(127), None, log, "kernel_memory: ");
    }
}
