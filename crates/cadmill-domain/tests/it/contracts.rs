//! The contract suites on the in-memory fakes.

use std::{
    future::{Ready, ready},
    sync::Arc,
};

use async_trait::async_trait;
use cadmill_domain::{
    Blobs, WorkNotifier,
    contract::{self, Deployment, notifier::Doorbells},
    fakes::{ManualClock, MemoryBlobs, MemoryStore},
};
use tokio::sync::Notify;

mod cad_files {
    cadmill_domain::cad_files_contract!(super::deployment());
}
mod media_assets {
    cadmill_domain::media_assets_contract!(super::deployment());
}
mod ledger {
    cadmill_domain::ledger_contract!(super::deployment());
}
mod pipeline_log {
    cadmill_domain::pipeline_log_contract!(super::deployment());
}
mod access_tokens {
    cadmill_domain::access_tokens_contract!(super::deployment());
}
mod webhooks {
    cadmill_domain::webhooks_contract!(super::deployment());
}
mod blob_refs {
    cadmill_domain::blob_refs_contract!(super::deployment());
}
mod blobs {
    cadmill_domain::blobs_contract!(super::blobs_of_memory());
}
mod notifier {
    cadmill_domain::doorbell_contract!(super::doorbells());
}

fn deployment() -> Ready<Deployment> {
    let clock = Arc::new(ManualClock::new());
    let store = Arc::new(MemoryStore::new(contract::plan(), clock.clone()));
    ready(Deployment {
        files: store.clone(),
        assets: store.clone(),
        ledger: store.clone(),
        log: store.clone(),
        tokens: store.clone(),
        refs: store.clone(),
        webhooks: store,
        clock,
    })
}

fn blobs_of_memory() -> Ready<Arc<dyn Blobs>> {
    ready(Arc::new(MemoryBlobs::default()))
}

fn doorbells() -> Ready<Doorbells> {
    let notifier = Arc::new(Bell::default());
    ready(Doorbells {
        ringing: notifier.clone(),
        waiting: notifier,
    })
}

/// The suite itself is tried on the plainest bell there is.
#[derive(Debug, Default)]
struct Bell(Notify);

#[async_trait]
impl WorkNotifier for Bell {
    async fn notify(&self) {
        self.0.notify_waiters();
    }

    async fn wait(&self) {
        self.0.notified().await;
    }
}
