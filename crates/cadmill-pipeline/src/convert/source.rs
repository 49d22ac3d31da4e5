//! The file that is converted: read twice (by us and by the kernel), so it must stay what it is.

use std::{
    fs::{self, Metadata},
    os::unix::fs::MetadataExt as _,
    path::Path,
};

use cadmill_domain::{Failure, FailureCode};

/// What tells one state of a file from another without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    inode: (u64, u64),
    bytes: u64,
    modified: (i64, i64),
}

impl Stamp {
    /// That of the file at `path`.
    ///
    /// # Errors
    /// If it cannot be looked at, or is a pipe, a device or a folder: what comes from those comes
    /// only once, and perhaps never.
    pub(super) fn of(path: &Path) -> Result<Self, Failure> {
        let metadata = fs::metadata(path).map_err(|error| {
            let detail = format!("Reading it failed: {error}.");
            Failure::new(FailureCode::Unreadable, detail)
        })?;
        if metadata.is_file() {
            return Ok(Self::from(&metadata));
        }
        let detail = "It is no regular file; save what comes from a pipe or a device to one first.";
        Err(Failure::new(FailureCode::Unreadable, detail))
    }

    /// Checks that the file at `path` still is what it was.
    ///
    /// # Errors
    /// If it was replaced or written to, or is gone: a result then says nothing about the file
    /// whose hash it bears.
    pub(super) fn still_holds(self, path: &Path) -> Result<(), Failure> {
        if Self::of(path).is_ok_and(|now| now == self) {
            return Ok(());
        }
        let detail = "It was changed while it was being converted.";
        Err(Failure::new(FailureCode::Unreadable, detail))
    }
}

impl From<&Metadata> for Stamp {
    fn from(metadata: &Metadata) -> Self {
        Self {
            inode: (metadata.dev(), metadata.ino()),
            bytes: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        }
    }
}
