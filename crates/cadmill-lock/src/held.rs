//! A lease that is kept alive for as long as its guard lives.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    runtime::Handle,
    task::AbortHandle,
    time::{Instant, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{DedupLock, Lease, LockError, LockKey};

/// How long a release may take. After that the lease runs out by itself.
const RELEASE_WITHIN: Duration = Duration::from_secs(3);

/// Until when a lease may be renewed; for ever, unless its owner says otherwise. Clones share it.
///
/// An owner that can no longer do its work (its database does not answer, say) lets the lease run out
/// so that others can take over, and goes on as soon as it can: then the key is taken again.
#[derive(Debug, Clone, Default)]
pub struct Renewal(Arc<Mutex<Option<Instant>>>);

impl Renewal {
    /// From now on the lease is renewed until `until` only, which may be in the past.
    pub fn allow_until(&self, until: Instant) {
        *self.until() = Some(until);
    }

    fn is_allowed(&self) -> bool {
        self.until().is_none_or(|until| Instant::now() < until)
    }

    fn until(&self) -> MutexGuard<'_, Option<Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A key that is ours: renewed every third of its time-to-live, and released when dropped.
///
/// A lease that the store has lost is taken again, as soon as the store answers and the key is free.
#[derive(Debug)]
#[must_use = "the key is released when this is dropped"]
pub struct Held {
    lock: Arc<dyn DedupLock>,
    /// The newest, since a lost one is replaced.
    lease: Arc<Mutex<Lease>>,
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
        Self::try_acquire_while(lock, key, ttl, &Renewal::default()).await
    }

    /// The same, but the lease is renewed only as long as `renewal` allows it.
    ///
    /// # Errors
    /// The store gave no answer; the key is not acquired.
    pub async fn try_acquire_while(
        lock: &Arc<dyn DedupLock>,
        key: &LockKey,
        ttl: Duration,
        renewal: &Renewal,
    ) -> Result<Option<Self>, LockError> {
        let lease = lock.try_acquire(key, ttl).await?;
        Ok(lease.map(|lease| Self::keep(lock, lease, ttl, renewal)))
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
        Ok(Self::keep(lock, lease, ttl, &Renewal::default()))
    }

    /// Keeps a lease alive that was acquired for `ttl` just now.
    fn keep(lock: &Arc<dyn DedupLock>, lease: Lease, ttl: Duration, renewal: &Renewal) -> Self {
        let lost = CancellationToken::new();
        let asked_at = lease.asked_at();
        let lease = Arc::new(Mutex::new(lease));
        let heartbeat = Heartbeat {
            lock: Arc::clone(lock),
            lease: Arc::clone(&lease),
            ttl,
            renewal: renewal.clone(),
            lost: lost.clone(),
        };
        Self {
            lock: Arc::clone(lock),
            lease,
            lost,
            heartbeat: tokio::spawn(heartbeat.run(asked_at)).abort_handle(),
            released: false,
        }
    }

    /// The lease that is in force, as far as is known.
    #[must_use]
    pub fn lease(&self) -> Lease {
        current(&self.lease)
    }

    /// Is cancelled once the lease is lost and cannot be taken again, because another worker has the
    /// key and keeps it.
    #[must_use]
    pub const fn lost(&self) -> &CancellationToken {
        &self.lost
    }

    /// Releases the key, and says whether it was ours to the end. A store that does not answer
    /// within 3 s is logged; the lease runs out then.
    pub async fn release(mut self) -> bool {
        self.heartbeat.abort();
        let was_ours = release(&*self.lock, &self.lease()).await;
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
            let (lock, lease) = (Arc::clone(&self.lock), self.lease());
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

fn current(lease: &Mutex<Lease>) -> Lease {
    lease.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// Renews a lease, and takes it again when the store has lost it.
struct Heartbeat {
    lock: Arc<dyn DedupLock>,
    lease: Arc<Mutex<Lease>>,
    ttl: Duration,
    renewal: Renewal,
    lost: CancellationToken,
}

impl Heartbeat {
    async fn run(self, asked_at: Instant) {
        let (often, seldom) = (self.ttl / 12, self.ttl / 3);
        let mut next = asked_at + seldom;
        let mut taken_since: Option<Instant> = None;
        loop {
            sleep_until(next).await;
            let now = Instant::now();
            next = now + often;
            if !self.renewal.is_allowed() {
                continue;
            }
            let lease = current(&self.lease);
            let key = lease.key();
            match timeout(seldom, self.renew(&lease)).await {
                Ok(Ok(true)) => {
                    taken_since = None;
                    next = now + seldom;
                }
                // One that only looks whether it may take over has the key for a moment.
                Ok(Ok(false)) if taken_since.get_or_insert(now).elapsed() < seldom => {}
                Ok(Ok(false)) => {
                    tracing::warn!(lock.key = %key, "the lease is lost: another worker has the key");
                    break;
                }
                Ok(Err(error)) => {
                    let error: &dyn std::error::Error = &error;
                    tracing::warn!(lock.key = %key, error, "the lease could not be renewed yet");
                    next = Instant::now() + often;
                }
                Err(_) => {
                    tracing::warn!(lock.key = %key, "the lock store does not answer");
                    next = Instant::now() + often;
                }
            }
        }
        self.lost.cancel();
    }

    /// Renews the lease, or takes the key again. False if another has it.
    async fn renew(&self, lease: &Lease) -> Result<bool, LockError> {
        if self.lock.renew(lease, self.ttl).await? {
            return Ok(true);
        }
        let key = lease.key();
        let Some(lease) = self.lock.try_acquire(key, self.ttl).await? else {
            return Ok(false);
        };
        tracing::warn!(lock.key = %key, "the store had lost the lease; it was taken again");
        *self.lease.lock().unwrap_or_else(PoisonError::into_inner) = lease;
        Ok(true)
    }
}
