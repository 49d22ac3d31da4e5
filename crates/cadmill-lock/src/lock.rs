//! The port: a lock with leases that run out by themselves.

use std::{fmt, time::Duration};

use async_trait::async_trait;

use crate::{Holder, Lease, LockError, LockKey};

/// How often a key is tried that someone else has.
const POLL: Duration = Duration::from_millis(200);

/// Keeps two workers from doing the same work at once.
///
/// It saves work and cannot promise more: a worker that was frozen may wake after its lease ran
/// out. What must never happen twice is guarded where it is written down.
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait DedupLock: Send + Sync + fmt::Debug {
    /// Takes the key for `ttl` if nobody has it; `None` if someone does.
    ///
    /// If the returned future is dropped, the key is not left taken.
    ///
    /// # Errors
    /// The store gave no answer; the key is not acquired.
    async fn try_acquire(&self, key: &LockKey, ttl: Duration) -> Result<Option<Lease>, LockError>;

    /// Waits until nobody has the key and takes it for `ttl`. Dropping the future ends the wait.
    ///
    /// Unless an implementation does better, the key is tried five times a second, and whoever
    /// asks first after it became free has it.
    ///
    /// # Errors
    /// The store gave no answer; the key is not acquired.
    async fn acquire(&self, key: &LockKey, ttl: Duration) -> Result<Lease, LockError> {
        loop {
            if let Some(lease) = self.try_acquire(key, ttl).await? {
                return Ok(lease);
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Lets the lease run for `ttl` from now on. `false` if it is no longer the one in force.
    ///
    /// # Errors
    /// The store gave no answer; the lease may or may not have been renewed.
    async fn renew(&self, lease: &Lease, ttl: Duration) -> Result<bool, LockError>;

    /// Ends the lease. `false` if it is no longer the one in force; nothing is changed then.
    ///
    /// # Errors
    /// The store gave no answer; if the lease was not released it runs out.
    async fn release(&self, lease: &Lease) -> Result<bool, LockError>;

    /// Who has the key; `None` if nobody does.
    ///
    /// # Errors
    /// The store gave no answer.
    async fn holder(&self, key: &LockKey) -> Result<Option<Holder>, LockError>;

    /// Whether each of these keys is held by any holder, in their order.
    ///
    /// Unless an implementation does better, the keys are looked at one after the other.
    ///
    /// # Errors
    /// The store gave no answer.
    async fn held(&self, keys: &[LockKey]) -> Result<Vec<bool>, LockError> {
        let mut held = Vec::with_capacity(keys.len());
        for key in keys {
            held.push(self.holder(key).await?.is_some());
        }
        Ok(held)
    }

    /// Asks the store for a sign of life.
    ///
    /// # Errors
    /// The store gave none.
    async fn ping(&self) -> Result<(), LockError>;
}
