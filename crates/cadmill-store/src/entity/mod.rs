//! The tables as SeaORM sees them. Only this crate knows them.

pub(crate) mod access_token;
pub(crate) mod cad_file;
pub(crate) mod media_asset;
pub(crate) mod pipeline_event;
pub(crate) mod webhook;
pub(crate) mod webhook_delivery;
