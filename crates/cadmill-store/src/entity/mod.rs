//! The tables as SeaORM sees them. Only this crate knows them.

pub(crate) mod cad_file;
pub(crate) mod media_asset;
pub(crate) mod pipeline_event;
