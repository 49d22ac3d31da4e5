//! Named places where a test lets a worker die or freeze. Nothing happens there in a release build.

/// A place on the way of a piece of work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Failpoint {
    /// The lock is held, nothing is claimed.
    AfterLock,
    /// The row is claimed.
    AfterClaim,
    /// The tessellator is about to be started.
    BeforeSpawn,
    /// The tessellator has begun to mesh.
    DuringTessellation,
    /// The tessellator has ended well.
    AfterTessellation,
    /// The bytes are made, and not stored.
    BeforeBlob,
    /// The bytes are stored, and nothing refers to them.
    AfterBlob,
    /// The work is done but for telling the ledger.
    BeforePublish,
    /// The result and its event are committed, and the worker has done nothing else yet.
    AfterPublish,
    /// All is done, and the lock is still held.
    BeforeRelease,
}

impl Failpoint {
    /// All of them, in the order in which a canonical scene comes by.
    pub const ALL: [Self; 10] = [
        Self::AfterLock,
        Self::AfterClaim,
        Self::BeforeSpawn,
        Self::DuringTessellation,
        Self::AfterTessellation,
        Self::BeforeBlob,
        Self::AfterBlob,
        Self::BeforePublish,
        Self::AfterPublish,
        Self::BeforeRelease,
    ];

    /// What `CADMILL_FAILPOINT` calls it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::AfterLock => "after_lock",
            Self::AfterClaim => "after_claim",
            Self::BeforeSpawn => "before_spawn",
            Self::DuringTessellation => "during_tessellation",
            Self::AfterTessellation => "after_tessellation",
            Self::BeforeBlob => "before_blob",
            Self::AfterBlob => "after_blob",
            Self::BeforePublish => "before_publish",
            Self::AfterPublish => "after_publish",
            Self::BeforeRelease => "before_release",
        }
    }

    /// Dies here if `CADMILL_FAILPOINT` is this name, and freezes if it is the name and `=stop`.
    #[cfg(debug_assertions)]
    pub(crate) fn reach(self) {
        use nix::sys::signal::{Signal, raise};
        let Ok(wanted) = std::env::var("CADMILL_FAILPOINT") else {
            return;
        };
        let (place, action) = wanted.split_once('=').unwrap_or((&wanted, "kill"));
        if place == self.name() {
            let signal = match action {
                "stop" => Signal::SIGSTOP,
                _ => Signal::SIGKILL,
            };
            eprintln!("failpoint {place}");
            raise(signal).expect("a process may send signals to itself");
        }
    }

    /// Nothing.
    #[cfg(not(debug_assertions))]
    pub(crate) const fn reach(self) {}
}
