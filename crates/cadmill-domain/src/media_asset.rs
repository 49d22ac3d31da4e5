//! Media that were made.

use std::fmt;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{
    Blob, CadFileId, ContentHash, Input, MediaAssetId, MediaKind, MediaReport, Moment, StoreError,
    blobs::KeptBlob, ledger::Fence,
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

/// The media that were made.
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait MediaAssets: Send + Sync + fmt::Debug {
    /// The asset, if it is there.
    ///
    /// # Errors
    /// If the database does not answer.
    async fn get(&self, id: MediaAssetId) -> Result<Option<MediaAsset>, StoreError>;

    /// An asset of this kind that was made of `input`, of whatever file.
    ///
    /// # Errors
    /// If the database does not answer.
    async fn made_of(
        &self,
        kind: MediaKind,
        input: &Input,
    ) -> Result<Option<MediaAsset>, StoreError>;

    /// All assets of a file, the newest first.
    ///
    /// # Errors
    /// If the database does not answer.
    async fn of_file(&self, file: CadFileId) -> Result<Vec<MediaAsset>, StoreError>;

    /// Up to `limit` blobs to which files and media refer, each once, in the order of their hashes,
    /// from the first after `after`.
    ///
    /// # Errors
    /// If the database does not answer.
    async fn blobs(
        &self,
        after: Option<ContentHash>,
        limit: usize,
    ) -> Result<Vec<Blob>, StoreError>;
}
