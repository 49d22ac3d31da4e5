//! The system calls that a confined process may make. All others fail with `ENOSYS`, so that the C
//! library falls back to older ones if it can (from `clone3` to `clone`).

use std::collections::BTreeMap;

use libc::c_long;
use seccompiler::{
    BackendError, BpfProgram, Error, SeccompAction, SeccompCmpArgLen, SeccompCmpOp,
    SeccompCondition, SeccompFilter, SeccompRule, TargetArch, apply_filter,
};

/// Calls that are allowed with any arguments.
const ALLOWED: &[c_long] = &[
    // Memory.
    libc::SYS_brk,
    libc::SYS_madvise,
    libc::SYS_membarrier,
    libc::SYS_mincore,
    libc::SYS_mmap,
    libc::SYS_mprotect,
    libc::SYS_mremap,
    libc::SYS_munmap,
    // Files, which Landlock restricts further.
    libc::SYS_close,
    libc::SYS_copy_file_range,
    libc::SYS_dup,
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_fadvise64,
    libc::SYS_fdatasync,
    libc::SYS_fstat,
    libc::SYS_fstatfs,
    libc::SYS_fsync,
    libc::SYS_ftruncate,
    libc::SYS_getcwd,
    libc::SYS_getdents64,
    libc::SYS_lseek,
    libc::SYS_newfstatat,
    libc::SYS_openat,
    libc::SYS_ppoll,
    libc::SYS_pread64,
    libc::SYS_preadv,
    libc::SYS_pwrite64,
    libc::SYS_pwritev,
    libc::SYS_read,
    libc::SYS_readlinkat,
    libc::SYS_readv,
    libc::SYS_statx,
    libc::SYS_unlinkat,
    libc::SYS_write,
    libc::SYS_writev,
    // Threads and signals of this process.
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_futex,
    libc::SYS_futex_waitv,
    libc::SYS_get_robust_list,
    libc::SYS_getcpu,
    libc::SYS_getpid,
    libc::SYS_getppid,
    libc::SYS_gettid,
    libc::SYS_restart_syscall,
    libc::SYS_rseq,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigpending,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_yield,
    libc::SYS_set_robust_list,
    libc::SYS_set_tid_address,
    libc::SYS_sigaltstack,
    // Time and system information.
    libc::SYS_clock_getres,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_getegid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getrandom,
    libc::SYS_getrusage,
    libc::SYS_gettimeofday,
    libc::SYS_getuid,
    libc::SYS_nanosleep,
    libc::SYS_sysinfo,
    libc::SYS_times,
    libc::SYS_uname,
];

/// Older calls that exist only on this architecture.
#[cfg(target_arch = "x86_64")]
const ALLOWED_ON_ARCH: &[c_long] = &[
    libc::SYS_access,
    libc::SYS_arch_prctl,
    libc::SYS_lstat,
    libc::SYS_open,
    libc::SYS_poll,
    libc::SYS_readlink,
    libc::SYS_stat,
    libc::SYS_time,
    libc::SYS_unlink,
];
#[cfg(not(target_arch = "x86_64"))]
const ALLOWED_ON_ARCH: &[c_long] = &[];

/// `fcntl` commands that only affect the descriptor; `F_SETOWN` would send signals.
const FCNTL: &[i32] = &[
    libc::F_DUPFD,
    libc::F_DUPFD_CLOEXEC,
    libc::F_GETFD,
    libc::F_SETFD,
    libc::F_GETFL,
    libc::F_SETFL,
];
/// `ioctl` commands that query terminals and set descriptor flags.
const IOCTL: &[libc::Ioctl] = &[libc::TCGETS, libc::FIOCLEX, libc::FIONBIO];
/// `prctl` commands that name threads and memory. `PR_SET_PDEATHSIG` would outlive its parent.
const PRCTL: &[i32] = &[libc::PR_SET_NAME, libc::PR_GET_NAME, libc::PR_SET_VMA];

/// Restricts this thread, and those that it starts later, to these calls.
pub(super) fn restrict() -> Result<(), Error> {
    apply_filter(&filter()?)
}

fn filter() -> Result<BpfProgram, BackendError> {
    let own = u64::from(std::process::id());
    let all = ALLOWED.iter().chain(ALLOWED_ON_ARCH);
    let mut rules: BTreeMap<c_long, Vec<SeccompRule>> =
        all.map(|&call| (call, Vec::new())).collect();
    let mut allow = |call: c_long, rule: Vec<SeccompCondition>| -> Result<(), BackendError> {
        rules.entry(call).or_default().push(SeccompRule::new(rule)?);
        Ok(())
    };
    for &command in FCNTL {
        allow(
            libc::SYS_fcntl,
            vec![is(1, u64::from(command.cast_unsigned()))?],
        )?;
    }
    for &command in IOCTL {
        allow(libc::SYS_ioctl, vec![is(1, command)?])?;
    }
    for &command in PRCTL {
        allow(
            libc::SYS_prctl,
            vec![is(0, u64::from(command.cast_unsigned()))?],
        )?;
    }
    // Only threads, not processes.
    let threads = u64::from((libc::CLONE_THREAD | libc::CLONE_VM).cast_unsigned());
    let with = SeccompCmpOp::MaskedEq(threads);
    let clone = SeccompCondition::new(0, SeccompCmpArgLen::Qword, with, threads)?;
    allow(libc::SYS_clone, vec![clone])?;
    // Only signals to and limits of this process; `abort` sends a signal to itself.
    allow(libc::SYS_kill, vec![is(0, own)?])?;
    allow(libc::SYS_tgkill, vec![is(0, own)?])?;
    allow(libc::SYS_prlimit64, vec![is(0, 0)?])?;

    let other = SeccompAction::Errno(libc::ENOSYS.cast_unsigned());
    let arch: TargetArch = std::env::consts::ARCH.try_into()?;
    SeccompFilter::new(rules, other, SeccompAction::Allow, arch)?.try_into()
}

/// The argument at this position has this value. Only 32 bits are compared, since the kernel
/// ignores the rest of these arguments.
fn is(argument: u8, value: u64) -> Result<SeccompCondition, BackendError> {
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, value)
}
