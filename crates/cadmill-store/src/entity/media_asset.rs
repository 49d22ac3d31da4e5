//! The table `media_asset`.

use cadmill_domain::{
    Blob, CadFileId, MediaAsset, MediaAssetId, StoreError, TaskKind, ledger::Fence,
};
use sea_orm::{
    entity::prelude::*,
    prelude::{ChronoDateTimeUtc, Json},
};

use crate::ledger::columns::understood;

/// One row.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "media_asset")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) id: Uuid,
    pub(crate) cad_file_id: Uuid,
    #[sea_orm(column_type = "Text")]
    pub(crate) kind: String,
    #[sea_orm(column_type = "Text")]
    pub(crate) input: String,
    #[sea_orm(column_type = "Text")]
    pub(crate) sha256: String,
    pub(crate) bytes: i64,
    #[sea_orm(column_type = "JsonBinary")]
    pub(crate) report: Json,
    pub(crate) fence: i64,
    pub(crate) created_at: ChronoDateTimeUtc,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl TryFrom<Model> for MediaAsset {
    type Error = StoreError;

    fn try_from(row: Model) -> Result<Self, StoreError> {
        let kind: TaskKind = understood(row.kind.parse())?;
        let kind = kind.medium();
        Ok(Self {
            id: MediaAssetId::from_uuid(row.id),
            cad_file_id: CadFileId::from_uuid(row.cad_file_id),
            kind: kind.ok_or_else(|| StoreError::Unreadable(row.kind.clone()))?,
            input: understood(row.input.parse())?,
            blob: Blob {
                sha256: understood(row.sha256.parse())?,
                bytes: row.bytes as u64,
            },
            report: understood(serde_json::from_value(row.report))?,
            fence: Fence(row.fence as u64),
            created_at: row.created_at,
        })
    }
}
