//! From the configuration to adapters, and from adapters to running services.

pub(crate) mod api;
pub(crate) mod config;
pub(crate) mod deployment;
pub(crate) mod health_checks;
pub(crate) mod idle;
pub(crate) mod interrupt;
pub(crate) mod listener;
pub(crate) mod logging;
pub(crate) mod machine;
pub(crate) mod maintenance;
pub(crate) mod metrics;
pub(crate) mod server;
pub(crate) mod tessellator;
pub(crate) mod traces;
pub(crate) mod worker;
