//! The media, in memory.

use async_trait::async_trait;

use super::MemoryStore;
use crate::{
    Blob, CadFileId, ContentHash, Input, MediaAsset, MediaAssetId, MediaAssets, MediaKind,
    StoreError,
};

#[async_trait]
impl MediaAssets for MemoryStore {
    async fn get(&self, id: MediaAssetId) -> Result<Option<MediaAsset>, StoreError> {
        Ok(self.tables().assets.get(&id).cloned())
    }

    async fn made_of(
        &self,
        kind: MediaKind,
        input: &Input,
    ) -> Result<Option<MediaAsset>, StoreError> {
        let tables = self.tables();
        let mut assets = tables.assets.values();
        let found = assets.find(|asset| asset.kind == kind && asset.input == *input);
        Ok(found.cloned())
    }

    async fn of_file(&self, file: CadFileId) -> Result<Vec<MediaAsset>, StoreError> {
        let tables = self.tables();
        let assets = tables.assets.values().rev();
        Ok(assets
            .filter(|asset| asset.cad_file_id == file)
            .cloned()
            .collect())
    }

    async fn blobs(
        &self,
        after: Option<ContentHash>,
        limit: usize,
    ) -> Result<Vec<Blob>, StoreError> {
        let mut blobs = self.tables().blobs_after(after);
        blobs.truncate(limit);
        Ok(blobs)
    }
}
