//! Integration tests of `cadmill-domain`: the contract suites on the fakes, and the pure ledger.

use std::{
    future::{Ready, ready},
    sync::Arc,
};

use cadmill_domain::{
    contract::{self, Deployment},
    fakes::{ManualClock, MemoryStore},
};

mod failures;

mod ledger {
    cadmill_domain::ledger_contract!(super::open());
}

fn open() -> Ready<Deployment> {
    let clock = Arc::new(ManualClock::new());
    let store = Arc::new(MemoryStore::new(contract::making(), clock.clone()));
    ready(Deployment {
        files: store.clone(),
        assets: store.clone(),
        ledger: store.clone(),
        log: store,
        clock,
    })
}
