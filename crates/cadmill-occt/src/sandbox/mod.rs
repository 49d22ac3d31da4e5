//! What this process gives up before it reads a hostile file.
//!
//! On Linux it gives up new privileges, all files but its own folder (Landlock), and all system
//! calls but those that reading, computing and writing need (seccomp): no sockets, no programs, no
//! other processes. Elsewhere there is no such sandbox. Threads that are started later are confined
//! in the same way, so it is entered before any is started.

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

/// What the sandbox lacks on this system.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Confinement {
    /// The parts of the sandbox that this system does not offer, with the reason.
    pub missing: Vec<String>,
}

/// What a self-test of the sandbox found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct SelfTest {
    /// As in [`Confinement`].
    pub missing: Vec<String>,
    /// What is forbidden and was tried.
    pub refused: Vec<&'static str>,
    /// What is forbidden and succeeded all the same.
    pub allowed: Vec<&'static str>,
}

/// Confines this process for the rest of its life: of all files it can only open those in `own`,
/// and read those in the folders that the kernel's variables name.
#[cfg(target_os = "linux")]
#[must_use]
pub fn enter(own: &Path) -> Confinement {
    linux::enter(own)
}

/// There is nothing to confine this process with.
#[cfg(not(target_os = "linux"))]
#[must_use]
pub fn enter(_own: &Path) -> Confinement {
    Confinement {
        missing: vec!["a sandbox: only Linux has one (Landlock and seccomp)".to_owned()],
    }
}

/// Confines this process to `own` and tries everything that is then forbidden.
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
