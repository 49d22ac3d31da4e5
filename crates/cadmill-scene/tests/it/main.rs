//! Tests of the public API: writing scenes as media and reading them back.

mod generated;
mod glb;
mod overlay;
mod thumbnail;
mod web;
