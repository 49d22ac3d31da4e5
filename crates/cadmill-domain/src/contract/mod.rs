//! The contract suites: what every implementation of a port must do, whatever it keeps its rows in.
//!
//! A suite is a module of scenarios, and a macro that makes a `#[tokio::test]` of each. The crate of
//! an implementation says once how to open a new, empty one:
//!
//! ```
//! # use std::sync::Arc;
//! # use cadmill_domain::{contract::{self, Deployment}, fakes::{ManualClock, MemoryStore}};
//! async fn open() -> Deployment {
//!     let clock = Arc::new(ManualClock::new());
//!     let store = Arc::new(MemoryStore::new(contract::plan(), clock.clone()));
//!     Deployment {
//!         files: store.clone(),
//!         assets: store.clone(),
//!         ledger: store.clone(),
//!         log: store.clone(),
//!         tokens: store.clone(),
//!         refs: store.clone(),
//!         webhooks: store,
//!         clock,
//!     }
//! }
//!
//! mod ledger {
//!     cadmill_domain::ledger_contract!(super::open());
//! }
//! # fn main() {}
//! ```
//!
//! What `open` gives only has to be [`Borrow`](std::borrow::Borrow)able as a [`Deployment`], so it
//! may also hold a folder or a database that goes when the test is over.
#![expect(
    clippy::missing_panics_doc,
    reason = "a scenario panics where the contract is broken; that is its purpose"
)]

/// Lists the scenarios of a port once, and defines the macro that makes a test of each.
macro_rules! suite {
    ($d:tt $port:ident, $tests:ident: $($scenario:ident)+) => {
        #[doc = concat!("A test for each scenario of [`", stringify!($port), "`](crate::contract::", stringify!($port), ").")]
        #[macro_export]
        macro_rules! $tests {
            ($d open:expr) => {$(
                #[tokio::test(flavor = "multi_thread")]
                async fn $scenario() {
                    let opened = $d open.await;
                    let opened = ::std::borrow::Borrow::borrow(&opened);
                    $crate::contract::$port::$scenario(opened).await;
                }
            )+};
        }
    };
}

pub mod access_tokens;
pub mod blob_refs;
pub mod blobs;
pub mod cad_files;
mod deployment;
pub mod ledger;
pub mod media_assets;
pub mod notifier;
pub mod pipeline_log;
pub mod webhooks;

pub use deployment::{Deployment, all_files, plan};
