//! The table `access_token`.

use cadmill_domain::{AccessTokenId, StoreError, access_token::AccessToken};
use sea_orm::{entity::prelude::*, prelude::ChronoDateTimeUtc};

use crate::ledger::columns::understood;

/// One row.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "access_token")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) id: Uuid,
    #[sea_orm(column_type = "Text")]
    pub(crate) name: String,
    #[sea_orm(column_type = "Text")]
    pub(crate) role: String,
    #[sea_orm(column_type = "Text", unique)]
    pub(crate) hash: String,
    #[sea_orm(column_type = "Text")]
    pub(crate) prefix: String,
    pub(crate) created_at: ChronoDateTimeUtc,
    pub(crate) expires_at: Option<ChronoDateTimeUtc>,
    pub(crate) last_used_at: Option<ChronoDateTimeUtc>,
    pub(crate) revoked_at: Option<ChronoDateTimeUtc>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl TryFrom<Model> for AccessToken {
    type Error = StoreError;

    fn try_from(row: Model) -> Result<Self, StoreError> {
        Ok(Self {
            id: AccessTokenId::from_uuid(row.id),
            name: row.name,
            role: understood(row.role.parse())?,
            prefix: row.prefix,
            created_at: row.created_at,
            expires_at: row.expires_at,
            last_used_at: row.last_used_at,
            revoked_at: row.revoked_at,
        })
    }
}
