//! Webhooks and deliveries as JSON has them.

use cadmill_domain::webhook::{Delivery, DeliveryState, EventFilter, Webhook, WebhookSecret};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::{
    IntoParams, ToSchema,
    openapi::schema::{ObjectBuilder, Schema, SchemaType, Type},
};
use uuid::Uuid;

use super::target::MAX_URL_BYTES;
use crate::{
    events::EventName,
    problem::{Code, Problem},
};

/// The longest description, in characters.
const MAX_DESCRIPTION: usize = 500;

/// A webhook.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Webhook)]
pub(super) struct WebhookDto {
    /// Its identity.
    id: Uuid,
    /// Where deliveries are posted to.
    url: String,
    /// What is delivered; null for everything, what is added later included.
    events: Option<Vec<EventName>>,
    /// What people say about it.
    description: String,
    /// Whether it is told anything. A receiver that answers with 410 disables its webhook.
    enabled: bool,
    /// When it was made.
    created_at: DateTime<Utc>,
    /// With what deliveries are signed (Standard Webhooks); shown only when it was just made.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, pattern = "^whsec_[A-Za-z0-9+/]{43}=$")]
    secret: Option<String>,
}

impl From<Webhook> for WebhookDto {
    fn from(webhook: Webhook) -> Self {
        let events = match webhook.events {
            EventFilter::All => None,
            EventFilter::Only(events) => Some(events.into_iter().map(Into::into).collect()),
        };
        Self {
            id: webhook.id.as_uuid(),
            url: webhook.url,
            events,
            description: webhook.description,
            enabled: webhook.enabled,
            created_at: webhook.created_at,
            secret: None,
        }
    }
}

impl WebhookDto {
    /// With its secret, which was just made.
    pub(super) fn revealing(self, secret: &WebhookSecret) -> Self {
        Self {
            secret: Some(secret.expose().to_owned()),
            ..self
        }
    }
}

/// All webhooks.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Webhooks)]
pub(super) struct WebhooksDto {
    /// In the order in which they were made.
    pub(super) webhooks: Vec<WebhookDto>,
}

/// A webhook that is to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewWebhook)]
pub(super) struct NewWebhookDto {
    /// Where deliveries are posted to: http or https, no user name, and a public address, unless the
    /// configuration allows others.
    #[schema(schema_with = url)]
    pub(super) url: String,
    /// What is delivered; null or nothing for everything.
    #[serde(default)]
    #[schema(min_items = 1)]
    pub(super) events: Option<Vec<EventName>>,
    /// What people say about it.
    #[serde(default)]
    #[schema(max_length = 500, pattern = r"^[^\x00-\x1f\x7f]*$")]
    pub(super) description: String,
}

/// What is to be changed of a webhook; what is not named stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = WebhookChange)]
pub(super) struct WebhookChangeDto {
    /// Another URL, as for a new webhook.
    #[schema(schema_with = url_or_null)]
    pub(super) url: Option<String>,
    /// Other events; null for everything.
    #[serde(default, deserialize_with = "even_null")]
    #[schema(value_type = Option<Vec<EventName>>, min_items = 1)]
    #[expect(
        clippy::option_option,
        reason = "null means all, nothing means as before"
    )]
    pub(super) events: Option<Option<Vec<EventName>>>,
    /// Another description.
    #[schema(max_length = 500, pattern = r"^[^\x00-\x1f\x7f]*$")]
    pub(super) description: Option<String>,
    /// Whether it is told anything. One that is enabled again is not told what happened meanwhile.
    pub(super) enabled: Option<bool>,
    /// Whether it gets a new secret, which the answer shows.
    #[serde(default)]
    pub(super) rotate_secret: bool,
}

/// What URLs a client may send: names, or addresses in their usual forms.
const URL_PATTERN: &str = concat!(
    r"^https?://(",
    r"([A-Za-z0-9]([A-Za-z0-9-]{0,30}[A-Za-z0-9])?\.){0,6}[A-Za-z]([A-Za-z0-9]{0,30})",
    r"|((25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])\.){3}(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])",
    r"|\[(::1|([0-9a-f]{1,4}:){7}[0-9a-f]{1,4}|([0-9a-f]{1,4}:){1,6}:[0-9a-f]{1,4})\]",
    r")(:[1-9][0-9]{0,3}|:[1-5][0-9]{4})?([/?][!-~]*)?$",
);

fn url() -> Schema {
    url_schema(SchemaType::new(Type::String))
}

fn url_or_null() -> Schema {
    url_schema(SchemaType::from_iter([Type::String, Type::Null]))
}

fn url_schema(kind: SchemaType) -> Schema {
    let description = "Where deliveries are posted to: http or https, no user name, and a public address, \
        unless the configuration allows others.";
    let schema = ObjectBuilder::new()
        .schema_type(kind)
        .max_length(Some(MAX_URL_BYTES))
        .pattern(Some(URL_PATTERN))
        .description(Some(description));
    schema.build().into()
}

/// Tells null from nothing.
fn even_null<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    value: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(value).map(Some)
}

/// The filter that a client means.
pub(super) fn checked_events(events: Option<Vec<EventName>>) -> Result<EventFilter, Problem> {
    match events {
        None => Ok(EventFilter::All),
        Some(events) if events.is_empty() => Err(Problem::new(
            Code::Invalid,
            "Name at least one event, or null for all.",
        )
        .at("/events")),
        Some(events) => Ok(crate::events::filter(events)),
    }
}

/// The description, if it can be kept.
pub(super) fn checked_description(text: String) -> Result<String, Problem> {
    if text.chars().count() > MAX_DESCRIPTION || text.bytes().any(|byte| byte.is_ascii_control()) {
        let detail = "The description has more than 500 characters, or control characters.";
        return Err(Problem::new(Code::Invalid, detail).at("/description"));
    }
    Ok(text)
}

/// How it stands with a delivery.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = DeliveryState)]
enum DeliveryStateDto {
    /// It is to be tried, for the first time or again.
    Pending,
    /// It was accepted.
    Delivered,
    /// It was given up.
    Failed,
}

/// A delivery.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Delivery)]
pub(super) struct DeliveryDto {
    /// Its number; the header `webhook-id` is `msg_` and this.
    #[schema(minimum = 1)]
    pub(super) id: u64,
    /// The number of the event; null for a test.
    #[schema(minimum = 1)]
    event_id: Option<u64>,
    /// How it stands.
    state: DeliveryStateDto,
    /// How often it was tried.
    #[schema(minimum = 0)]
    attempts: u32,
    /// When it was put into the outbox.
    created_at: DateTime<Utc>,
    /// When it was last tried.
    attempted_at: Option<DateTime<Utc>>,
    /// When it is tried next, if it is pending.
    next_attempt_at: Option<DateTime<Utc>>,
    /// The HTTP status of the last answer.
    #[schema(minimum = 100, maximum = 999)]
    status: Option<u16>,
    /// Why the last try failed, with what the answer began with.
    error: Option<String>,
}

impl From<Delivery> for DeliveryDto {
    fn from(delivery: Delivery) -> Self {
        let state = match delivery.state {
            DeliveryState::Pending => DeliveryStateDto::Pending,
            DeliveryState::Delivered => DeliveryStateDto::Delivered,
            DeliveryState::Failed => DeliveryStateDto::Failed,
        };
        let is_pending = delivery.state == DeliveryState::Pending;
        Self {
            id: delivery.id.0,
            event_id: delivery.event.map(|event| event.0),
            state,
            attempts: delivery.attempts,
            created_at: delivery.created_at,
            attempted_at: delivery.attempted_at,
            next_attempt_at: is_pending.then_some(delivery.next_attempt_at),
            status: delivery.status,
            error: delivery.error,
        }
    }
}

/// Some of the deliveries of a webhook.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Deliveries)]
pub(super) struct DeliveriesDto {
    /// The newest first.
    pub(super) deliveries: Vec<DeliveryDto>,
    /// What to give as `before` to get the next page; null if there is none.
    #[schema(minimum = 1)]
    pub(super) next: Option<u64>,
}

/// Which deliveries are wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct DeliveriesQuery {
    /// Only deliveries before this one.
    #[param(minimum = 1, maximum = 9_007_199_254_740_991_u64)]
    pub(super) before: Option<u64>,
    /// At most so many.
    #[serde(default = "default_limit")]
    #[param(minimum = 1, maximum = 200, default = 50)]
    pub(super) limit: u64,
}

const fn default_limit() -> u64 {
    50
}

impl DeliveriesQuery {
    /// Where the page begins, and how long it is.
    pub(super) fn checked(&self) -> Result<(Option<u64>, usize), Problem> {
        let bad = |detail: &str| Err(Problem::new(Code::BadQuery, detail));
        if !(1..=200).contains(&self.limit) {
            return bad("`limit` lies outside of 1 to 200.");
        }
        if self
            .before
            .is_some_and(|before| !(1..1 << 53).contains(&before))
        {
            return bad("`before` is not the number of a delivery.");
        }
        Ok((self.before, self.limit as usize))
    }
}

/// A test that is on its way.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WebhookTest)]
pub(super) struct TestDto {
    /// Its delivery.
    #[schema(minimum = 1)]
    pub(super) delivery_id: u64,
}
