//! The service over in-memory ports, request by request.

mod access;
mod admin;
mod browsers;
mod cad;
mod content;
mod deliveries;
mod document;
mod events;
mod guide;
mod harness;
mod health;
mod materials;
mod media;
mod post;
mod problems;
mod proxies;
mod receiver;
mod requesters;
mod serving;
mod slow_receivers;
mod tls;
mod upload;
mod webhooks;
