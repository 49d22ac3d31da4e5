//! The webhooks and their outbox, in memory.

use std::collections::BTreeMap;

use async_trait::async_trait;
use chrono::TimeDelta;
use serde_json::Value;

use super::{MemoryStore, Tables};
use crate::{
    Moment, StoreError, WebhookId,
    pipeline_log::EventId,
    webhook::{
        Delivery, DeliveryClaim, DeliveryContent, DeliveryFailure, DeliveryId, DeliveryRoom,
        DeliveryState, NewWebhook, Webhook, WebhookChange, Webhooks,
    },
};

/// A delivery as it is kept.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    pub(super) webhook: WebhookId,
    pub(super) delivery: Delivery,
    /// What a test delivers.
    pub(super) payload: Value,
}

#[async_trait]
impl Webhooks for MemoryStore {
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
        let mut tables = self.tables();
        let last = tables.last_event;
        tables.webhooks.insert(webhook.id, (webhook.clone(), last));
        Ok(webhook)
    }

    async fn get(&self, id: WebhookId) -> Result<Option<Webhook>, StoreError> {
        let tables = self.tables();
        let found = tables.webhooks.get(&id);
        Ok(found.map(|(webhook, _)| webhook.clone()))
    }

    async fn list(&self) -> Result<Vec<Webhook>, StoreError> {
        let tables = self.tables();
        let webhooks = tables.webhooks.values();
        Ok(webhooks.map(|(webhook, _)| webhook.clone()).collect())
    }

    async fn update(
        &self,
        id: WebhookId,
        change: WebhookChange,
    ) -> Result<Option<Webhook>, StoreError> {
        let mut tables = self.tables();
        let last = tables.last_event;
        let found = tables.webhooks.get_mut(&id);
        Ok(found.map(|(webhook, cursor)| {
            let was_enabled = webhook.enabled;
            change.apply(webhook);
            if webhook.enabled && !was_enabled {
                *cursor = last;
            }
            webhook.clone()
        }))
    }

    async fn remove(&self, id: WebhookId) -> Result<bool, StoreError> {
        let mut tables = self.tables();
        tables.deliveries.retain(|_, kept| kept.webhook != id);
        Ok(tables.webhooks.remove(&id).is_some())
    }

    async fn enqueue_events(&self) -> Result<u64, StoreError> {
        let now = self.clock.now();
        let mut tables = self.tables();
        let tables = &mut *tables;
        let mut due = Vec::new();
        for event in &tables.events {
            for (webhook, cursor) in tables.webhooks.values() {
                let is_wanted = webhook.enabled && webhook.events.wants(event.event.event);
                if is_wanted && event.id > *cursor {
                    due.push((webhook.id, event.id));
                }
            }
        }
        for (_, cursor) in tables.webhooks.values_mut() {
            *cursor = tables.last_event;
        }
        for (webhook, event) in &due {
            tables.enqueue(*webhook, Some(*event), Value::Null, now);
        }
        Ok(due.len() as u64)
    }

    async fn enqueue_test(
        &self,
        webhook: WebhookId,
        payload: Value,
    ) -> Result<Option<DeliveryId>, StoreError> {
        let now = self.clock.now();
        let mut tables = self.tables();
        if !tables.webhooks.contains_key(&webhook) {
            return Ok(None);
        }
        Ok(Some(tables.enqueue(webhook, None, payload, now)))
    }

    async fn claim_deliveries(
        &self,
        lease: TimeDelta,
        room: &DeliveryRoom,
    ) -> Result<Vec<DeliveryClaim>, StoreError> {
        let now = self.clock.now();
        let mut tables = self.tables();
        let tables = &mut *tables;
        let mut due: Vec<_> = tables
            .deliveries
            .values_mut()
            .filter(|kept| {
                let webhook = tables.webhooks.get(&kept.webhook);
                kept.delivery.state == DeliveryState::Pending
                    && kept.delivery.next_attempt_at <= now
                    && webhook.is_some_and(|(webhook, _)| webhook.enabled)
            })
            .collect();
        due.sort_by_key(|kept| (kept.delivery.next_attempt_at, kept.delivery.id));
        let mut taken = BTreeMap::<WebhookId, usize>::new();
        due.retain(|kept| {
            let taken = taken.entry(kept.webhook).or_default();
            *taken += 1;
            *taken <= room.of(kept.webhook)
        });
        let claims = due.into_iter().take(room.all).filter_map(|kept| {
            let delivery = &mut kept.delivery;
            delivery.attempts += 1;
            delivery.attempted_at = Some(now);
            delivery.next_attempt_at = now + lease;
            let content = match delivery.event {
                None => DeliveryContent::Test(kept.payload.clone()),
                Some(id) => {
                    let event = tables.events.iter().find(|event| event.id == id)?;
                    DeliveryContent::Event(event.clone())
                }
            };
            Some(DeliveryClaim {
                id: delivery.id,
                attempt: delivery.attempts,
                webhook: tables.webhooks.get(&kept.webhook)?.0.clone(),
                content,
            })
        });
        let mut claims: Vec<_> = claims.collect();
        claims.sort_by_key(|claim| claim.id);
        Ok(claims)
    }

    async fn delivered(&self, claim: &DeliveryClaim, status: u16) -> Result<bool, StoreError> {
        Ok(self.close_delivery(claim, |delivery| {
            delivery.state = DeliveryState::Delivered;
            delivery.status = Some(status);
            delivery.error = None;
        }))
    }

    async fn failed(
        &self,
        claim: &DeliveryClaim,
        failure: &DeliveryFailure,
    ) -> Result<bool, StoreError> {
        Ok(self.close_delivery(claim, |delivery| {
            delivery.status = failure.status;
            delivery.error = Some(failure.error.clone());
            match failure.retry_at {
                Some(at) => delivery.next_attempt_at = at,
                None => delivery.state = DeliveryState::Failed,
            }
        }))
    }

    async fn deliveries(
        &self,
        webhook: WebhookId,
        before: Option<DeliveryId>,
        limit: usize,
    ) -> Result<Vec<Delivery>, StoreError> {
        let tables = self.tables();
        let kept = tables.deliveries.values().rev();
        let mine = kept.filter(|kept| {
            kept.webhook == webhook && before.is_none_or(|before| kept.delivery.id < before)
        });
        let deliveries = mine.take(limit).map(|kept| kept.delivery.clone());
        Ok(deliveries.collect())
    }

    async fn purge_deliveries(&self, before: Moment) -> Result<u64, StoreError> {
        let mut tables = self.tables();
        let count = tables.deliveries.len();
        tables.deliveries.retain(|_, Kept { delivery, .. }| {
            delivery.state == DeliveryState::Pending || delivery.created_at >= before
        });
        Ok((count - tables.deliveries.len()) as u64)
    }
}

impl MemoryStore {
    /// Closes a claim, if it is the newest and open.
    fn close_delivery(&self, claim: &DeliveryClaim, close: impl FnOnce(&mut Delivery)) -> bool {
        let mut tables = self.tables();
        let kept = tables.deliveries.get_mut(&claim.id);
        let held = kept.filter(|kept| {
            kept.delivery.state == DeliveryState::Pending && kept.delivery.attempts == claim.attempt
        });
        held.map(|kept| close(&mut kept.delivery)).is_some()
    }
}

impl Tables {
    fn enqueue(
        &mut self,
        webhook: WebhookId,
        event: Option<EventId>,
        payload: Value,
        now: Moment,
    ) -> DeliveryId {
        self.last_delivery += 1;
        let id = DeliveryId(self.last_delivery);
        let delivery = Delivery {
            id,
            event,
            state: DeliveryState::Pending,
            attempts: 0,
            created_at: now,
            attempted_at: None,
            next_attempt_at: now,
            status: None,
            error: None,
        };
        let kept = Kept {
            webhook,
            delivery,
            payload,
        };
        self.deliveries.insert(id, kept);
        id
    }
}
