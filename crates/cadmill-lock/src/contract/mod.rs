//! What every lock must do, as a suite that is run on each of them.
//!
//! The suite waits for conditions, never for a time, so it runs on a paused clock as on a real one.

mod exclusive;
mod leases;
mod unreliable;

use std::{sync::Arc, time::Duration};

use tokio::time::{sleep, timeout};
use uuid::Uuid;

pub use unreliable::Unreliable;

use crate::{DedupLock, LockKey};

/// After this long a condition is not expected to come true any more.
const PATIENCE: Duration = Duration::from_secs(30);

/// Two users of one store: `ours` calls itself `ours`, and `theirs` calls itself `theirs`.
#[derive(Debug, Clone)]
pub struct Pair {
    /// One user.
    pub ours: Arc<dyn DedupLock>,
    /// The other.
    pub theirs: Arc<dyn DedupLock>,
    /// The time-to-live of most leases: much longer than an answer takes, and short enough to wait
    /// for.
    pub ttl: Duration,
}

/// Panics if the locks break their contract.
///
/// # Panics
/// See above.
pub async fn check(pair: &Pair) {
    leases::check(pair).await;
    exclusive::check(pair).await;
}

impl Pair {
    /// Whether nobody has the key.
    async fn is_free(&self, key: &LockKey) -> bool {
        self.theirs.holder(key).await.unwrap().is_none()
    }
}

/// A key that no other test uses.
fn fresh_key(name: &str) -> LockKey {
    LockKey::new(format!("contract:{name}:{}", Uuid::new_v4()))
}

/// Waits until the condition holds.
async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let wait = async {
        while !condition().await {
            sleep(Duration::from_millis(5)).await;
        }
    };
    let waited = timeout(PATIENCE, wait).await;
    assert!(waited.is_ok(), "waited in vain: {what}");
}
