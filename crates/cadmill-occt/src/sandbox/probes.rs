//! Tries operations that are forbidden to a confined process. The probes are harmless if they
//! succeed: they read nothing secret, send signal 0, and pass no arguments to system calls.

use std::{
    fs::{self, File},
    io,
    net::UdpSocket,
    os::unix::net::UnixDatagram,
    path::Path,
    process::Command,
    thread,
};

use libc::c_long;
use nix::{
    sys::signal::{Signal, kill},
    unistd::getppid,
};

use super::{SelfTest, bridge::ffi};

type Probe<'a> = (
    &'static str,
    Box<dyn Fn() -> io::Result<()> + Send + Sync + 'a>,
);

/// Forbidden system calls. With these arguments, none of them has an effect.
const CALLS: &[(&str, c_long)] = &[
    ("system call socket", libc::SYS_socket),
    ("system call connect", libc::SYS_connect),
    ("system call bind", libc::SYS_bind),
    ("system call sendmsg", libc::SYS_sendmsg),
    ("system call execve", libc::SYS_execve),
    ("system call execveat", libc::SYS_execveat),
    ("system call clone3", libc::SYS_clone3),
    ("system call ptrace", libc::SYS_ptrace),
    ("system call process_vm_readv", libc::SYS_process_vm_readv),
    ("system call process_vm_writev", libc::SYS_process_vm_writev),
    ("system call process_madvise", libc::SYS_process_madvise),
    ("system call kcmp", libc::SYS_kcmp),
    ("system call pidfd_open", libc::SYS_pidfd_open),
    ("system call pidfd_getfd", libc::SYS_pidfd_getfd),
    ("system call pidfd_send_signal", libc::SYS_pidfd_send_signal),
    ("system call tkill", libc::SYS_tkill),
    ("system call rt_sigqueueinfo", libc::SYS_rt_sigqueueinfo),
    ("system call rt_tgsigqueueinfo", libc::SYS_rt_tgsigqueueinfo),
    ("system call io_uring_setup", libc::SYS_io_uring_setup),
    ("system call io_uring_enter", libc::SYS_io_uring_enter),
    ("system call mount", libc::SYS_mount),
    ("system call umount2", libc::SYS_umount2),
    ("system call move_mount", libc::SYS_move_mount),
    ("system call open_tree", libc::SYS_open_tree),
    ("system call pivot_root", libc::SYS_pivot_root),
    ("system call chroot", libc::SYS_chroot),
    ("system call unshare", libc::SYS_unshare),
    ("system call setns", libc::SYS_setns),
    ("system call add_key", libc::SYS_add_key),
    ("system call request_key", libc::SYS_request_key),
    ("system call keyctl", libc::SYS_keyctl),
    ("system call bpf", libc::SYS_bpf),
    ("system call perf_event_open", libc::SYS_perf_event_open),
    ("system call userfaultfd", libc::SYS_userfaultfd),
    ("system call memfd_create", libc::SYS_memfd_create),
    ("system call open_by_handle_at", libc::SYS_open_by_handle_at),
    ("system call truncate", libc::SYS_truncate),
    ("system call linkat", libc::SYS_linkat),
    ("system call symlinkat", libc::SYS_symlinkat),
    ("system call renameat2", libc::SYS_renameat2),
    ("system call init_module", libc::SYS_init_module),
    ("system call shmget", libc::SYS_shmget),
];

/// Runs all probes on a thread started after the sandbox was entered, and adds the results to
/// `test`.
pub(super) fn run(own: &Path, mut test: SelfTest) -> SelfTest {
    let probes = probes(own);
    let results = thread::scope(|scope| {
        let tried = || {
            probes
                .iter()
                .map(|(what, probe)| (*what, probe()))
                .collect()
        };
        scope.spawn(tried).join().unwrap_or_else(|_| Vec::new())
    });
    for (what, result) in results {
        match result {
            Ok(()) => test.allowed.push(what),
            Err(_) => test.refused.push(what),
        }
    }
    test
}

fn probes(own: &Path) -> Vec<Probe<'_>> {
    let parent = getppid();
    let of_parent = move |file: &str| format!("/proc/{parent}/{file}");
    let outside = own
        .parent()
        .unwrap_or(Path::new("/"))
        .join("cadmill-sandbox-probe");
    let mut probes: Vec<Probe<'_>> = vec![
        (
            "reading a file",
            Box::new(|| File::open("/etc/passwd").map(drop)),
        ),
        ("listing a folder", Box::new(|| fs::read_dir("/").map(drop))),
        (
            "reading its own environment",
            Box::new(|| fs::read("/proc/self/environ").map(drop)),
        ),
        (
            "reading the memory of its parent",
            Box::new(move || File::open(of_parent("mem")).map(drop)),
        ),
        (
            "reading the environment of its parent",
            Box::new(move || fs::read(of_parent("environ")).map(drop)),
        ),
        (
            "reading the files of its parent",
            Box::new(move || fs::read_dir(of_parent("fd")).map(drop)),
        ),
        (
            "writing a file",
            Box::new(move || {
                File::create_new(&outside)?;
                fs::remove_file(&outside)
            }),
        ),
        (
            "a socket of UDP",
            Box::new(|| UdpSocket::bind("127.0.0.1:0").map(drop)),
        ),
        (
            "a Unix socket",
            Box::new(|| UnixDatagram::unbound().map(drop)),
        ),
        (
            "starting a program",
            Box::new(|| Command::new("/bin/true").status().map(drop)),
        ),
        (
            "a signal to its parent",
            Box::new(move || Ok(kill(parent, None::<Signal>)?)),
        ),
    ];
    probes.extend(
        CALLS
            .iter()
            .map(|&(what, call)| -> Probe<'_> { (what, Box::new(move || system_call(call))) }),
    );
    probes
}

/// An allowed call fails with an error other than `ENOSYS`, because its arguments are invalid.
fn system_call(call: c_long) -> io::Result<()> {
    // `ptrace` would accept request 0.
    let first = i64::from(call == libc::SYS_ptrace);
    match ffi::error_of_system_call(call, first) {
        error @ (libc::EPERM | libc::EACCES | libc::ENOSYS) => {
            Err(io::Error::from_raw_os_error(error))
        }
        _ => Ok(()),
    }
}
