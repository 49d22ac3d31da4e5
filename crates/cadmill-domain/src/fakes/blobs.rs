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
use crate::{
    Blob, Blobs, ContentHash, Failure, FailureCode,
    blobs::{BlobCopy, BlobUpload, ByteStream},
};

/// Blobs in memory. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct MemoryBlobs(Arc<Mutex<BTreeMap<ContentHash, Vec<u8>>>>);

impl MemoryBlobs {
    /// Replaces the bytes that are kept of a blob by others, as a broken disk does; `None` removes
    /// them.
    pub fn damage(&self, blob: &Blob, bytes: Option<Vec<u8>>) {
        let mut blobs = locked(&self.0);
        match bytes {
            Some(bytes) => blobs.insert(blob.sha256, bytes),
            None => blobs.remove(&blob.sha256),
        };
    }

    fn found(&self, blob: &Blob) -> Result<Vec<u8>, Failure> {
        let found = locked(&self.0).get(&blob.sha256).cloned();
        let bytes = found.ok_or_else(|| {
            let detail = format!("The blob {} is not there.", blob.sha256);
            Failure::new(FailureCode::BlobMissing, detail)
        })?;
        if bytes.len() as u64 == blob.bytes {
            return Ok(bytes);
        }
        let detail = format!("The blob {} has another length.", blob.sha256);
        Err(Failure::new(FailureCode::BlobDamaged, detail))
    }
}

#[async_trait]
impl Blobs for MemoryBlobs {
    // Nothing is ever removed here, so all copies of a blob are the same.
    async fn put_copy(&self, bytes: Bytes, _copy: BlobCopy) -> Result<Blob, Failure> {
        let blob = Blob::of(&bytes);
        locked(&self.0).insert(blob.sha256, bytes.into());
        Ok(blob)
    }

    async fn hash_file(&self, path: &Path) -> Result<Blob, Failure> {
        read(path).map(|bytes| Blob::of(&bytes))
    }

    async fn put_file_copy(&self, path: &Path, blob: Blob, copy: BlobCopy) -> Result<(), Failure> {
        let bytes = read(path)?;
        if Blob::of(&bytes) != blob {
            let detail = "It was changed while it was being read.";
            return Err(Failure::new(FailureCode::Unreadable, detail));
        }
        self.put_copy(bytes.into(), copy).await.map(drop)
    }

    async fn get(&self, blob: &Blob) -> Result<Vec<u8>, Failure> {
        let bytes = self.found(blob)?;
        if ContentHash::of(&bytes) == blob.sha256 {
            return Ok(bytes);
        }
        let detail = format!("The blob {} is damaged.", blob.sha256);
        Err(Failure::new(FailureCode::BlobDamaged, detail))
    }

    async fn fetch(&self, blob: &Blob, folder: &Path) -> Result<PathBuf, Failure> {
        let path = folder.join(blob.sha256.to_string());
        let bytes = self.get(blob).await?;
        std::fs::write(&path, bytes)
            .map_err(|error| Failure::writing(&format!("`{}`", path.display()), &error))?;
        Ok(path)
    }

    async fn is_whole(&self, blob: &Blob) -> Result<bool, Failure> {
        let blobs = locked(&self.0);
        let found = blobs.get(&blob.sha256);
        Ok(found.is_some_and(|found| found.len() as u64 == blob.bytes))
    }

    async fn begin(&self) -> Result<Box<dyn BlobUpload>, Failure> {
        Ok(Box::new(MemoryUpload {
            blobs: self.clone(),
            bytes: Vec::new(),
        }))
    }

    async fn read(&self, blob: &Blob, range: Range<u64>) -> Result<ByteStream, Failure> {
        let bytes = Bytes::from(self.found(blob)?);
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

    fn written(&self) -> Blob {
        Blob::of(&self.bytes)
    }

    async fn finish_copy(self: Box<Self>, copy: BlobCopy) -> Result<Blob, Failure> {
        self.blobs.put_copy(self.bytes.into(), copy).await
    }

    async fn abort(self: Box<Self>) {}
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).map_err(|error| {
        let detail = format!("Reading it failed: {error}.");
        Failure::new(FailureCode::Unreadable, detail)
    })
}
