//! A lock whose store can be switched off or made silent, and which remembers what it was asked.

use std::{
    future::pending,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;

use crate::{DedupLock, Holder, Lease, LockError, LockKey};

/// A lock in front of another.
#[derive(Debug)]
pub struct Unreliable {
    inner: Arc<dyn DedupLock>,
    is_down: AtomicBool,
    is_silent: AtomicBool,
    last_lease: Mutex<Option<Lease>>,
    renewals: AtomicUsize,
    failed_renewals: AtomicUsize,
}

impl Unreliable {
    /// In front of `inner`, and reliable for now.
    #[must_use]
    pub fn new(inner: Arc<dyn DedupLock>) -> Self {
        Self {
            inner,
            is_down: AtomicBool::new(false),
            is_silent: AtomicBool::new(false),
            last_lease: Mutex::new(None),
            renewals: AtomicUsize::new(0),
            failed_renewals: AtomicUsize::new(0),
        }
    }

    /// From now on every call fails, or none does.
    pub fn set_down(&self, is_down: bool) {
        self.is_down.store(is_down, Ordering::SeqCst);
    }

    /// From now on no call is answered, or each is.
    pub fn set_silent(&self, is_silent: bool) {
        self.is_silent.store(is_silent, Ordering::SeqCst);
    }

    /// What was acquired last. With it a test can release the key behind its owner's back.
    ///
    /// # Panics
    /// Nothing was acquired.
    #[must_use]
    pub fn last_lease(&self) -> Lease {
        let lease = self.last_lease.lock().unwrap().clone();
        lease.expect("something was acquired")
    }

    /// How many renewals succeeded.
    #[must_use]
    pub fn renewals(&self) -> usize {
        self.renewals.load(Ordering::SeqCst)
    }

    /// How many renewals failed.
    #[must_use]
    pub fn failed_renewals(&self) -> usize {
        self.failed_renewals.load(Ordering::SeqCst)
    }

    async fn up(&self) -> Result<&dyn DedupLock, LockError> {
        if self.is_silent.load(Ordering::SeqCst) {
            pending::<()>().await;
        }
        if self.is_down.load(Ordering::SeqCst) {
            return Err(LockError::unavailable("the store was switched off"));
        }
        Ok(&*self.inner)
    }

    fn remember(&self, lease: &Lease) {
        *self.last_lease.lock().unwrap() = Some(lease.clone());
    }
}

#[async_trait]
impl DedupLock for Unreliable {
    async fn try_acquire(&self, key: &LockKey, ttl: Duration) -> Result<Option<Lease>, LockError> {
        let lease = self.up().await?.try_acquire(key, ttl).await?;
        if let Some(lease) = &lease {
            self.remember(lease);
        }
        Ok(lease)
    }

    async fn acquire(&self, key: &LockKey, ttl: Duration) -> Result<Lease, LockError> {
        let lease = self.up().await?.acquire(key, ttl).await?;
        self.remember(&lease);
        Ok(lease)
    }

    async fn renew(&self, lease: &Lease, ttl: Duration) -> Result<bool, LockError> {
        let renewed = match self.up().await {
            Ok(inner) => inner.renew(lease, ttl).await,
            Err(error) => Err(error),
        };
        let counter = match renewed {
            Ok(true) => &self.renewals,
            _ => &self.failed_renewals,
        };
        counter.fetch_add(1, Ordering::SeqCst);
        renewed
    }

    async fn release(&self, lease: &Lease) -> Result<bool, LockError> {
        self.up().await?.release(lease).await
    }

    async fn holder(&self, key: &LockKey) -> Result<Option<Holder>, LockError> {
        self.up().await?.holder(key).await
    }

    async fn held(&self, keys: &[LockKey]) -> Result<Vec<bool>, LockError> {
        self.up().await?.held(keys).await
    }

    async fn ping(&self) -> Result<(), LockError> {
        self.up().await?.ping().await
    }
}
