//! The table `cad_file`.

use cadmill_domain::{Blob, CadFile, CadFileId, MaterialMaps, StoreError};
use sea_orm::{
    entity::prelude::*,
    prelude::{ChronoDateTimeUtc, Json},
};

use crate::ledger::columns::understood;

/// One row.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "cad_file")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) id: Uuid,
    #[sea_orm(column_type = "Text")]
    pub(crate) name: String,
    #[sea_orm(column_type = "Text")]
    pub(crate) source_sha256: String,
    pub(crate) source_bytes: i64,
    #[sea_orm(column_type = "JsonBinary", nullable)]
    pub(crate) step: Option<Json>,
    #[sea_orm(column_type = "JsonBinary")]
    pub(crate) part_materials: Json,
    #[sea_orm(column_type = "JsonBinary")]
    pub(crate) manual_overrides: Json,
    #[sea_orm(column_type = "Text")]
    pub(crate) materials_fingerprint: String,
    pub(crate) created_at: ChronoDateTimeUtc,
    pub(crate) updated_at: ChronoDateTimeUtc,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl TryFrom<Model> for CadFile {
    type Error = StoreError;

    fn try_from(row: Model) -> Result<Self, StoreError> {
        Ok(Self {
            id: CadFileId::from_uuid(row.id),
            name: row.name,
            source: Blob {
                sha256: understood(row.source_sha256.parse())?,
                bytes: row.source_bytes as u64,
            },
            step: understood(row.step.map(serde_json::from_value).transpose())?,
            materials: MaterialMaps {
                part_materials: understood(serde_json::from_value(row.part_materials))?,
                manual_overrides: understood(serde_json::from_value(row.manual_overrides))?,
            },
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }
}
