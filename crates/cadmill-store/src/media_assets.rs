//! The port `MediaAssets`.

use std::collections::BTreeSet;

use async_trait::async_trait;
use cadmill_domain::{
    CadFileId, ContentHash, Input, MediaAsset, MediaAssetId, MediaAssets, MediaKind, StoreError,
};
use sea_orm::{
    ColumnTrait as _, ConnectionTrait, EntityTrait as _, QueryFilter as _, QueryOrder as _,
    QuerySelect as _,
};

use crate::{
    Store,
    entity::{cad_file, media_asset},
    error::store_error,
    ledger::columns::understood,
};

/// How many blobs are asked about at once; databases limit the values of a statement.
const BATCH: usize = 1000;

#[async_trait]
impl MediaAssets for Store {
    async fn get(&self, id: MediaAssetId) -> Result<Option<MediaAsset>, StoreError> {
        find(self.reading(), id).await
    }

    async fn made_of(
        &self,
        kind: MediaKind,
        input: &Input,
    ) -> Result<Option<MediaAsset>, StoreError> {
        let row = media_asset::Entity::find()
            .filter(media_asset::Column::Input.eq(input.as_str()))
            .filter(media_asset::Column::Kind.eq(kind.as_str()))
            .order_by_asc(media_asset::Column::Id)
            .one(self.reading())
            .await
            .map_err(store_error)?;
        row.map(MediaAsset::try_from).transpose()
    }

    async fn of_file(&self, file: CadFileId) -> Result<Vec<MediaAsset>, StoreError> {
        let rows = media_asset::Entity::find()
            .filter(media_asset::Column::CadFileId.eq(file.as_uuid()))
            .order_by_desc(media_asset::Column::Id)
            .all(self.reading())
            .await
            .map_err(store_error)?;
        rows.into_iter().map(MediaAsset::try_from).collect()
    }

    async fn orphans(&self, blobs: Vec<ContentHash>) -> Result<Vec<ContentHash>, StoreError> {
        let mut orphans = Vec::new();
        for batch in blobs.chunks(BATCH) {
            let known = self.known(batch).await?;
            orphans.extend(batch.iter().filter(|blob| !known.contains(blob)));
        }
        Ok(orphans)
    }
}

impl Store {
    /// Which of these blobs something refers to.
    async fn known(&self, blobs: &[ContentHash]) -> Result<BTreeSet<ContentHash>, StoreError> {
        let texts: Vec<String> = blobs.iter().map(ToString::to_string).collect();
        let sources: Vec<String> = cad_file::Entity::find()
            .select_only()
            .column(cad_file::Column::SourceSha256)
            .filter(cad_file::Column::SourceSha256.is_in(texts.clone()))
            .into_tuple()
            .all(self.reading())
            .await
            .map_err(store_error)?;
        let media: Vec<String> = media_asset::Entity::find()
            .select_only()
            .column(media_asset::Column::Sha256)
            .filter(media_asset::Column::Sha256.is_in(texts))
            .into_tuple()
            .all(self.reading())
            .await
            .map_err(store_error)?;
        let texts = sources.into_iter().chain(media);
        texts.map(|text| understood(text.parse())).collect()
    }
}

/// The asset with this id.
pub(crate) async fn find(
    connection: &impl ConnectionTrait,
    id: MediaAssetId,
) -> Result<Option<MediaAsset>, StoreError> {
    let row = media_asset::Entity::find_by_id(id.as_uuid());
    let row = row.one(connection).await.map_err(store_error)?;
    row.map(MediaAsset::try_from).transpose()
}
