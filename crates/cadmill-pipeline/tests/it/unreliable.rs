//! A lock and a ledger that fail as the real ones do.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use cadmill_domain::{
    StoreError,
    fakes::MemoryStore,
    ledger::{
        LedgerView as _, MockLedgerView, MockWorkQueue, MockWorkRequests, WorkQueue as _,
        WorkRequests as _,
    },
};
use cadmill_lock::{DedupLock, Holder, Lease, LockError, LockKey, MemoryLock};
use futures_util::FutureExt as _;

/// What is wrong with a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// Nothing.
    None,
    /// It has forgotten every lease, as after a flush.
    Forgetful,
    /// It forgets a lease as soon as that is renewed, and gives the key to another worker.
    TakenAway,
    /// Its owner was frozen: it believes to have renewed, but its leases run out.
    Deceived,
    /// It does not answer.
    Away,
}

/// A lock that can get into trouble.
#[derive(Debug, Clone)]
pub(crate) struct UnreliableLock {
    pub(crate) inner: MemoryLock,
    trouble: Arc<Mutex<Trouble>>,
}

impl UnreliableLock {
    pub(crate) fn new(inner: MemoryLock, trouble: Trouble) -> Self {
        let trouble = Arc::new(Mutex::new(trouble));
        Self { inner, trouble }
    }

    pub(crate) fn get_into(&self, trouble: Trouble) {
        *self.trouble.lock().unwrap() = trouble;
    }

    fn answer(&self) -> Result<Trouble, LockError> {
        match *self.trouble.lock().unwrap() {
            Trouble::Away => Err(LockError::unavailable("it is away")),
            other => Ok(other),
        }
    }
}

#[async_trait]
impl DedupLock for UnreliableLock {
    async fn try_acquire(&self, key: &LockKey, ttl: Duration) -> Result<Option<Lease>, LockError> {
        self.answer()?;
        self.inner.try_acquire(key, ttl).await
    }

    async fn acquire(&self, key: &LockKey, ttl: Duration) -> Result<Lease, LockError> {
        self.answer()?;
        self.inner.acquire(key, ttl).await
    }

    async fn renew(&self, lease: &Lease, ttl: Duration) -> Result<bool, LockError> {
        match self.answer()? {
            Trouble::Deceived => Ok(true),
            Trouble::Forgetful => {
                self.inner.release(lease).await?;
                Ok(false)
            }
            Trouble::TakenAway => {
                self.inner.release(lease).await?;
                let other = self.inner.shared_with("another");
                let hour = Duration::from_hours(1);
                other.try_acquire(lease.key(), hour).await?;
                Ok(false)
            }
            _ => self.inner.renew(lease, ttl).await,
        }
    }

    async fn release(&self, lease: &Lease) -> Result<bool, LockError> {
        self.answer()?;
        self.inner.release(lease).await
    }

    async fn holder(&self, key: &LockKey) -> Result<Option<Holder>, LockError> {
        match self.answer()? {
            Trouble::Forgetful => Ok(None),
            _ => self.inner.holder(key).await,
        }
    }

    async fn held(&self, keys: &[LockKey]) -> Result<Vec<bool>, LockError> {
        match self.answer()? {
            Trouble::Forgetful => Ok(vec![false; keys.len()]),
            _ => self.inner.held(keys).await,
        }
    }

    async fn ping(&self) -> Result<(), LockError> {
        self.answer()?;
        self.inner.ping().await
    }
}

/// The database does not answer.
pub(crate) fn away() -> StoreError {
    StoreError::Unavailable("it is away".into())
}

/// Relays the calls of a mock to `$store`, after `$reach` has succeeded.
macro_rules! relay {
    ($mock:ident, $store:ident, $reach:ident: $($expect:ident => $method:ident($($arg:ident),*);)+) => {$(
        let (relayed, is_reached) = ($store.clone(), $reach.clone());
        $mock.$expect().returning(move |$($arg),*| {
            is_reached()?;
            relayed.$method($($arg),*).now_or_never().expect("the fake answers at once")
        });
    )+};
}

/// Relays every call that `queue` does not expect yet to `store`.
pub(crate) fn else_as_in(queue: MockWorkQueue, store: &MemoryStore) -> MockWorkQueue {
    if_reachable_as_in(queue, store, || Ok(()))
}

/// As [`else_as_in`], but each call fails if `reach` does.
pub(crate) fn if_reachable_as_in(
    mut queue: MockWorkQueue,
    store: &MemoryStore,
    reach: impl Fn() -> Result<(), StoreError> + Clone + Send + 'static,
) -> MockWorkQueue {
    relay! { queue, store, reach:
        expect_next => next(query);
        expect_suspects => suspects(limit);
        expect_put_off => put_off(work, until);
        expect_claim => claim(work, worker);
        expect_progress => progress(claim, progress);
        expect_publish => publish(claim, product);
        expect_fail => fail(claim, failure, retry_at);
        expect_hand_back => hand_back(claim, reason);
        expect_running => running();
        expect_confirm => confirm(claim);
        expect_standing => standing(claims);
        expect_unconfirmed => unconfirmed(lease);
        expect_recover => recover(claim, recovery);
    }
    queue
}

/// The requests of `store`, each of which fails if `reach` does.
pub(crate) fn requests_if_reachable(
    store: &MemoryStore,
    reach: impl Fn() -> Result<(), StoreError> + Clone + Send + 'static,
) -> MockWorkRequests {
    let mut requests = MockWorkRequests::new();
    relay! { requests, store, reach:
        expect_request => request(work, request);
    }
    requests
}

/// The rows of `store`, each look at which fails if `reach` does.
pub(crate) fn view_if_reachable(
    store: &MemoryStore,
    reach: impl Fn() -> Result<(), StoreError> + Clone + Send + 'static,
) -> MockLedgerView {
    let mut view = MockLedgerView::new();
    relay! { view, store, reach:
        expect_rows => rows(file);
        expect_coarser => coarser();
    }
    view
}
