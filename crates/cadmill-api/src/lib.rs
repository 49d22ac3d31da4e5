//! The HTTP service: routes, access, problems and the OpenAPI document.

mod access;
mod api;
mod document;
mod dto;
mod etag;
mod events;
mod extract;
mod file_name;
mod gate;
mod media_bytes;
mod metrics;
mod outline;
mod problem;
mod receive;
mod request;
mod routes;
mod serve;
mod settings;
mod webhooks;

pub use api::{Api, JoinTrace, RandomBytes, RenderMetrics, openapi};
pub use events::FeedSettings;
pub use metrics::figures_router;
pub use serve::serve;
pub use settings::{Access, Settings};
pub use webhooks::{
    DeliverySettings, MAX_URL_BYTES, TargetError, TargetPolicy, WebhookClient, WebhookClientError,
    deliver,
};
