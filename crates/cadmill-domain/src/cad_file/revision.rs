//! Changes of a CAD file, and the revision by which they are told apart.

use std::{fmt, str::FromStr};

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use crate::{
    CadFile, MaterialMap, Moment,
    blobs::KeptBlob,
    ledger::{FileRows, Request},
};

/// A version of a file: its `updated_at`, in microseconds since 1970. It grows with each change, even if
/// the clock does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Revision(i64);

impl Revision {
    /// The revision of a file that was last changed at `updated_at`.
    #[must_use]
    pub const fn of(updated_at: Moment) -> Self {
        Self(updated_at.timestamp_micros())
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The text is no revision.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no revision: a whole number is expected")]
pub struct ParseRevisionError(String);

impl FromStr for Revision {
    type Err = ParseRevisionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = text.parse();
        number
            .map(Self)
            .map_err(|_| ParseRevisionError(text.to_owned()))
    }
}

/// The outcome of a change of a file.
#[derive(Debug, Clone, PartialEq)]
pub enum SaveOutcome {
    /// The change is saved; the file after it.
    Saved(CadFile),
    /// The file is not at the expected revision, so nothing was changed; the file as it is.
    Changed(CadFile),
    /// The file does not exist.
    NotThere,
}

impl SaveOutcome {
    /// The changed file, if the change was saved.
    #[must_use]
    pub fn saved(self) -> Option<CadFile> {
        match self {
            Self::Saved(file) => Some(file),
            Self::Changed(_) | Self::NotThere => None,
        }
    }
}

/// A change of a file. A store [applies](Self::apply) it, and runs what [follows](Self::follow) on the
/// rows of the changed file, in one transaction.
#[derive(Debug, Clone, PartialEq)]
pub enum FileChange {
    /// New bytes, which are in the blob store, and the request of `process_step_file`. All media are
    /// outdated then.
    Source(KeptBlob, Request),
    /// New part materials. Media that show them are made again.
    PartMaterials(MaterialMap),
    /// New manual overrides. Media that show them are made again.
    ManualOverrides(MaterialMap),
}

impl FileChange {
    /// Changes `file`, whose `updated_at` moves strictly forward.
    pub fn apply(&self, file: &mut CadFile, now: Moment) {
        match self {
            Self::Source(source, _) => file.source = source.blob(),
            Self::PartMaterials(map) => file.materials.part_materials.clone_from(map),
            Self::ManualOverrides(map) => file.materials.manual_overrides.clone_from(map),
        }
        file.updated_at = now.max(file.updated_at + TimeDelta::microseconds(1));
    }

    /// Requests what follows from it.
    pub fn follow(&self, file_rows: &mut FileRows<'_>) {
        match self {
            Self::Source(_, request) => file_rows.source_changed(*request),
            Self::PartMaterials(_) | Self::ManualOverrides(_) => file_rows.materials_changed(),
        }
    }
}
