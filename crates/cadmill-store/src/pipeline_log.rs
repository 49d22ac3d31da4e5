//! The port `PipelineLog`.

use async_trait::async_trait;
use cadmill_domain::{
    CadFileId, EventId, NewPipelineEvent, PipelineEvent, PipelineLog, StoreError,
};
use sea_orm::{
    ColumnTrait as _, ConnectionTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _,
    QuerySelect as _,
};

use crate::{
    Store,
    entity::pipeline_event::{Column, Entity},
    error::store_error,
};

#[async_trait]
impl PipelineLog for Store {
    async fn append(&self, event: NewPipelineEvent) -> Result<(), StoreError> {
        // PostgreSQL draws a number when a row is inserted, and shows the row when its transaction
        // commits. So that no later number is seen before an earlier one, writers take turns from
        // before the number is drawn until it is committed.
        let turn = self.dialect().turn;
        let sql = format!(
            "{turn} INSERT INTO pipeline_event \
             (cad_file_id, task, event, fence, worker, result, at) \
             SELECT $1, $2, $3, $4, $5, $6, $7 FROM turn"
        );
        let values = [
            event.cad_file_id.as_uuid().into(),
            event.task.as_str().into(),
            event.event.as_str().into(),
            event.fence.map(|fence| fence.0 as i64).into(),
            event.worker.as_str().into(),
            event.result.into(),
            self.clock.now().into(),
        ];
        let inserted = self.writing().execute_raw(self.statement(&sql, values));
        inserted.await.map(drop).map_err(store_error)
    }

    async fn timeline(&self, file: CadFileId) -> Result<Vec<PipelineEvent>, StoreError> {
        let rows = Entity::find()
            .filter(Column::CadFileId.eq(file.as_uuid()))
            .order_by_asc(Column::Id)
            .all(self.reading())
            .await
            .map_err(store_error)?;
        rows.into_iter().map(PipelineEvent::try_from).collect()
    }

    async fn events_after(
        &self,
        after: EventId,
        file: Option<CadFileId>,
        limit: usize,
    ) -> Result<Vec<PipelineEvent>, StoreError> {
        // No database has numbers beyond that, so nothing is behind them.
        let after = i64::try_from(after.0).unwrap_or(i64::MAX);
        let mut events = Entity::find()
            .filter(Column::Id.gt(after))
            .order_by_asc(Column::Id)
            .limit(limit as u64);
        if let Some(file) = file {
            events = events.filter(Column::CadFileId.eq(file.as_uuid()));
        }
        let rows = events.all(self.reading()).await.map_err(store_error)?;
        rows.into_iter().map(PipelineEvent::try_from).collect()
    }

    async fn last_event_id(&self) -> Result<EventId, StoreError> {
        let last: Option<Option<i64>> = Entity::find()
            .select_only()
            .column_as(Column::Id.max(), "last")
            .into_tuple()
            .one(self.reading())
            .await
            .map_err(store_error)?;
        Ok(EventId(last.flatten().unwrap_or(0) as u64))
    }
}
