//! The ledger, in memory.

mod queue;
mod requests;
mod view;
