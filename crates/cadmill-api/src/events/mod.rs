//! Events as they happen: the feed, and the route that shows it.

mod body;
mod feed;
mod routes;

pub use self::feed::FeedSettings;
pub(crate) use self::{
    body::{EventBody, EventName, filter},
    feed::Feed,
    routes::routes,
};
