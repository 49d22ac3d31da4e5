//! How the command ends.

use std::{fmt, process::ExitCode};

/// The exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// All went well.
    Ok = 0,
    /// Nothing did.
    Failed = 1,
    /// What was asked for makes no sense; nothing was begun.
    Usage = 2,
    /// Some files went well, some did not.
    SomeFailed = 3,
    /// Somebody stopped it.
    Interrupted = 130,
}

/// An error in what was asked for.
#[derive(Debug)]
pub(crate) struct Misuse(pub(crate) String);

impl fmt::Display for Misuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Misuse {}

/// Something that cannot be done, in one whole sentence.
#[derive(Debug)]
pub(crate) struct Failed(pub(crate) String);

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Failed {}

impl Exit {
    /// Tells an error, once and with its whole chain.
    pub(crate) fn of(ended: anyhow::Result<Self>) -> Self {
        ended.unwrap_or_else(|error| {
            eprintln!("error: {error:#}");
            if error.is::<Misuse>() {
                Self::Usage
            } else {
                Self::Failed
            }
        })
    }

    /// How a run over several files ends.
    pub(crate) fn after(good: usize, failed: usize) -> Self {
        match (good, failed) {
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
