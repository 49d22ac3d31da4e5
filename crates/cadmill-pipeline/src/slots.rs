//! The slots of a worker.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use cadmill_domain::Work;
use tokio::sync::Notify;

/// The work that has given its slot back. Work has its slot while something is read or made. To
/// publish waits for the disk of the database and needs nothing of this machine, so the next piece
/// of work begins meanwhile.
///
/// Clones are the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct GivenBack(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    work: Mutex<BTreeSet<Work>>,
    changed: Notify,
}

impl GivenBack {
    /// The slot of a piece of work.
    pub(crate) fn slot(&self, work: Work) -> Slot {
        Slot {
            work,
            given_back: self.clone(),
        }
    }

    pub(crate) fn has(&self, work: Work) -> bool {
        self.work().contains(&work)
    }

    /// The work has ended.
    pub(crate) fn forget(&self, work: Work) {
        self.work().remove(&work);
    }

    /// Waits until a slot was given back since this was last waited for.
    pub(crate) async fn changed(&self) {
        self.0.changed.notified().await;
    }

    fn work(&self) -> MutexGuard<'_, BTreeSet<Work>> {
        self.0.work.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The slot of a piece of work.
#[derive(Debug)]
pub(crate) struct Slot {
    work: Work,
    given_back: GivenBack,
}

impl Slot {
    /// Lets the next piece of work begin.
    pub(crate) fn give_back(&self) {
        self.given_back.work().insert(self.work);
        self.given_back.0.changed.notify_one();
    }
}
