//! Blobs in memory.

use std::{
    collections::BTreeMap,
    ops::Range,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};

use super::locked;
use crate::{Blob, BlobUpload, Blobs, ByteStream, ContentHash, Failure, FailureCode};

/// Blobs in memory. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct MemoryBlobs(Arc<Mutex<BTreeMap<ContentHash, Vec<u8>>>>);

#[async_trait]
impl Blobs for MemoryBlobs {
    async fn put(&self, bytes: Vec<u8>) -> Result<Blob, Failure> {
        let blob = Blob::of(&bytes);
        locked(&self.0).insert(blob.sha256, bytes);
        Ok(blob)
    }

    async fn put_file(&self, path: &Path) -> Result<Blob, Failure> {
        let bytes = std::fs::read(path).map_err(|error| {
            Failure::new(
                FailureCode::Unreadable,
                format!("Reading it failed: {error}."),
            )
        })?;
        self.put(bytes).await
    }

    async fn get(&self, blob: &Blob) -> Result<Vec<u8>, Failure> {
        let found = locked(&self.0).get(&blob.sha256).cloned();
        found.ok_or_else(|| {
            let detail = format!("The blob {} is not there.", blob.sha256);
            Failure::new(FailureCode::Storage, detail)
        })
    }

    async fn fetch(&self, blob: &Blob, folder: &Path) -> Result<PathBuf, Failure> {
        let path = folder.join(blob.sha256.to_string());
        let bytes = self.get(blob).await?;
        std::fs::write(&path, bytes)
            .map_err(|error| Failure::writing(&format!("`{}`", path.display()), &error))?;
        Ok(path)
    }

    async fn begin(&self) -> Result<Box<dyn BlobUpload>, Failure> {
        Ok(Box::new(MemoryUpload {
            blobs: self.clone(),
            bytes: Vec::new(),
        }))
    }

    async fn read(&self, blob: &Blob, range: Range<u64>) -> Result<ByteStream, Failure> {
        let bytes = Bytes::from(self.get(blob).await?);
        let end = (range.end as usize).min(bytes.len());
        let start = (range.start as usize).min(end);
        let piece = Ok(bytes.slice(start..end));
        Ok(stream::iter([piece].into_iter().filter(move |_| start < end)).boxed())
    }

    async fn direct_url(
        &self,
        _blob: &Blob,
        _file_name: &str,
        _media_type: &str,
        _valid_for: Duration,
    ) -> Result<Option<String>, Failure> {
        Ok(None)
    }

    async fn probe(&self) -> Result<(), Failure> {
        Ok(())
    }
}

/// Bytes on their way into memory.
#[derive(Debug)]
struct MemoryUpload {
    blobs: MemoryBlobs,
    bytes: Vec<u8>,
}

#[async_trait]
impl BlobUpload for MemoryUpload {
    async fn write(&mut self, piece: Bytes) -> Result<(), Failure> {
        self.bytes.extend_from_slice(&piece);
        Ok(())
    }

    async fn finish(self: Box<Self>) -> Result<Blob, Failure> {
        self.blobs.put(self.bytes).await
    }

    async fn abort(self: Box<Self>) {}
}
