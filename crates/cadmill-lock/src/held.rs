//! A lease that is kept alive for as long as its guard lives.

use std::{sync::Arc, time::Duration};

use tokio::{
    runtime::Handle,
    task::AbortHandle,
    time::{Instant, sleep_until, timeout, timeout_at},
};
use tokio_util::sync::CancellationToken;

use crate::{DedupLock, Lease, LockError, LockKey};

/// How long a release may take. After that the lease runs out by itself.
const RELEASE_WITHIN: Duration = Duration::from_secs(3);

/// A key that is ours: renewed every third of its time-to-live, and released when dropped.
#[derive(Debug)]
#[must_use = "the key is released when this is dropped"]
pub struct Held {
    lock: Arc<dyn DedupLock>,
    lease: Lease,
    lost: CancellationToken,
    heartbeat: AbortHandle,
    released: bool,
}

impl Held {
    /// Takes the key if nobody has it; `None` if someone does.
    ///
    /// # Errors
    /// The store gave no answer; the key is not acquired.
    pub async fn try_acquire(
        lock: &Arc<dyn DedupLock>,
        key: &LockKey,
        ttl: Duration,
    ) -> Result<Option<Self>, LockError> {
        let lease = lock.try_acquire(key, ttl).await?;
        Ok(lease.map(|lease| Self::keep(lock, lease, ttl)))
    }

    /// Waits until nobody has the key, and takes it. Dropping the future ends the wait.
    ///
    /// # Errors
    /// The store gave no answer; the key is not acquired.
    pub async fn acquire(
        lock: &Arc<dyn DedupLock>,
        key: &LockKey,
        ttl: Duration,
    ) -> Result<Self, LockError> {
        let lease = lock.acquire(key, ttl).await?;
        Ok(Self::keep(lock, lease, ttl))
    }

    /// Keeps a lease alive that was acquired for `ttl` just now.
    fn keep(lock: &Arc<dyn DedupLock>, lease: Lease, ttl: Duration) -> Self {
        let lost = CancellationToken::new();
        let heartbeat = Heartbeat {
            lock: Arc::clone(lock),
            lease: lease.clone(),
            ttl,
            lost: lost.clone(),
        };
        Self {
            lock: Arc::clone(lock),
            lease,
            lost,
            heartbeat: tokio::spawn(heartbeat.run()).abort_handle(),
            released: false,
        }
    }

    /// The lease.
    #[must_use]
    pub const fn lease(&self) -> &Lease {
        &self.lease
    }

    /// Is cancelled once the lease is lost: it ran out, or the store could not be reached for so
    /// long that it may have. Someone else may have the key by then.
    #[must_use]
    pub const fn lost(&self) -> &CancellationToken {
        &self.lost
    }

    /// Releases the key, and says whether it was ours to the end. A store that does not answer
    /// within 3 s is logged; the lease runs out then.
    pub async fn release(mut self) -> bool {
        self.heartbeat.abort();
        let was_ours = release(&*self.lock, &self.lease).await;
        self.released = true;
        was_ours
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.heartbeat.abort();
        // Without a runtime nobody is left who could release it, and the lease runs out.
        if !self.released
            && let Ok(runtime) = Handle::try_current()
        {
            let (lock, lease) = (Arc::clone(&self.lock), self.lease.clone());
            runtime.spawn(async move { release(&*lock, &lease).await });
        }
    }
}

async fn release(lock: &dyn DedupLock, lease: &Lease) -> bool {
    let key = lease.key();
    match timeout(RELEASE_WITHIN, lock.release(lease)).await {
        Ok(Ok(was_ours)) => was_ours,
        Ok(Err(error)) => {
            let error: &dyn std::error::Error = &error;
            tracing::warn!(lock.key = %key, error, "the lease could not be released and runs out");
            false
        }
        Err(_) => {
            tracing::warn!(lock.key = %key, "the lease was not released in time and runs out");
            false
        }
    }
}

/// Renews a lease until it is lost.
struct Heartbeat {
    lock: Arc<dyn DedupLock>,
    lease: Lease,
    ttl: Duration,
    lost: CancellationToken,
}

impl Heartbeat {
    async fn run(self) {
        let key = self.lease.key();
        // The store counts from when it is reached, which is later than when we ask: until then
        // the lease is surely ours.
        let mut ours_until = self.lease.asked_at() + self.ttl;
        let mut next = self.lease.asked_at() + self.ttl / 3;
        loop {
            sleep_until(next.min(ours_until)).await;
            let asked_at = Instant::now();
            if asked_at >= ours_until {
                tracing::warn!(lock.key = %key, "the lease is lost: it was not renewed in time");
                break;
            }
            match timeout_at(ours_until, self.lock.renew(&self.lease, self.ttl)).await {
                Ok(Ok(true)) => {
                    ours_until = asked_at + self.ttl;
                    next = asked_at + self.ttl / 3;
                }
                Ok(Ok(false)) => {
                    tracing::warn!(lock.key = %key, "the lease is lost: the store has it no more");
                    break;
                }
                Ok(Err(error)) => {
                    let error: &dyn std::error::Error = &error;
                    tracing::warn!(lock.key = %key, error, "the lease could not be renewed yet");
                    next = Instant::now() + self.ttl / 12;
                }
                Err(_) => {}
            }
        }
        self.lost.cancel();
    }
}
