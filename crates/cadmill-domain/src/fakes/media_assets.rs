//! The media, in memory.

use std::collections::BTreeSet;

use async_trait::async_trait;

use super::MemoryStore;
use crate::{
    CadFileId, ContentHash, Input, MediaAsset, MediaAssetId, MediaAssets, MediaKind, StoreError,
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

    async fn orphans(&self, blobs: Vec<ContentHash>) -> Result<Vec<ContentHash>, StoreError> {
        let tables = self.tables();
        let sources = tables.files.values().map(|file| file.source.sha256);
        let media = tables.assets.values().map(|asset| asset.blob.sha256);
        let known: BTreeSet<_> = sources.chain(media).collect();
        Ok(blobs
            .into_iter()
            .filter(|blob| !known.contains(blob))
            .collect())
    }
}
