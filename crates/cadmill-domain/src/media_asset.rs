//! A medium that was made.

use serde::{Deserialize, Serialize};

use crate::{
    Blob, CadFileId, Fence, Input, KeptBlob, MediaAssetId, MediaKind, MediaReport, Moment,
};

/// A medium of a CAD file: unique for the file, the kind and the input.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MediaAsset {
    /// Its identity.
    pub id: MediaAssetId,
    /// The file it shows.
    pub cad_file_id: CadFileId,
    /// What it is.
    pub kind: MediaKind,
    /// What it was made of.
    pub input: Input,
    /// Its bytes.
    pub blob: Blob,
    /// What was found and measured when it was made.
    pub report: MediaReport,
    /// The claim under which it was published.
    pub fence: Fence,
    /// When it was published.
    pub created_at: Moment,
}

/// A medium that is about to be published.
#[derive(Debug, Clone, PartialEq)]
pub struct NewMediaAsset {
    /// Its bytes, which are in the blob store already.
    pub blob: KeptBlob,
    /// What was found and measured when it was made.
    pub report: MediaReport,
}
