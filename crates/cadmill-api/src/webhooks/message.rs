//! The messages of webhooks, as the Standard Webhooks specification 1.0 lays them out.

use cadmill_domain::{
    Moment, WebhookId,
    webhook::{DeliveryContent, DeliveryId},
};
use serde::Serialize;
use serde_json::{Value, json};

use crate::events::EventBody;

/// The id of a message: the same at every try, so that receivers know what they have seen.
pub(super) fn id(delivery: DeliveryId) -> String {
    format!("msg_{delivery}")
}

#[derive(Serialize)]
struct Message<'a, T> {
    #[serde(rename = "type")]
    kind: &'a str,
    timestamp: Moment,
    data: T,
}

/// The body, the same at every try.
pub(super) fn body(content: &DeliveryContent) -> String {
    match content {
        DeliveryContent::Test(message) => message.to_string(),
        DeliveryContent::Event(event) => {
            let message = Message {
                kind: event.event.event.as_str(),
                timestamp: event.at,
                data: EventBody::from(event.clone()),
            };
            // Plain structures can always be written.
            serde_json::to_string(&message).unwrap_or_default()
        }
    }
}

/// What is sent to see whether it arrives.
pub(super) fn test(webhook: WebhookId, now: Moment) -> Value {
    json!({ "type": "test", "timestamp": now, "data": { "webhook_id": webhook } })
}
