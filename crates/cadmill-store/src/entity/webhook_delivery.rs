//! The table `webhook_delivery`.

use cadmill_domain::{
    StoreError,
    pipeline_log::EventId,
    webhook::{Delivery, DeliveryId, DeliveryState},
};
use sea_orm::{
    entity::prelude::*,
    prelude::{ChronoDateTimeUtc, Json},
};

use crate::ledger::columns::understood;

/// One row.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "webhook_delivery")]
pub(crate) struct Model {
    #[sea_orm(primary_key)]
    pub(crate) id: i64,
    pub(crate) webhook_id: Uuid,
    pub(crate) event_id: Option<i64>,
    #[sea_orm(column_type = "JsonBinary")]
    pub(crate) payload: Json,
    #[sea_orm(column_type = "Text")]
    pub(crate) state: String,
    pub(crate) attempts: i32,
    pub(crate) created_at: ChronoDateTimeUtc,
    pub(crate) attempted_at: Option<ChronoDateTimeUtc>,
    pub(crate) next_attempt_at: ChronoDateTimeUtc,
    pub(crate) status: Option<i32>,
    #[sea_orm(column_type = "Text", nullable)]
    pub(crate) error: Option<String>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl TryFrom<Model> for Delivery {
    type Error = StoreError;

    fn try_from(row: Model) -> Result<Self, StoreError> {
        let mut known = DeliveryState::ALL.into_iter();
        let state = known.find(|state| state.as_str() == row.state);
        Ok(Self {
            id: DeliveryId(row.id as u64),
            event: row.event_id.map(|id| EventId(id as u64)),
            state: state.ok_or(StoreError::Unreadable(row.state))?,
            attempts: row.attempts as u32,
            created_at: row.created_at,
            attempted_at: row.attempted_at,
            next_attempt_at: row.next_attempt_at,
            status: understood(row.status.map(u16::try_from).transpose())?,
            error: row.error,
        })
    }
}
