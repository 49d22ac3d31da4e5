//! The table `pipeline_event`.

use cadmill_domain::{
    CadFileId, StoreError,
    ledger::{Fence, WorkerName},
    pipeline_log::{EventId, NewPipelineEvent, PipelineEvent, StepEvent},
};
use sea_orm::{
    entity::prelude::*,
    prelude::{ChronoDateTimeUtc, Json},
};

use crate::ledger::columns::understood;

/// One row.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "pipeline_event")]
pub(crate) struct Model {
    #[sea_orm(primary_key)]
    pub(crate) id: i64,
    pub(crate) cad_file_id: Uuid,
    #[sea_orm(column_type = "Text")]
    pub(crate) task: String,
    #[sea_orm(column_type = "Text")]
    pub(crate) event: String,
    pub(crate) fence: Option<i64>,
    #[sea_orm(column_type = "Text")]
    pub(crate) worker: String,
    #[sea_orm(column_type = "JsonBinary")]
    pub(crate) result: Json,
    pub(crate) at: ChronoDateTimeUtc,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl TryFrom<Model> for PipelineEvent {
    type Error = StoreError;

    fn try_from(row: Model) -> Result<Self, StoreError> {
        Ok(Self {
            id: EventId(row.id as u64),
            at: row.at,
            event: NewPipelineEvent {
                cad_file_id: CadFileId::from_uuid(row.cad_file_id),
                task: understood(row.task.parse())?,
                event: step_event(&row.event)?,
                fence: row.fence.map(|fence| Fence(fence as u64)),
                worker: WorkerName::new(row.worker),
                result: row.result,
            },
        })
    }
}

/// The event of this name.
pub(crate) fn step_event(name: &str) -> Result<StepEvent, StoreError> {
    let mut known = StepEvent::ALL.into_iter();
    let event = known.find(|event| event.as_str() == name);
    event.ok_or_else(|| StoreError::Unreadable(name.to_owned()))
}
