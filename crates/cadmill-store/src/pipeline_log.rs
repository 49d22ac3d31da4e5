//! The port `PipelineLog`.

use async_trait::async_trait;
use cadmill_domain::{CadFileId, NewPipelineEvent, PipelineEvent, PipelineLog, StoreError};
use sea_orm::{
    ActiveValue::NotSet, ActiveValue::Set, ColumnTrait as _, EntityTrait as _, QueryFilter as _,
    QueryOrder as _,
};

use crate::{Store, entity::pipeline_event, error::store_error};

#[async_trait]
impl PipelineLog for Store {
    async fn append(&self, event: NewPipelineEvent) -> Result<(), StoreError> {
        let row = pipeline_event::ActiveModel {
            id: NotSet,
            cad_file_id: Set(event.cad_file_id.as_uuid()),
            task: Set(event.task.as_str().to_owned()),
            event: Set(event.event.as_str().to_owned()),
            fence: Set(event.fence.map(|fence| fence.0 as i64)),
            worker: Set(event.worker.as_str().to_owned()),
            result: Set(event.result),
            at: Set(self.clock.now()),
        };
        let insert = pipeline_event::Entity::insert(row);
        let inserted = insert.exec_without_returning(self.writing()).await;
        inserted.map(drop).map_err(store_error)
    }

    async fn timeline(&self, file: CadFileId) -> Result<Vec<PipelineEvent>, StoreError> {
        let rows = pipeline_event::Entity::find()
            .filter(pipeline_event::Column::CadFileId.eq(file.as_uuid()))
            .order_by_asc(pipeline_event::Column::Id)
            .all(self.reading())
            .await
            .map_err(store_error)?;
        rows.into_iter().map(PipelineEvent::try_from).collect()
    }
}
