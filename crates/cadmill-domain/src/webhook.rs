//! Webhooks, and their deliveries: an outbox, in which each event is put once for each webhook that
//! wants it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use async_trait::async_trait;
use chrono::TimeDelta;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    Moment, StoreError, WebhookId,
    pipeline_log::{EventId, PipelineEvent, StepEvent},
};

/// With what deliveries are signed. No log shows it.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookSecret(String);

impl WebhookSecret {
    /// This text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text, to sign with.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookSecret(…)")
    }
}

/// Which events are delivered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum EventFilter {
    /// All, those to come included.
    #[default]
    All,
    /// Only these.
    Only(BTreeSet<StepEvent>),
}

impl EventFilter {
    /// Whether this event is delivered.
    #[must_use]
    pub fn wants(&self, event: StepEvent) -> bool {
        match self {
            Self::All => true,
            Self::Only(events) => events.contains(&event),
        }
    }
}

/// Somewhere that wants to be told what happens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// Its identity.
    pub id: WebhookId,
    /// Where deliveries are posted to.
    pub url: String,
    /// With what they are signed.
    pub secret: WebhookSecret,
    /// What is delivered.
    pub events: EventFilter,
    /// What people say about it.
    pub description: String,
    /// Whether it is told anything.
    pub enabled: bool,
    /// When it was made.
    pub created_at: Moment,
}

/// A webhook that is not yet there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewWebhook {
    /// Where deliveries are posted to.
    pub url: String,
    /// With what they are signed.
    pub secret: WebhookSecret,
    /// What is delivered.
    pub events: EventFilter,
    /// What people say about it.
    pub description: String,
}

/// What is to be changed of a webhook.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WebhookChange {
    /// Another URL.
    pub url: Option<String>,
    /// Another secret.
    pub secret: Option<WebhookSecret>,
    /// Other events.
    pub events: Option<EventFilter>,
    /// Another description.
    pub description: Option<String>,
    /// Whether it is told anything.
    pub enabled: Option<bool>,
}

impl WebhookChange {
    /// Changes `webhook`.
    pub fn apply(self, webhook: &mut Webhook) {
        fn set<T>(old: &mut T, new: Option<T>) {
            if let Some(new) = new {
                *old = new;
            }
        }
        set(&mut webhook.url, self.url);
        set(&mut webhook.secret, self.secret);
        set(&mut webhook.events, self.events);
        set(&mut webhook.description, self.description);
        set(&mut webhook.enabled, self.enabled);
    }
}

/// The number of a delivery; later ones have higher ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DeliveryId(pub u64);

impl fmt::Display for DeliveryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How it stands with a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// It is to be tried, for the first time or again.
    Pending,
    /// It was accepted.
    Delivered,
    /// It was given up.
    Failed,
}

impl DeliveryState {
    /// Every state.
    pub const ALL: [Self; 3] = [Self::Pending, Self::Delivered, Self::Failed];

    /// The stable name, as stored.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
        }
    }
}

/// A delivery, as its log shows it.
#[derive(Debug, Clone, PartialEq)]
pub struct Delivery {
    /// Its number.
    pub id: DeliveryId,
    /// The event; nothing for a test.
    pub event: Option<EventId>,
    /// How it stands.
    pub state: DeliveryState,
    /// How often it was tried.
    pub attempts: u32,
    /// When it was put into the outbox.
    pub created_at: Moment,
    /// When it was last tried.
    pub attempted_at: Option<Moment>,
    /// When it is to be tried, or tried again. It means nothing once it is no longer pending.
    pub next_attempt_at: Moment,
    /// The last answer's HTTP status, if there was an answer.
    pub status: Option<u16>,
    /// Why the last try failed.
    pub error: Option<String>,
}

/// The right to make a delivery until its lease runs out. After that somebody else may have it.
#[derive(Debug, Clone, PartialEq)]
pub struct DeliveryClaim {
    /// The delivery.
    pub id: DeliveryId,
    /// Which try this is, from 1; it is the fence.
    pub attempt: u32,
    /// Where it goes.
    pub webhook: Webhook,
    /// What is delivered.
    pub content: DeliveryContent,
}

/// What is delivered.
#[derive(Debug, Clone, PartialEq)]
pub enum DeliveryContent {
    /// An event of the pipeline log.
    Event(PipelineEvent),
    /// What somebody sends to see whether it arrives.
    Test(Value),
}

/// How many deliveries are claimed at most.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeliveryRoom {
    /// So many in all,
    pub all: usize,
    /// of each webhook so many,
    pub each: usize,
    /// but of these so many.
    pub but: BTreeMap<WebhookId, usize>,
}

impl DeliveryRoom {
    /// Room for so many, of whichever webhooks.
    #[must_use]
    pub fn of_any(all: usize) -> Self {
        Self {
            all,
            each: all,
            but: BTreeMap::new(),
        }
    }

    /// How many of this webhook.
    #[must_use]
    pub fn of(&self, webhook: WebhookId) -> usize {
        let room = self.but.get(&webhook).copied();
        room.unwrap_or(self.each).min(self.all)
    }
}

/// How a try to deliver failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryFailure {
    /// The answer's HTTP status, if there was an answer.
    pub status: Option<u16>,
    /// Why, in a few words.
    pub error: String,
    /// When it is tried again; nothing if it is given up.
    pub retry_at: Option<Moment>,
}

/// The webhooks and the outbox.
///
/// An event becomes one delivery for each enabled webhook that wants it, exactly once. A delivery is
/// tried at least once: whoever dies between posting and noting it leaves it to be tried again. With
/// a CAD file its events go, and with them their deliveries.
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait Webhooks: Send + Sync + fmt::Debug {
    /// Adds a webhook, enabled. It is told what happens from now on.
    ///
    /// # Errors
    /// If the database does not answer.
    async fn create(&self, webhook: NewWebhook) -> Result<Webhook, StoreError>;

    /// The webhook, if it is there.
    ///
    /// # Errors
    /// If the database does not answer.
    async fn get(&self, id: WebhookId) -> Result<Option<Webhook>, StoreError>;

    /// All webhooks, in the order in which they were made.
    ///
    /// # Errors
    /// If the database does not answer.
    async fn list(&self) -> Result<Vec<Webhook>, StoreError>;

    /// Changes a webhook; None if there is none. One that is enabled again is not told what happened
    /// meanwhile.
    ///
    /// # Errors
    /// If the database does not answer.
    async fn update(
        &self,
        id: WebhookId,
        change: WebhookChange,
    ) -> Result<Option<Webhook>, StoreError>;

    /// Removes a webhook with its deliveries. False if there was none.
    ///
    /// # Errors
    /// If the database does not answer.
    async fn remove(&self, id: WebhookId) -> Result<bool, StoreError>;

    /// Puts every event that has not been looked at into the outbox, once for each enabled webhook
    /// that wants it; how many deliveries that makes. Several may do so at once.
    ///
    /// # Errors
    /// If the database does not answer.
    async fn enqueue_events(&self) -> Result<u64, StoreError>;

    /// Puts a test into the outbox; None if there is no such webhook.
    ///
    /// # Errors
    /// If the database does not answer.
    async fn enqueue_test(
        &self,
        webhook: WebhookId,
        payload: Value,
    ) -> Result<Option<DeliveryId>, StoreError>;

    /// Claims as many deliveries of enabled webhooks that are due as there is `room` for, the longest
    /// due first, for `lease`; they are given in the order of their numbers. What is neither noted as
    /// delivered nor as failed by then is due again.
    ///
    /// # Errors
    /// If the database does not answer.
    async fn claim_deliveries(
        &self,
        lease: TimeDelta,
        room: &DeliveryRoom,
    ) -> Result<Vec<DeliveryClaim>, StoreError>;

    /// Notes that a delivery was accepted with this HTTP status. False if somebody else has claimed
    /// it since, or it is gone.
    ///
    /// # Errors
    /// If the database does not answer.
    async fn delivered(&self, claim: &DeliveryClaim, status: u16) -> Result<bool, StoreError>;

    /// Notes that a try failed. False if somebody else has claimed it since, or it is gone.
    ///
    /// # Errors
    /// If the database does not answer.
    async fn failed(
        &self,
        claim: &DeliveryClaim,
        failure: &DeliveryFailure,
    ) -> Result<bool, StoreError>;

    /// The deliveries of a webhook, the newest first, from the first before `before`; at most
    /// `limit`.
    ///
    /// # Errors
    /// If the database does not answer.
    async fn deliveries(
        &self,
        webhook: WebhookId,
        before: Option<DeliveryId>,
        limit: usize,
    ) -> Result<Vec<Delivery>, StoreError>;

    /// Forgets deliveries that were put into the outbox before `before` and are not pending; how
    /// many.
    ///
    /// # Errors
    /// If the database does not answer.
    async fn purge_deliveries(&self, before: Moment) -> Result<u64, StoreError>;
}
