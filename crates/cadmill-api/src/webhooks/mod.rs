//! Webhooks: their routes, and the loop that delivers.

mod backoff;
mod courier;
mod deliver;
mod dto;
mod hands;
mod message;
mod routes;
mod target;

pub(crate) use self::routes::{Hooks, routes};
pub use self::{
    courier::{Courier, CourierError},
    deliver::{DeliverySettings, deliver},
    target::{LONGEST_URL, TargetError, TargetPolicy},
};
