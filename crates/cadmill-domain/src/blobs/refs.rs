//! What keeps a blob from being swept between the moment in which its bytes are stored and the
//! moment in which a row refers to it; and how a sweep removes what nothing refers to.
//!
//! A row that records the *intent* to refer to a blob is written before its bytes are. The
//! transaction that decides to remove a blob finds neither a reference nor an intent, and records
//! the *removal* before anything is deleted. The bytes of a blob whose removal was decided are
//! stored as another *copy*, under another name, which no deletion of that removal concerns, however
//! late it comes.

use std::{fmt, path::Path};

use async_trait::async_trait;
use bytes::Bytes;

use crate::{
    Blob, BlobIntentId, Blobs, ContentHash, Failure, StoreError, SweepId, blobs::BlobUpload,
};

/// How long an intent keeps a blob, in hours. It is not a matter of safety: the row that refers to a
/// blob is refused when the intent is gone.
pub const INTENT_HOURS: i64 = 24;

/// Which copy of a blob, of those that were stored one after the other. All have the same bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlobCopy(pub u32);

impl BlobCopy {
    /// The only copy of nearly all blobs.
    pub const FIRST: Self = Self(0);
}

/// The recorded intent to refer to a blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlobIntent {
    /// Its row.
    pub id: BlobIntentId,
    /// The blob.
    pub sha256: ContentHash,
    /// As which copy its bytes are to be stored.
    pub copy: BlobCopy,
}

/// A blob that is stored, and that no sweep removes before a row refers to it. It is made by
/// [`keep_bytes`], [`keep_file`] and [`keep_upload`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeptBlob {
    blob: Blob,
    intent: Option<BlobIntentId>,
}

impl KeptBlob {
    /// The blob.
    #[must_use]
    pub const fn blob(&self) -> Blob {
        self.blob
    }

    /// The intent that the transaction of the referring row ends; none if another row, which that
    /// transaction has locked, refers to the blob.
    #[must_use]
    pub const fn intent(&self) -> Option<BlobIntentId> {
        self.intent
    }

    /// The blob of a medium whose row is locked.
    pub(crate) const fn of_locked_row(blob: Blob) -> Self {
        let intent = None;
        Self { blob, intent }
    }
}

/// A blob for tests that keep no bytes, or never sweep.
#[cfg(feature = "test-support")]
impl From<Blob> for KeptBlob {
    fn from(blob: Blob) -> Self {
        Self::of_locked_row(blob)
    }
}

/// A blob that a sweep has found in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct StoredBlob {
    /// The blob.
    pub sha256: ContentHash,
    /// One more than the number of its last copy.
    pub copies: u32,
}

/// A blob to which no row refers and no intent is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unreferenced {
    /// The blob.
    pub sha256: ContentHash,
    /// Whether a row referred to it that was deleted or changed on purpose.
    pub is_released: bool,
}

/// A decided removal: the copies of a blob below `copies` may be deleted, at any time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Removal {
    /// The blob.
    pub sha256: ContentHash,
    /// One more than the number of the last copy that may be deleted.
    pub copies: u32,
}

/// The row of a removal. Its transitions are the same for every database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RemovalRow {
    /// One more than the number of the last copy that may be deleted at any time, also by a sweep
    /// that was believed dead. Bytes are stored as the copy of this number.
    pub copies: u32,
    /// The only sweep that deletes copies, if there was never another.
    pub sweep: Option<SweepId>,
    /// Whether all copies below `copies` were deleted once.
    pub is_done: bool,
}

impl RemovalRow {
    /// Decides a removal of the copies below `listed`, which were found in the store.
    #[must_use]
    pub fn begin(found: Option<Self>, listed: u32, sweep: SweepId) -> Self {
        match found {
            None => Self {
                copies: listed.max(1),
                sweep: Some(sweep),
                is_done: false,
            },
            // An earlier sweep may still delete what it was to delete.
            Some(row) => Self {
                copies: listed.max(row.copies + 1),
                sweep: None,
                is_done: false,
            },
        }
    }

    /// Lets another sweep delete the same copies. From then on the row stays, since it is not known
    /// when the first one ends.
    #[must_use]
    pub const fn take_over(self) -> Self {
        Self {
            sweep: None,
            ..self
        }
    }

    /// Ends a removal whose copies were all deleted by `sweep`. Where no other sweep can delete
    /// anything, no row is left, and bytes are stored as the first copy again.
    #[must_use]
    pub fn end(self, sweep: SweepId, copies: u32) -> Option<Self> {
        if self.copies != copies {
            return Some(self);
        }
        let is_done = true;
        (self.sweep != Some(sweep)).then_some(Self { is_done, ..self })
    }
}

/// Which blobs are referred to, or are about to be.
///
/// Every operation is atomic, and [`BlobRefs::intend`] and [`BlobRefs::begin_removal`] take turns:
/// either the removal finds the intent, or the intent finds the removal.
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait BlobRefs: Send + Sync + fmt::Debug {
    /// Records the intent to refer to a blob, before its bytes are stored. The intent ends in the
    /// transaction of the row that refers to the blob, or after [`INTENT_HOURS`].
    ///
    /// A crash of the database may lose an intent; then the row that refers to the blob is refused
    /// as [`StoreError::BlobNotKept`].
    ///
    /// # Errors
    /// If the database does not answer.
    async fn intend(&self, sha256: ContentHash) -> Result<BlobIntent, StoreError>;

    /// Ends an intent without a reference.
    ///
    /// # Errors
    /// If the database does not answer.
    async fn withdraw(&self, intent: BlobIntentId) -> Result<(), StoreError>;

    /// Which of these blobs no row refers to, as source or as medium, and no intent is open for.
    /// It is a look, not a decision.
    ///
    /// # Errors
    /// If the database does not answer.
    async fn unreferenced(&self, blobs: Vec<ContentHash>) -> Result<Vec<Unreferenced>, StoreError>;

    /// Decides which of these blobs are removed: those without a reference and without an intent.
    /// Intents that are older than [`INTENT_HOURS`] end here.
    ///
    /// # Errors
    /// If the database does not answer; then nothing may be deleted.
    async fn begin_removal(
        &self,
        sweep: SweepId,
        stored: Vec<StoredBlob>,
    ) -> Result<Vec<Removal>, StoreError>;

    /// The removals that other sweeps have begun and not ended, so that `sweep` can go on with them.
    ///
    /// # Errors
    /// If the database does not answer.
    async fn take_over_removals(&self, sweep: SweepId) -> Result<Vec<Removal>, StoreError>;

    /// Ends removals, after the blob store has confirmed each deletion.
    ///
    /// # Errors
    /// If the database does not answer.
    async fn end_removal(&self, sweep: SweepId, removed: Vec<Removal>) -> Result<(), StoreError>;
}

/// Stores some bytes, and keeps them until a row refers to them.
///
/// # Errors
/// As [`Blobs::put`], and `database` if the intent cannot be recorded.
pub async fn keep_bytes(
    blobs: &dyn Blobs,
    refs: &dyn BlobRefs,
    bytes: Bytes,
) -> Result<KeptBlob, Failure> {
    let intent = refs.intend(ContentHash::of(&bytes)).await?;
    keep_intended(blobs, bytes, intent).await
}

/// Stores some bytes for which there is an intent.
///
/// # Errors
/// As [`Blobs::put`].
pub async fn keep_intended(
    blobs: &dyn Blobs,
    bytes: Bytes,
    intent: BlobIntent,
) -> Result<KeptBlob, Failure> {
    let blob = blobs.put_copy(bytes, intent.copy).await?;
    Ok(kept(blob, intent))
}

/// Stores a file, and keeps it until a row refers to it.
///
/// # Errors
/// As [`Blobs::put_file`], and `database` if the intent cannot be recorded.
pub async fn keep_file(
    blobs: &dyn Blobs,
    refs: &dyn BlobRefs,
    path: &Path,
) -> Result<KeptBlob, Failure> {
    let blob = blobs.hash_file(path).await?;
    let intent = refs.intend(blob.sha256).await?;
    blobs.put_file_copy(path, blob, intent.copy).await?;
    Ok(kept(blob, intent))
}

/// Ends an upload, and keeps its bytes until a row refers to them.
///
/// # Errors
/// As [`BlobUpload::finish`], and `database` if the intent cannot be recorded.
pub async fn keep_upload(
    refs: &dyn BlobRefs,
    upload: Box<dyn BlobUpload>,
) -> Result<KeptBlob, Failure> {
    let intent = match refs.intend(upload.written().sha256).await {
        Ok(intent) => intent,
        Err(error) => {
            upload.abort().await;
            return Err(error.into());
        }
    };
    let blob = upload.finish_copy(intent.copy).await?;
    Ok(kept(blob, intent))
}

const fn kept(blob: Blob, intent: BlobIntent) -> KeptBlob {
    let intent = Some(intent.id);
    KeptBlob { blob, intent }
}
