//! The crate from outside: scenes go into media and come back.

mod generated;
mod glb;
mod overlay;
mod thumbnail;
mod web;
