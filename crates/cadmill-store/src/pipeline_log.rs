//! The port `PipelineLog`.

use async_trait::async_trait;
use cadmill_domain::{
    CadFileId, StoreError,
    pipeline_log::{EventId, NewPipelineEvent, PipelineEvent, PipelineLog},
};
use sea_orm::{
    ColumnTrait as _, ConnectionTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _,
    QuerySelect as _,
    sea_query::{Expr, ExprTrait as _, SimpleExpr},
};

use crate::{
    Store,
    dialect::Dialect,
    entity::pipeline_event::{Column, Entity},
    error::store_error,
    ledger::events,
};

#[async_trait]
impl PipelineLog for Store {
    async fn append(&self, event: NewPipelineEvent) -> Result<(), StoreError> {
        let columns = events::COLUMNS;
        let Dialect {
            first_event,
            keep_file,
            ..
        } = self.dialect();
        let sql = format!(
            "INSERT INTO pipeline_event (id, {columns}) \
             SELECT {first_event}, f.id, $2, $3, $4, $5, $6, $7 FROM cad_file f \
             WHERE f.id = $1 {keep_file}"
        );
        let values = events::values(&event, self.clock.now());
        let inserted = self.writing().execute_raw(self.statement(&sql, values));
        match inserted.await.map_err(store_error)?.rows_affected() {
            0 => Err(StoreError::Refused("there is no such file".into())),
            _ => Ok(()),
        }
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
            .filter(self.is_below_horizon())
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
            .filter(self.is_below_horizon())
            .into_tuple()
            .one(self.reading())
            .await
            .map_err(store_error)?;
        Ok(EventId(last.flatten().unwrap_or(0) as u64))
    }
}

impl Store {
    fn is_below_horizon(&self) -> SimpleExpr {
        Column::Id
            .into_expr()
            .lt(Expr::cust(self.dialect().event_horizon))
    }
}
