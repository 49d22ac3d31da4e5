//! Changes of a CAD file, and the revision by which they are told apart.

use std::{fmt, str::FromStr};

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use crate::{
    Blob, CadFile, MaterialMap, Moment,
    ledger::{FileRows, Request},
};

/// Which state of a file this is: its `updated_at`, in microseconds since 1970. Each change gives a
/// higher one, whatever the clock says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Revision(i64);

impl Revision {
    /// The one of a file that was last changed then.
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

/// What became of a change of a file.
#[derive(Debug, Clone, PartialEq)]
pub enum SaveOutcome {
    /// It is saved; the file as it is now.
    Saved(CadFile),
    /// The file is no longer at the revision that was expected; nothing was done. The file as it is.
    Changed(CadFile),
    /// There is no such file.
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

/// A change of a file. Whoever keeps files lets it [apply](Self::apply), and then
/// [follow](Self::follow) on the book of the changed file, in one transaction.
#[derive(Debug, Clone, PartialEq)]
pub enum FileChange {
    /// New bytes, and how `process_step_file` is asked for.
    Source(Blob, Request),
    /// Other part materials.
    PartMaterials(MaterialMap),
    /// Other manual overrides.
    ManualOverrides(MaterialMap),
}

impl FileChange {
    /// Changes `file`, whose `updated_at` moves strictly forward.
    pub fn apply(&self, file: &mut CadFile, now: Moment) {
        match self {
            Self::Source(source, _) => file.source = *source,
            Self::PartMaterials(map) => file.materials.part_materials.clone_from(map),
            Self::ManualOverrides(map) => file.materials.manual_overrides.clone_from(map),
        }
        file.updated_at = now.max(file.updated_at + TimeDelta::microseconds(1));
    }

    /// Asks for what follows from it.
    pub fn follow(&self, file_rows: &mut FileRows<'_>) {
        match self {
            Self::Source(_, request) => file_rows.source_changed(*request),
            Self::PartMaterials(_) | Self::ManualOverrides(_) => file_rows.materials_changed(),
        }
    }
}
