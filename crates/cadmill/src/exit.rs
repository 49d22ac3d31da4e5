//! Exit codes, and the errors that decide between them.

use std::{fmt, process::ExitCode};

/// The exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Everything succeeded.
    Ok = 0,
    /// Nothing succeeded.
    Failed = 1,
    /// The arguments make no sense; nothing was started.
    Usage = 2,
    /// Some files succeeded and some failed.
    SomeFailed = 3,
    /// A signal interrupted it.
    Interrupted = 130,
}

/// An error in the arguments.
#[derive(Debug)]
pub(crate) struct Misuse(pub(crate) String);

impl fmt::Display for Misuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Misuse {}

/// A failure that one sentence describes completely.
#[derive(Debug)]
pub(crate) struct Failed(pub(crate) String);

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Failed {}

impl Exit {
    /// Prints an error with its whole chain, and returns the exit code.
    pub(crate) fn report(ended: anyhow::Result<Self>) -> Self {
        ended.unwrap_or_else(|error| {
            eprintln!("error: {error:#}");
            if error.is::<Misuse>() {
                Self::Usage
            } else {
                Self::Failed
            }
        })
    }

    /// The exit code of a run over several files.
    pub(crate) fn after(succeeded: usize, failed: usize) -> Self {
        match (succeeded, failed) {
            (_, 0) => Self::Ok,
            (0, _) => Self::Failed,
            _ => Self::SomeFailed,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
