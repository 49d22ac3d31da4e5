//! The deliveries: put into the outbox once, and noted under the number of the try.

use cadmill_domain::{
    Moment, StoreError, WebhookId,
    webhook::{Delivery, DeliveryClaim, DeliveryFailure, DeliveryId, DeliveryState},
};
use sea_orm::{
    ColumnTrait as _, ConnectionTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _,
    QuerySelect as _, Value, prelude::Json,
};

use crate::{Store, entity::webhook_delivery, error::store_error, ledger::columns};

pub(super) async fn enqueue_events(store: &Store) -> Result<u64, StoreError> {
    let dialect = store.dialect();
    let newest = format!(
        "(SELECT COALESCE(MAX(id), 0) FROM pipeline_event WHERE id < {})",
        dialect.event_horizon
    );
    let is_behind = format!(
        "SELECT 1 AS behind FROM webhook WHERE enabled AND last_event_id < {newest} LIMIT 1"
    );
    let reading = store.reading();
    let behind = reading.query_one_raw(store.statement(&is_behind, [])).await;
    if behind.map_err(store_error)?.is_none() {
        return Ok(0);
    }
    let transaction = store.begin().await.map_err(store_error)?;
    // One at a time. What is read after that was committed by whoever came before.
    let lock = format!(
        "SELECT id FROM webhook WHERE enabled ORDER BY id {}",
        dialect.lock_file
    );
    let locked = transaction.query_all_raw(store.statement(&lock, [])).await;
    locked.map_err(store_error)?;
    let last = format!("SELECT {newest} AS last");
    let last = transaction.query_one_raw(store.statement(&last, [])).await;
    let last = match last.map_err(store_error)? {
        Some(row) => columns::get::<i64>(&row, "last")?,
        None => 0,
    };
    let insert = format!(
        "INSERT INTO webhook_delivery \
         (webhook_id, event_id, payload, state, attempts, created_at, next_attempt_at) \
         SELECT w.id, e.id, $3, 'pending', 0, $1, $1 FROM webhook w \
         JOIN pipeline_event e ON e.id > w.last_event_id AND e.id <= $2 \
         WHERE w.enabled AND (w.events IS NULL OR {}(w.events, ',' || e.event || ',') > 0) \
         ORDER BY e.id {} ON CONFLICT (event_id, webhook_id) DO NOTHING",
        dialect.position, dialect.share_events
    );
    let values: [Value; 3] = [store.clock.now().into(), last.into(), Json::Null.into()];
    let inserted = transaction
        .execute_raw(store.statement(&insert, values))
        .await;
    let inserted = inserted.map_err(store_error)?.rows_affected();
    let update = "UPDATE webhook SET last_event_id = $1 WHERE enabled AND last_event_id < $1";
    let updated = transaction.execute_raw(store.statement(update, [last.into()]));
    updated.await.map_err(store_error)?;
    transaction.commit().await.map_err(store_error)?;
    Ok(inserted)
}

pub(super) async fn enqueue_test(
    store: &Store,
    webhook: WebhookId,
    payload: Json,
) -> Result<Option<DeliveryId>, StoreError> {
    let sql = "INSERT INTO webhook_delivery \
               (webhook_id, payload, state, attempts, created_at, next_attempt_at) \
               SELECT id, $2, 'pending', 0, $3, $3 FROM webhook WHERE id = $1 RETURNING id";
    let now = store.clock.now();
    let values = [webhook.as_uuid().into(), payload.into(), now.into()];
    let inserted = store.writing().query_one_raw(store.statement(sql, values));
    let inserted = inserted.await.map_err(store_error)?;
    let id = |row| columns::get::<i64>(row, "id");
    let id = inserted.as_ref().map(id).transpose()?;
    Ok(id.map(|id| DeliveryId(id as u64)))
}

pub(super) async fn delivered(
    store: &Store,
    claim: &DeliveryClaim,
    status: u16,
) -> Result<bool, StoreError> {
    let sql = "UPDATE webhook_delivery SET state = 'delivered', status = $3, error = NULL \
               WHERE id = $1 AND attempts = $2 AND state = 'pending'";
    let [id, attempt] = key(claim);
    let values = [id, attempt, i32::from(status).into()];
    let updated = store.writing().execute_raw(store.statement(sql, values));
    Ok(updated.await.map_err(store_error)?.rows_affected() == 1)
}

pub(super) async fn failed(
    store: &Store,
    claim: &DeliveryClaim,
    failure: &DeliveryFailure,
) -> Result<bool, StoreError> {
    let state = match failure.retry_at {
        Some(_) => DeliveryState::Pending,
        None => DeliveryState::Failed,
    };
    let sql = "UPDATE webhook_delivery SET state = $3, status = $4, error = $5, \
               next_attempt_at = COALESCE($6, next_attempt_at) \
               WHERE id = $1 AND attempts = $2 AND state = 'pending'";
    let [id, attempt] = key(claim);
    let values = [
        id,
        attempt,
        state.as_str().into(),
        failure.status.map(i32::from).into(),
        failure.error.clone().into(),
        failure.retry_at.into(),
    ];
    let updated = store.writing().execute_raw(store.statement(sql, values));
    Ok(updated.await.map_err(store_error)?.rows_affected() == 1)
}

/// The number of a delivery and of the try.
fn key(claim: &DeliveryClaim) -> [Value; 2] {
    [(claim.id.0 as i64).into(), (claim.attempt as i32).into()]
}

pub(super) async fn deliveries(
    store: &Store,
    webhook: WebhookId,
    before: Option<DeliveryId>,
    limit: usize,
) -> Result<Vec<Delivery>, StoreError> {
    use webhook_delivery::{Column, Entity};
    let mut deliveries = Entity::find()
        .filter(Column::WebhookId.eq(webhook.as_uuid()))
        .order_by_desc(Column::Id)
        .limit(limit as u64);
    if let Some(before) = before {
        let before = i64::try_from(before.0).unwrap_or(i64::MAX);
        deliveries = deliveries.filter(Column::Id.lt(before));
    }
    let rows = deliveries.all(store.reading()).await.map_err(store_error)?;
    rows.into_iter().map(Delivery::try_from).collect()
}

pub(super) async fn purge(store: &Store, before: Moment) -> Result<u64, StoreError> {
    use webhook_delivery::{Column, Entity};
    let delete = Entity::delete_many()
        .filter(Column::CreatedAt.lt(before))
        .filter(Column::State.ne(DeliveryState::Pending.as_str()));
    let deleted = delete.exec(store.writing()).await.map_err(store_error)?;
    Ok(deleted.rows_affected)
}
