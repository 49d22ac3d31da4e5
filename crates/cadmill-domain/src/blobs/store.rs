//! The port of the blob store.

use std::{
    fmt,
    ops::Range,
    path::{Path, PathBuf},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::BoxStream;

use super::{Blob, BlobCopy};
use crate::Failure;

/// Bytes under the hash of what they are. A reader gets all of them or none. What was stored is
/// durable: neither a power cut nor a crash of the machine loses it.
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait Blobs: Send + Sync + fmt::Debug {
    /// Stores some bytes. Storing the same again is fine, and mends a blob that is damaged.
    ///
    /// # Errors
    /// `storage` or `disk_full`; then nothing can be read under their hash that was not there.
    async fn put(&self, bytes: Vec<u8>) -> Result<Blob, Failure> {
        self.put_copy(bytes.into(), BlobCopy::FIRST).await
    }

    /// Stores some bytes as this copy of their blob. A reader gets any copy that is whole.
    ///
    /// # Errors
    /// As [`Blobs::put`].
    async fn put_copy(&self, bytes: Bytes, copy: BlobCopy) -> Result<Blob, Failure>;

    /// Stores a file.
    ///
    /// # Errors
    /// `unreadable` if it cannot be read or changes meanwhile, else as [`Blobs::put`].
    async fn put_file(&self, path: &Path) -> Result<Blob, Failure> {
        let blob = self.hash_file(path).await?;
        self.put_file_copy(path, blob, BlobCopy::FIRST).await?;
        Ok(blob)
    }

    /// What a file is stored as.
    ///
    /// # Errors
    /// `unreadable` if it cannot be read.
    async fn hash_file(&self, path: &Path) -> Result<Blob, Failure>;

    /// Stores a file that was hashed, as this copy of its blob.
    ///
    /// # Errors
    /// `unreadable` if it cannot be read or has changed since, else as [`Blobs::put`].
    async fn put_file_copy(&self, path: &Path, blob: Blob, copy: BlobCopy) -> Result<(), Failure>;

    /// The bytes.
    ///
    /// # Errors
    /// `blob_missing` if they are not there, `blob_damaged` if they are others, `storage` if the store
    /// does not answer.
    async fn get(&self, blob: &Blob) -> Result<Vec<u8>, Failure>;

    /// Writes the bytes into a new file in `folder`, or names one that holds them already and must
    /// not be changed.
    ///
    /// # Errors
    /// As [`Blobs::get`], and if the file cannot be written.
    async fn fetch(&self, blob: &Blob, folder: &Path) -> Result<PathBuf, Failure>;

    /// Whether the blob is there with the length that it should have. Its bytes are not read.
    ///
    /// # Errors
    /// `storage` if the store does not answer.
    async fn is_whole(&self, blob: &Blob) -> Result<bool, Failure>;

    /// Begins to store bytes that come in pieces, in a few MiB of memory whatever their size.
    ///
    /// # Errors
    /// As [`Blobs::put`].
    async fn begin(&self) -> Result<Box<dyn BlobUpload>, Failure>;

    /// The bytes of a range, as they come. What of the range lies behind the end is left out. Their
    /// hash is not checked, the length of the whole is.
    ///
    /// # Errors
    /// `blob_missing` if the blob is not there, `blob_damaged` if it has another length, `storage` if it
    /// cannot be read; in the stream, if that happens later.
    async fn read(&self, blob: &Blob, range: Range<u64>) -> Result<ByteStream, Failure>;

    /// A URL under which anybody can get the bytes for so long, with this media type and to be saved
    /// under this name; nothing if the store cannot give one.
    ///
    /// # Errors
    /// `blob_missing` if the blob is not there, `blob_damaged` if it has another length, `storage` if the
    /// store fails otherwise.
    async fn direct_url(
        &self,
        blob: &Blob,
        file_name: &str,
        media_type: &str,
        valid_for: Duration,
    ) -> Result<Option<String>, Failure>;

    /// Writes, reads and removes a few bytes.
    ///
    /// # Errors
    /// `storage` or `disk_full` if any of that fails.
    async fn probe(&self) -> Result<(), Failure>;
}

/// Bytes as they come.
pub type ByteStream = BoxStream<'static, Result<Bytes, Failure>>;

/// Bytes that are being stored. What is dropped before it is finished leaves nothing that can be
/// read; whatever else it leaves is swept.
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait BlobUpload: Send + fmt::Debug {
    /// Takes the next piece.
    ///
    /// # Errors
    /// As [`Blobs::put`]; then it can only be aborted.
    async fn write(&mut self, piece: Bytes) -> Result<(), Failure>;

    /// What was written so far.
    fn written(&self) -> Blob;

    /// Makes the whole readable under its hash.
    ///
    /// # Errors
    /// As [`Blobs::put`].
    #[expect(
        clippy::must_use_candidate,
        reason = "the future that it becomes must be used already"
    )]
    async fn finish(self: Box<Self>) -> Result<Blob, Failure> {
        self.finish_copy(BlobCopy::FIRST).await
    }

    /// The same, as this copy of its blob.
    ///
    /// # Errors
    /// As [`Blobs::put`].
    async fn finish_copy(self: Box<Self>, copy: BlobCopy) -> Result<Blob, Failure>;

    /// Forgets all pieces. Failing is not fatal, so it is only logged.
    async fn abort(self: Box<Self>);
}
