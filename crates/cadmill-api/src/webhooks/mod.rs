//! Webhooks: their routes, and the loop that delivers.

mod backoff;
mod client;
mod deliver;
mod dto;
mod in_flight;
mod message;
mod routes;
mod target;

pub(crate) use self::routes::{Hooks, routes};
pub use self::{
    client::{WebhookClient, WebhookClientError},
    deliver::{DeliverySettings, deliver},
    target::{MAX_URL_BYTES, TargetError, TargetPolicy},
};
