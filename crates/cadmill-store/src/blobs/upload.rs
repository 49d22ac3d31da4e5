//! Bytes that come in pieces: they are written under a name of their own while they are hashed, and
//! renamed to their hash when all of them are there.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use cadmill_domain::{Blob, BlobUpload, ContentHash, Failure, FailureCode};
use object_store::{ObjectStore, ObjectStoreExt as _, WriteMultipart, path::Path as Key};
use sha2::{Digest as _, Sha256};
use tokio::runtime::Handle;
use tracing::warn;
use uuid::Uuid;

use super::{INCOMING, failure, key};

/// How many parts of 5 MiB are on their way at once; as much memory is used.
const PARTS: usize = 2;

/// An upload. The writer is gone once it was closed.
#[derive(Debug)]
pub(super) struct Upload {
    store: Arc<dyn ObjectStore>,
    incoming: Key,
    writer: Option<WriteMultipart>,
    hasher: Sha256,
    bytes: u64,
}

impl Upload {
    pub(super) async fn begin(store: Arc<dyn ObjectStore>) -> Result<Self, Failure> {
        let incoming = Key::from(format!("{INCOMING}/{}", Uuid::now_v7()));
        let upload = store.put_multipart(&incoming).await;
        let upload = upload.map_err(|error| failure("Beginning an upload", &error))?;
        Ok(Self {
            store,
            incoming,
            writer: Some(WriteMultipart::new(upload)),
            hasher: Sha256::new(),
            bytes: 0,
        })
    }
}

#[async_trait]
impl BlobUpload for Upload {
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

    async fn finish(mut self: Box<Self>) -> Result<Blob, Failure> {
        let writer = self.writer.take().ok_or_else(closed)?;
        let finished = writer.finish().await;
        finished.map_err(|error| failure("Ending an upload", &error))?;
        let blob = Blob {
            sha256: ContentHash::from_digest(self.hasher.finalize_reset().into()),
            bytes: self.bytes,
        };
        let named = self.store.rename(&self.incoming, &key(blob.sha256)).await;
        if let Err(error) = named {
            // What is left is swept; that it cannot be removed now is no new failure.
            drop(self.store.delete(&self.incoming).await);
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

impl Drop for Upload {
    fn drop(&mut self) {
        if let Some(writer) = self.writer.take()
            && let Ok(runtime) = Handle::try_current()
        {
            runtime.spawn(writer.abort());
        }
    }
}

fn closed() -> Failure {
    Failure::new(FailureCode::Storage, "The upload was closed before.")
}
