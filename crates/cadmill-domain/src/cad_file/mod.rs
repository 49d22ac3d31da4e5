//! CAD files: their bytes, what was read from them, and the materials of their parts.

mod overview;
mod revision;
mod store;

use serde::{Deserialize, Serialize};

#[cfg(feature = "mock")]
pub use self::store::MockCadFiles;
pub use self::{
    overview::{CadFileOverview, CadFilePage, CadFileQuery, MediaState, MediaStatus, Period},
    revision::{FileChange, ParseRevisionError, Revision, SaveOutcome},
    store::CadFiles,
};
use crate::{Blob, CadFileId, ContentHash, MaterialMaps, Moment, StepFacts, blobs::KeptBlob};

/// A STEP file that media are made of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CadFile {
    /// Its identity.
    pub id: CadFileId,
    /// What people call it: the name or the relative path that it was brought in under.
    pub name: String,
    /// SHA-256 of its bytes (`step_file_hash`), under which the blob store keeps them.
    pub source: Blob,
    /// What `process_step_file` found in it; nothing until it was read.
    pub step: Option<StepFacts>,
    /// The two maps of materials.
    pub materials: MaterialMaps,
    /// When it was brought in.
    pub created_at: Moment,
    /// When its bytes or its materials last changed; later with each change, if only by 1 µs.
    pub updated_at: Moment,
}

impl CadFile {
    /// Which state of it this is.
    #[must_use]
    pub const fn revision(&self) -> Revision {
        Revision::of(self.updated_at)
    }

    /// What its media depend on.
    #[must_use]
    pub fn subject(&self) -> Subject {
        Subject {
            id: self.id,
            source: self.source.sha256,
            materials: self.materials.fingerprint(),
        }
    }
}

/// What the media of a file depend on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subject {
    /// The file.
    pub id: CadFileId,
    /// SHA-256 of its bytes.
    pub source: ContentHash,
    /// The fingerprint of its materials.
    pub materials: ContentHash,
}

/// A CAD file that is not yet there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewCadFile {
    /// What people call it.
    pub name: String,
    /// Its bytes, which are in the blob store already.
    pub source: KeptBlob,
}
