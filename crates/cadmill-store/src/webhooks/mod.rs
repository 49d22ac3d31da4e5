//! The port `Webhooks`.

mod claim;
mod outbox;

use async_trait::async_trait;
use cadmill_domain::{
    Moment, StoreError, WebhookId,
    pipeline_log::{EventId, PipelineLog},
    webhook::{
        Delivery, DeliveryClaim, DeliveryFailure, DeliveryId, DeliveryRoom, NewWebhook, Webhook,
        WebhookChange, Webhooks,
    },
};
use chrono::TimeDelta;
use sea_orm::{
    ActiveValue::Set, EntityTrait as _, QueryOrder as _, QuerySelect as _, prelude::Json,
    sea_query::LockType,
};

use crate::{
    Store,
    entity::webhook::{ActiveModel, Column, Entity, names},
    error::store_error,
};

#[async_trait]
impl Webhooks for Store {
    async fn create(&self, new: NewWebhook) -> Result<Webhook, StoreError> {
        let webhook = Webhook {
            id: WebhookId::generate(&*self.clock),
            url: new.url,
            secret: new.secret,
            events: new.events,
            description: new.description,
            enabled: true,
            created_at: self.clock.now(),
        };
        let last = self.last_event_id().await?;
        let insert = Entity::insert(ActiveModel {
            last_event_id: Set(last.0 as i64),
            ..row_of(&webhook)
        });
        let inserted = insert.exec_without_returning(self.writing()).await;
        inserted.map_err(store_error)?;
        Ok(webhook)
    }

    async fn get(&self, id: WebhookId) -> Result<Option<Webhook>, StoreError> {
        let row = Entity::find_by_id(id.as_uuid()).one(self.reading()).await;
        row.map_err(store_error)?.map(Webhook::try_from).transpose()
    }

    async fn list(&self) -> Result<Vec<Webhook>, StoreError> {
        let rows = Entity::find().order_by_asc(Column::Id);
        let rows = rows.all(self.reading()).await.map_err(store_error)?;
        rows.into_iter().map(Webhook::try_from).collect()
    }

    async fn update(
        &self,
        id: WebhookId,
        change: WebhookChange,
    ) -> Result<Option<Webhook>, StoreError> {
        // Read before the transaction: SQLite's writer may not ask for a second connection.
        let last: EventId = self.last_event_id().await?;
        let transaction = self.begin().await.map_err(store_error)?;
        let query = Entity::find_by_id(id.as_uuid()).lock(LockType::NoKeyUpdate);
        let row = query.one(&transaction).await.map_err(store_error)?;
        let Some(row) = row else {
            transaction.rollback().await.map_err(store_error)?;
            return Ok(None);
        };
        let mut webhook = Webhook::try_from(row)?;
        let was_enabled = webhook.enabled;
        change.apply(&mut webhook);
        let mut row = row_of(&webhook);
        if webhook.enabled && !was_enabled {
            row.last_event_id = Set(last.0 as i64);
        }
        let updated = Entity::update(row).exec(&transaction).await;
        updated.map_err(store_error)?;
        transaction.commit().await.map_err(store_error)?;
        Ok(Some(webhook))
    }

    async fn remove(&self, id: WebhookId) -> Result<bool, StoreError> {
        let delete = Entity::delete_by_id(id.as_uuid());
        let deleted = delete.exec(self.writing()).await.map_err(store_error)?;
        Ok(deleted.rows_affected > 0)
    }

    async fn enqueue_events(&self) -> Result<u64, StoreError> {
        outbox::enqueue_events(self).await
    }

    async fn enqueue_test(
        &self,
        webhook: WebhookId,
        payload: Json,
    ) -> Result<Option<DeliveryId>, StoreError> {
        outbox::enqueue_test(self, webhook, payload).await
    }

    async fn claim_deliveries(
        &self,
        lease: TimeDelta,
        room: &DeliveryRoom,
    ) -> Result<Vec<DeliveryClaim>, StoreError> {
        claim::claim(self, lease, room).await
    }

    async fn delivered(&self, claim: &DeliveryClaim, status: u16) -> Result<bool, StoreError> {
        outbox::delivered(self, claim, status).await
    }

    async fn failed(
        &self,
        claim: &DeliveryClaim,
        failure: &DeliveryFailure,
    ) -> Result<bool, StoreError> {
        outbox::failed(self, claim, failure).await
    }

    async fn deliveries(
        &self,
        webhook: WebhookId,
        before: Option<DeliveryId>,
        limit: usize,
    ) -> Result<Vec<Delivery>, StoreError> {
        outbox::deliveries(self, webhook, before, limit).await
    }

    async fn purge_deliveries(&self, before: Moment) -> Result<u64, StoreError> {
        outbox::purge(self, before).await
    }
}

/// Everything but which events it was told of.
fn row_of(webhook: &Webhook) -> ActiveModel {
    ActiveModel {
        id: Set(webhook.id.as_uuid()),
        url: Set(webhook.url.clone()),
        secret: Set(webhook.secret.expose().to_owned()),
        events: Set(names(&webhook.events)),
        description: Set(webhook.description.clone()),
        enabled: Set(webhook.enabled),
        created_at: Set(webhook.created_at),
        ..Default::default()
    }
}
