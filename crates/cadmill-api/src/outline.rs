//! Canonical scenes without their meshes, as far as they were asked for lately.

use std::sync::Arc;

use cadmill_domain::{Blob, ContentHash};
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
        let head = self.bytes(blob, 0..glb::HEAD_BYTES as u64).await?;
        let head: Result<[u8; glb::HEAD_BYTES], _> = head.try_into();
        let head = head.map_err(|_| damaged(SceneError::NotGlb("it is shorter than a header")))?;
        let range = glb::json_range(&head).map_err(damaged)?;
        let json = self.bytes(blob, range).await?;
        let scene = tokio::task::spawn_blocking(move || glb::outline(&json)).await;
        let scene =
            scene.map_err(|error| Problem::new(Code::Internal, UNREADABLE).because(error))?;
        let scene = Arc::new(scene.map_err(damaged)?);
        self.kept.insert(blob.sha256, scene.clone());
        Ok(scene)
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

const UNREADABLE: &str = "The canonical scene cannot be read.";

fn damaged(error: SceneError) -> Problem {
    Problem::new(Code::Internal, UNREADABLE).because(error)
}
