//! What a child process is bound to before it runs: limits, its parent's life, no inheritance.

use std::{
    io,
    os::unix::process::CommandExt as _,
    process::{Command, Stdio},
    time::Duration,
};

use nix::{
    errno::Errno,
    sys::resource::{Resource, getrlimit, setrlimit},
    unistd::{Pid, getpid, getppid},
};

/// Processor time that a child may use beyond its wall-clock limit on every thread.
const CPU_MARGIN: Duration = Duration::from_secs(10);

/// The limits that the operating system keeps for a child.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Address space, in bytes.
    memory_bytes: u64,
    /// Processor time of all threads, in seconds.
    pub(super) cpu_s: u64,
}

impl Limits {
    pub(super) fn new(memory_bytes: u64, timeout: Duration, threads: usize) -> Self {
        let threads = u64::try_from(threads.max(1)).unwrap_or(u64::MAX);
        let cpu_s = timeout
            .as_secs()
            .saturating_add(1)
            .saturating_mul(threads)
            .saturating_add(CPU_MARGIN.as_secs());
        Self {
            memory_bytes,
            cpu_s,
        }
    }

    /// Runs in the child between fork and exec, where only plain system calls are allowed.
    fn apply(self, parent: Pid) -> io::Result<()> {
        // Linux counts the address space; elsewhere this limit is not kept or not offered.
        #[cfg(target_os = "linux")]
        lower(Resource::RLIMIT_AS, self.memory_bytes)?;
        #[cfg(not(target_os = "linux"))]
        let _ = self.memory_bytes;
        lower(Resource::RLIMIT_CORE, 0)?;
        lower(Resource::RLIMIT_CPU, self.cpu_s)?;
        #[cfg(target_os = "linux")]
        nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGKILL)?;
        // The parent may have died before it was asked for.
        if getppid() == parent {
            Ok(())
        } else {
            Err(Errno::ESRCH.into())
        }
    }
}

/// Lowers the soft limit to `value`, or to the hard limit if that is lower.
///
/// The hard limit stays a little above, so that a process which is out of processor time gets
/// `SIGXCPU`, which tells more than the `SIGKILL` of the hard limit.
fn lower(resource: Resource, value: u64) -> io::Result<()> {
    let (_, hard) = getrlimit(resource)?;
    let hard = hard.min(value.saturating_add(5));
    setrlimit(resource, value.min(hard), hard)?;
    Ok(())
}

/// Gives `command` a process group of its own, the `limits`, and the variables that the kernel needs
/// and no others: no secret of the parent reaches a process that reads hostile files.
pub(super) fn confine(command: &mut Command, limits: Limits) {
    command.env_clear().envs(
        std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(is_needed_by_the_kernel)),
    );
    command
        .env("LC_ALL", "C")
        // Its allocator reads this before `main`: committing memory only as it is used saves a
        // fifth to a third of the peak, and no time is lost.
        .env("MIMALLOC_ARENA_EAGER_COMMIT", "0")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0);
    apply_before_exec(command, limits);
}

fn is_needed_by_the_kernel(name: &str) -> bool {
    const NEEDED: [&str; 5] = [
        "PATH",
        "HOME",
        "CASROOT",
        "LD_LIBRARY_PATH",
        "DYLD_LIBRARY_PATH",
    ];
    NEEDED.contains(&name) || name.starts_with("CSF_")
}

#[expect(
    unsafe_code,
    reason = "limits and the parent-death signal can only be set between fork and exec; \
              `Limits::apply` and `close_others` make plain system calls there and do not allocate"
)]
fn apply_before_exec(command: &mut Command, limits: Limits) {
    let parent = getpid();
    // SAFETY: the closure is async-signal-safe: it owns two numbers, neither allocates nor locks,
    // and calls only close_range, getrlimit, setrlimit, prctl and getppid.
    unsafe {
        command.pre_exec(move || {
            close_others();
            limits.apply(parent)
        });
    }
}

/// Has all files but the standard ones closed when the program starts, also those that a library of
/// the parent opened without saying so. Linux before 5.11 cannot do that.
#[cfg(target_os = "linux")]
#[expect(
    unsafe_code,
    reason = "the C library of older systems has no function for this call"
)]
fn close_others() {
    use nix::libc;
    // SAFETY: the call only sets the flag of descriptors, and takes no pointers.
    unsafe {
        libc::syscall(
            libc::SYS_close_range,
            3,
            libc::c_uint::MAX,
            libc::CLOSE_RANGE_CLOEXEC,
        );
    }
}

/// Rust opens all files so that they are closed when a program starts.
#[cfg(not(target_os = "linux"))]
fn close_others() {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_is_allowed_on_every_thread_for_the_whole_time() {
        let limits = Limits::new(1, Duration::from_mins(1), 4);
        assert_eq!(limits.cpu_s, 61 * 4 + 10);
        assert_eq!(Limits::new(1, Duration::MAX, 4).cpu_s, u64::MAX);
    }

    #[test]
    fn only_what_the_kernel_needs_is_inherited() {
        assert!(is_needed_by_the_kernel("PATH"));
        assert!(is_needed_by_the_kernel("CSF_OCCTResourcePath"));
        assert!(!is_needed_by_the_kernel("AWS_SECRET_ACCESS_KEY"));
        assert!(!is_needed_by_the_kernel("LD_PRELOAD"));
    }
}
