//! Canonical scenes without their meshes, as far as they were asked for lately.

use std::sync::Arc;

use cadmill_domain::{Blob, ContentHash, Failure, FailureCode};
use cadmill_scene::{Scene, SceneError, glb};
use futures_util::TryStreamExt as _;
use quick_cache::sync::Cache;

use crate::{
    media_bytes::MediaBytes,
    problem::{Code, Problem},
};

/// How many outlines are kept.
const KEPT: usize = 64;

/// Reads outlines, and keeps the last ones: a blob never changes.
#[derive(Debug)]
pub(crate) struct Outlines {
    media: MediaBytes,
    kept: Cache<ContentHash, Arc<Scene>>,
}

impl Outlines {
    pub(crate) fn new(media: MediaBytes) -> Self {
        let kept = Cache::new(KEPT);
        Self { media, kept }
    }

    /// The outline of the canonical scene in `blob`, of which only the JSON chunk is read.
    pub(crate) async fn of(&self, blob: &Blob) -> Result<Arc<Scene>, Problem> {
        if let Some(scene) = self.kept.get(&blob.sha256) {
            return Ok(scene);
        }
        match self.read(blob).await? {
            Ok(scene) => {
                let scene = Arc::new(scene);
                self.kept.insert(blob.sha256, scene.clone());
                Ok(scene)
            }
            // Scenes are read as they were written, unless their bytes were damaged since.
            Err(error) => {
                let detail = format!("The canonical scene cannot be read: {error}.");
                let failure = Failure::new(FailureCode::BlobDamaged, detail);
                Err(self.media.lost(blob, failure).await)
            }
        }
    }

    /// The outline, or why the bytes are none of a scene.
    async fn read(&self, blob: &Blob) -> Result<Result<Scene, SceneError>, Problem> {
        let head = self.bytes(blob, 0..glb::HEAD_BYTES as u64).await?;
        let head: Result<[u8; glb::HEAD_BYTES], _> = head.try_into();
        let head = head.map_err(|_| SceneError::NotGlb("it is shorter than a header"));
        let range = match head.and_then(|head| glb::json_range(&head)) {
            Ok(range) => range,
            Err(error) => return Ok(Err(error)),
        };
        let json = self.bytes(blob, range).await?;
        let scene = tokio::task::spawn_blocking(move || glb::outline(&json)).await;
        scene.map_err(|error| {
            Problem::new(Code::Internal, "The canonical scene cannot be read.").because(error)
        })
    }

    async fn bytes(&self, blob: &Blob, range: std::ops::Range<u64>) -> Result<Vec<u8>, Problem> {
        let mut stream = self.media.read(blob, range).await?;
        let mut bytes = Vec::new();
        while let Some(piece) = stream.try_next().await? {
            bytes.extend_from_slice(&piece);
        }
        Ok(bytes)
    }
}
