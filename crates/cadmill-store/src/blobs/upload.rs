//! Bytes that come in pieces: they are written under a name of their own while they are hashed, and
//! renamed to their hash when all of them are there.

use std::{io::Write as _, mem};

use async_trait::async_trait;
use bytes::Bytes;
use cadmill_domain::{
    Blob, ContentHash, Failure, FailureCode,
    blobs::{BlobCopy, BlobUpload},
};
use object_store::{ObjectStoreExt as _, WriteMultipart, path::Path as Key};
use sha2::{Digest as _, Sha256};
use tempfile::NamedTempFile;
use tokio::runtime::Handle;
use tracing::warn;
use uuid::Uuid;

use super::{
    CHUNK, INCOMING, ObjectBlobs, PARTS, failure,
    folder::{Folder, Staged, blocking},
    keys::key_of,
};

/// An upload into an object store. The writer is gone once it was closed.
#[derive(Debug)]
pub(super) struct ObjectUpload {
    blobs: ObjectBlobs,
    incoming: Key,
    writer: Option<WriteMultipart>,
    hasher: Sha256,
    bytes: u64,
}

impl ObjectUpload {
    pub(super) async fn begin(blobs: ObjectBlobs) -> Result<Self, Failure> {
        let incoming = Key::from(format!("{INCOMING}/{}", Uuid::now_v7()));
        let upload = blobs.store.put_multipart(&incoming).await;
        let upload = upload.map_err(|error| failure("Beginning an upload", &error))?;
        Ok(Self {
            blobs,
            incoming,
            writer: Some(WriteMultipart::new(upload)),
            hasher: Sha256::new(),
            bytes: 0,
        })
    }
}

#[async_trait]
impl BlobUpload for ObjectUpload {
    async fn write(&mut self, piece: Bytes) -> Result<(), Failure> {
        let writer = self.writer.as_mut().ok_or_else(closed)?;
        let ready = writer.wait_for_capacity(PARTS).await;
        ready.map_err(|error| failure("Writing an upload", &error))?;
        // Copied, so that no small piece keeps the large buffer that it came in.
        writer.write(&piece);
        self.hasher.update(&piece);
        self.bytes += piece.len() as u64;
        Ok(())
    }

    fn written(&self) -> Blob {
        Blob {
            sha256: ContentHash::from_digest(self.hasher.clone().finalize().into()),
            bytes: self.bytes,
        }
    }

    async fn finish_copy(mut self: Box<Self>, copy: BlobCopy) -> Result<Blob, Failure> {
        // What is refused is aborted when it is dropped.
        self.blobs.check_before_storing().await?;
        let writer = self.writer.take().ok_or_else(closed)?;
        let finished = writer.finish().await;
        finished.map_err(|error| failure("Ending an upload", &error))?;
        let blob = self.written();
        let store = &self.blobs.store;
        let named = store
            .rename(&self.incoming, &key_of(blob.sha256, copy))
            .await;
        if let Err(error) = named {
            // What is left is swept; that it cannot be removed now is no new failure.
            drop(store.delete(&self.incoming).await);
            let what = format!("Writing the blob {}", blob.sha256);
            return Err(failure(&what, &error));
        }
        Ok(blob)
    }

    async fn abort(mut self: Box<Self>) {
        if let Some(writer) = self.writer.take()
            && let Err(error) = writer.abort().await
        {
            let error = &error as &dyn std::error::Error;
            warn!(error, "An upload could not be aborted; it is swept later.");
        }
    }
}

impl Drop for ObjectUpload {
    fn drop(&mut self) {
        if let Some(writer) = self.writer.take()
            && let Ok(runtime) = Handle::try_current()
        {
            runtime.spawn(writer.abort());
        }
    }
}

/// An upload into a folder. The file is gone once writing it has failed; it is removed when dropped.
#[derive(Debug)]
pub(super) struct FolderUpload {
    blobs: ObjectBlobs,
    folder: Folder,
    file: Option<NamedTempFile>,
    /// What is not yet in the file.
    pending: Vec<u8>,
    hasher: Sha256,
    bytes: u64,
}

impl FolderUpload {
    pub(super) fn begin(blobs: ObjectBlobs, folder: Folder) -> Result<Self, Failure> {
        let file = folder.begin().map_err(|error| writing(&error))?;
        Ok(Self {
            blobs,
            folder,
            file: Some(file),
            pending: Vec::new(),
            hasher: Sha256::new(),
            bytes: 0,
        })
    }

    /// Writes what is pending. A file that could not be written is given up.
    async fn flush(&mut self) -> Result<(), Failure> {
        let mut file = self.file.take().ok_or_else(closed)?;
        let pending = mem::take(&mut self.pending);
        let written = blocking(move || {
            file.write_all(&pending)?;
            Ok(file)
        });
        self.file = Some(written.await.map_err(|error| writing(&error))?);
        Ok(())
    }
}

#[async_trait]
impl BlobUpload for FolderUpload {
    async fn write(&mut self, piece: Bytes) -> Result<(), Failure> {
        if self.file.is_none() {
            return Err(closed());
        }
        self.hasher.update(&piece);
        self.bytes += piece.len() as u64;
        self.pending.extend_from_slice(&piece);
        if self.pending.len() < CHUNK {
            return Ok(());
        }
        self.flush().await
    }

    fn written(&self) -> Blob {
        Blob {
            sha256: ContentHash::from_digest(self.hasher.clone().finalize().into()),
            bytes: self.bytes,
        }
    }

    async fn finish_copy(mut self: Box<Self>, copy: BlobCopy) -> Result<Blob, Failure> {
        self.flush().await?;
        let file = self.file.take().ok_or_else(closed)?;
        self.blobs.check_before_storing().await?;
        let blob = self.written();
        let staged = blocking(move || Staged::of(file));
        let published = async {
            let staged = staged.await?;
            self.folder
                .publish(staged, &key_of(blob.sha256, copy))
                .await
        };
        published.await.map_err(|error| writing(&error))?;
        Ok(blob)
    }

    async fn abort(self: Box<Self>) {}
}

fn writing(error: &std::io::Error) -> Failure {
    Failure::writing("an upload", error)
}

fn closed() -> Failure {
    Failure::new(FailureCode::Storage, "The upload was closed before.")
}
