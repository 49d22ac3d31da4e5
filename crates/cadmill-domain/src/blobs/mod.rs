//! Blobs: bytes that are stored under their SHA-256.

mod loss;
mod refs;
mod store;

use serde::{Deserialize, Serialize};

pub use self::{
    loss::{BlobExamination, BlobLoss, BlobState, examine_blob, report_blob_loss},
    refs::{
        BlobCopy, BlobIntent, BlobRefs, INTENT_HOURS, KeptBlob, Removal, RemovalRow, StoredBlob,
        Unreferenced, keep_bytes, keep_file, keep_intended, keep_upload,
    },
    store::{BlobUpload, Blobs, ByteStream},
};
#[cfg(feature = "mock")]
pub use self::{
    refs::MockBlobRefs,
    store::{MockBlobUpload, MockBlobs},
};
use crate::ContentHash;

/// Some bytes in the blob store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Blob {
    /// SHA-256 of the bytes; their address.
    pub sha256: ContentHash,
    /// How many there are.
    pub bytes: u64,
}

impl Blob {
    /// What `bytes` are kept under.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self {
            sha256: ContentHash::of(bytes),
            bytes: bytes.len() as u64,
        }
    }
}
