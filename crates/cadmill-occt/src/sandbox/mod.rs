//! The sandbox that this process enters before it reads a hostile file.
//!
//! On Linux, the process gives up acquiring privileges, all files outside its own folder
//! (Landlock), and all system calls that are not needed to read, compute and write (seccomp): no
//! sockets, no programs, no other processes. Other systems have no such sandbox. It must be entered
//! before any thread is started, because only threads started later are confined as well.

#[cfg(target_os = "linux")]
#[expect(unsafe_code, unreachable_pub, reason = "cxx writes this code")]
mod bridge;
#[cfg(target_os = "linux")]
mod calls;
#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
mod probes;

use std::path::Path;

use serde::Serialize;

/// The result of entering the sandbox.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Confinement {
    /// The parts of the sandbox that the system does not support, with the reason.
    pub missing: Vec<String>,
}

/// The result of a self-test of the sandbox.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct SelfTest {
    /// As in [`Confinement`].
    pub missing: Vec<String>,
    /// Forbidden operations that failed.
    pub refused: Vec<&'static str>,
    /// Forbidden operations that succeeded.
    pub allowed: Vec<&'static str>,
}

/// Confines this process permanently. It can then open only files in `own`, and read files in the
/// resource folders of the geometry kernel.
#[cfg(target_os = "linux")]
#[must_use]
pub fn enter(own: &Path) -> Confinement {
    linux::enter(own)
}

/// Returns that this system has no sandbox.
#[cfg(not(target_os = "linux"))]
#[must_use]
pub fn enter(_own: &Path) -> Confinement {
    Confinement {
        missing: vec!["a sandbox: only Linux has one (Landlock and seccomp)".to_owned()],
    }
}

/// Confines this process to `own` and tries all forbidden operations.
#[must_use]
pub fn self_test(own: &Path) -> SelfTest {
    let Confinement { missing } = enter(own);
    let test = SelfTest {
        missing,
        ..SelfTest::default()
    };
    #[cfg(target_os = "linux")]
    let test = probes::run(own, test);
    test
}
