//! The service over in-memory ports, request by request.

mod access;
mod admin;
mod cad;
mod content;
mod deliveries;
mod document;
mod events;
mod harness;
mod health;
mod materials;
mod media;
mod problems;
mod receiver;
mod serving;
mod upload;
mod webhooks;
