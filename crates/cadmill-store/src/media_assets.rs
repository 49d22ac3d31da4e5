//! The port `MediaAssets`.

use async_trait::async_trait;
use cadmill_domain::{
    Blob, CadFileId, ContentHash, Input, MediaAsset, MediaAssetId, MediaAssets, MediaKind,
    StoreError,
};
use sea_orm::{
    ColumnTrait as _, ConnectionTrait, EntityTrait as _, QueryFilter as _, QueryOrder as _,
    QuerySelect as _, sea_query::LockType,
};

use crate::{
    Store,
    connection::Transaction,
    entity::media_asset,
    error::store_error,
    ledger::columns::{get, understood},
};

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
            .filter(media_asset::Column::Input.eq(input.to_string()))
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

    async fn blobs(
        &self,
        after: Option<ContentHash>,
        limit: usize,
    ) -> Result<Vec<Blob>, StoreError> {
        // Each table gives so many of its own, by its index.
        let sql = "SELECT sha256, bytes FROM (\
             SELECT * FROM (SELECT DISTINCT source_sha256 AS sha256, source_bytes AS bytes \
             FROM cad_file WHERE source_sha256 > $1 ORDER BY source_sha256 LIMIT $2) AS sources \
             UNION SELECT * FROM (SELECT DISTINCT sha256, bytes \
             FROM media_asset WHERE sha256 > $1 ORDER BY sha256 LIMIT $2) AS media\
             ) AS blobs ORDER BY sha256 LIMIT $2";
        let after = after.map_or_else(String::new, |after| after.to_string());
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let statement = self.statement(sql, [after.into(), limit.into()]);
        let rows = self.reading().query_all_raw(statement).await;
        let rows = rows.map_err(store_error)?;
        let blobs = rows.iter().map(|row| {
            Ok(Blob {
                sha256: understood(get::<String>(row, "sha256")?.parse())?,
                bytes: get::<i64>(row, "bytes")? as u64,
            })
        });
        blobs.collect()
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

/// The same, kept from being deleted or changed until the transaction ends.
pub(crate) async fn find_to_copy(
    transaction: &Transaction,
    id: MediaAssetId,
) -> Result<Option<MediaAsset>, StoreError> {
    let row = media_asset::Entity::find_by_id(id.as_uuid()).lock(LockType::Share);
    let row = row.one(transaction).await.map_err(store_error)?;
    row.map(MediaAsset::try_from).transpose()
}
