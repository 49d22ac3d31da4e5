//! Claiming: the deliveries that have been due the longest, as far as there is room, for a lease.

use std::collections::BTreeMap;

use cadmill_domain::{
    Moment, StoreError, WebhookId,
    pipeline_log::PipelineEvent,
    webhook::{DeliveryClaim, DeliveryContent, DeliveryId, DeliveryRoom, Webhook},
};
use chrono::TimeDelta;
use sea_orm::{ColumnTrait as _, ConnectionTrait as _, EntityTrait as _, QueryFilter as _, Value};
use uuid::Uuid;

use crate::{
    Store,
    entity::{pipeline_event, webhook, webhook_delivery},
    error::store_error,
    ledger::columns,
};

/// The enabled webhooks that something is due for, the longest due first.
const WAITING: &str = "SELECT id FROM (SELECT w.id, (SELECT MIN(d.next_attempt_at) \
     FROM webhook_delivery d WHERE d.webhook_id = w.id AND d.state = 'pending' \
     AND d.next_attempt_at <= $1) AS oldest FROM webhook w WHERE w.enabled) AS waiting \
     WHERE oldest IS NOT NULL ORDER BY oldest, id";

pub(super) async fn claim(
    store: &Store,
    lease: TimeDelta,
    room: &DeliveryRoom,
) -> Result<Vec<DeliveryClaim>, StoreError> {
    let now = store.clock.now();
    let mut waiting = waiting(store, now).await?;
    waiting.retain(|webhook| room.of(*webhook) > 0);
    waiting.truncate(room.all);
    if waiting.is_empty() {
        return Ok(Vec::new());
    }
    let rows = take(store, now, lease, &waiting, room).await?;
    claims(store, rows).await
}

async fn waiting(store: &Store, now: Moment) -> Result<Vec<WebhookId>, StoreError> {
    let statement = store.statement(WAITING, [now.into()]);
    let rows = store.reading().query_all_raw(statement).await;
    let rows = rows.map_err(store_error)?;
    let id = |row| columns::get::<Uuid>(row, "id").map(WebhookId::from_uuid);
    rows.iter().map(id).collect()
}

/// Takes the first of each of these webhooks, and of those the ones that have been due the longest.
async fn take(
    store: &Store,
    now: Moment,
    lease: TimeDelta,
    waiting: &[WebhookId],
    room: &DeliveryRoom,
) -> Result<Vec<webhook_delivery::Model>, StoreError> {
    let all = i64::try_from(room.all).unwrap_or(i64::MAX);
    let mut values: Vec<Value> = vec![now.into(), (now + lease).into(), all.into()];
    let mut firsts = Vec::with_capacity(waiting.len());
    for webhook in waiting {
        values.push(webhook.as_uuid().into());
        // Within a selection of its own, since neither database limits or locks what is united.
        firsts.push(format!(
            "SELECT * FROM (SELECT id, next_attempt_at FROM webhook_delivery \
             WHERE webhook_id = ${} AND state = 'pending' AND next_attempt_at <= $1 \
             ORDER BY next_attempt_at, id LIMIT {} {}) AS first",
            values.len(),
            room.of(*webhook),
            store.dialect().skip_locked
        ));
    }
    let sql = format!(
        "WITH due AS MATERIALIZED (SELECT id FROM ({}) AS firsts \
         ORDER BY next_attempt_at, id LIMIT $3) \
         UPDATE webhook_delivery SET attempts = attempts + 1, attempted_at = $1, \
         next_attempt_at = $2 WHERE id IN (SELECT id FROM due) RETURNING *",
        firsts.join(" UNION ALL ")
    );
    let rows = webhook_delivery::Entity::find().from_raw_sql(store.statement(&sql, values));
    rows.all(store.writing()).await.map_err(store_error)
}

async fn claims(
    store: &Store,
    rows: Vec<webhook_delivery::Model>,
) -> Result<Vec<DeliveryClaim>, StoreError> {
    let (webhooks, events) = (
        webhooks_of(store, &rows).await?,
        events_of(store, &rows).await?,
    );
    let mut claims = Vec::new();
    for row in rows {
        let content = match row.event_id {
            None => Some(DeliveryContent::Test(row.payload)),
            Some(id) => events.get(&id).cloned().map(DeliveryContent::Event),
        };
        // What is gone meanwhile takes its delivery with it.
        let webhook = webhooks.get(&WebhookId::from_uuid(row.webhook_id));
        if let (Some(content), Some(webhook)) = (content, webhook) {
            claims.push(DeliveryClaim {
                id: DeliveryId(row.id as u64),
                attempt: row.attempts as u32,
                webhook: webhook.clone(),
                content,
            });
        }
    }
    claims.sort_by_key(|claim| claim.id);
    Ok(claims)
}

async fn webhooks_of(
    store: &Store,
    deliveries: &[webhook_delivery::Model],
) -> Result<BTreeMap<WebhookId, Webhook>, StoreError> {
    let ids = deliveries.iter().map(|delivery| delivery.webhook_id);
    let rows = webhook::Entity::find().filter(webhook::Column::Id.is_in(ids));
    let rows = rows.all(store.reading()).await.map_err(store_error)?;
    let webhooks = rows.into_iter().map(|row| {
        let webhook = Webhook::try_from(row)?;
        Ok((webhook.id, webhook))
    });
    webhooks.collect()
}

async fn events_of(
    store: &Store,
    deliveries: &[webhook_delivery::Model],
) -> Result<BTreeMap<i64, PipelineEvent>, StoreError> {
    let ids = deliveries.iter().filter_map(|delivery| delivery.event_id);
    let rows = pipeline_event::Entity::find().filter(pipeline_event::Column::Id.is_in(ids));
    let rows = rows.all(store.reading()).await.map_err(store_error)?;
    let events = rows.into_iter().map(|row| Ok((row.id, row.try_into()?)));
    events.collect()
}
