//! The lock of a single process.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use tokio::{
    sync::Notify,
    time::{Instant, timeout_at},
};

use crate::{DedupLock, Holder, Lease, LeaseToken, LockError, LockKey};

/// Fewer entries than this are not worth sweeping.
const SWEEP_FROM: usize = 64;

/// A lock in memory, shared by its clones.
///
/// It is fair: whoever waits in [`acquire`](DedupLock::acquire) has a place in a queue, a key that
/// becomes free goes to the one who waits longest, and [`try_acquire`](DedupLock::try_acquire),
/// which does not wait, gets nothing while someone waits.
#[derive(Debug, Clone)]
pub struct MemoryLock {
    who: Arc<str>,
    state: Arc<Mutex<State>>,
}

impl MemoryLock {
    /// An empty lock; `who` is shown to those who ask for the holder.
    #[must_use]
    pub fn new(who: impl Into<Arc<str>>) -> Self {
        Self {
            who: who.into(),
            state: Arc::default(),
        }
    }

    /// The same lock, used by someone else.
    #[must_use]
    pub fn shared_with(&self, who: impl Into<Arc<str>>) -> Self {
        Self {
            who: who.into(),
            state: Arc::clone(&self.state),
        }
    }

    /// Forgets who holds which key, as a flush of another store does.
    #[cfg(feature = "test-support")]
    pub fn forget_all(&self) {
        let mut state = self.state();
        state.entries.clear();
        let queues: Vec<_> = state.queues.keys().cloned().collect();
        for key in queues {
            state.wake_first(&key);
        }
    }

    /// How many keys are kept in memory, those included which ran out and were not swept yet.
    #[must_use]
    pub fn tracked_keys(&self) -> usize {
        let state = self.state();
        state.entries.len() + state.queues.len()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No invariant spans two statements, so a panic elsewhere has broken nothing.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl DedupLock for MemoryLock {
    async fn try_acquire(&self, key: &LockKey, ttl: Duration) -> Result<Option<Lease>, LockError> {
        let mut state = self.state();
        if state.queues.contains_key(key) {
            return Ok(None);
        }
        Ok(state.take(key, &self.who, ttl))
    }

    async fn acquire(&self, key: &LockKey, ttl: Duration) -> Result<Lease, LockError> {
        let place = Place::queue_up(self, key);
        loop {
            // Only the first in the queue watches the clock; the others are told when they are first.
            let runs_out_at = {
                let mut state = self.state();
                if state.is_first(key, &place.turn) {
                    if let Some(lease) = state.take(key, &self.who, ttl) {
                        return Ok(lease);
                    }
                    state.entries.get(key).map(|entry| entry.expires_at)
                } else {
                    None
                }
            };
            let told = place.turn.notified();
            match runs_out_at {
                // It may have been renewed by then, which the next round finds out.
                Some(runs_out_at) => drop(timeout_at(runs_out_at, told).await),
                None => told.await,
            }
        }
    }

    async fn renew(&self, lease: &Lease, ttl: Duration) -> Result<bool, LockError> {
        let mut state = self.state();
        let entry = state.in_force(lease);
        Ok(entry
            .map(|entry| entry.expires_at = Instant::now() + ttl)
            .is_some())
    }

    async fn release(&self, lease: &Lease) -> Result<bool, LockError> {
        let mut state = self.state();
        if state.in_force(lease).is_none() {
            return Ok(false);
        }
        state.entries.remove(lease.key());
        state.wake_first(lease.key());
        Ok(true)
    }

    async fn holder(&self, key: &LockKey) -> Result<Option<Holder>, LockError> {
        let now = Instant::now();
        let state = self.state();
        let entry = state
            .entries
            .get(key)
            .filter(|entry| now < entry.expires_at);
        Ok(entry.map(|entry| Holder {
            who: entry.who.to_string(),
            since: Some(entry.since),
            time_left: Some(entry.expires_at - now),
        }))
    }

    async fn held(&self, keys: &[LockKey]) -> Result<Vec<bool>, LockError> {
        let now = Instant::now();
        let state = self.state();
        let is_held = |key| {
            let entry = state.entries.get(key);
            entry.is_some_and(|entry| now < entry.expires_at)
        };
        Ok(keys.iter().map(is_held).collect())
    }

    async fn ping(&self) -> Result<(), LockError> {
        Ok(())
    }
}

#[derive(Debug, Default)]
struct State {
    entries: HashMap<LockKey, Entry>,
    /// Who waits for a key, longest first; none is empty.
    queues: HashMap<LockKey, VecDeque<Arc<Notify>>>,
    /// How many entries there were after the last sweep.
    swept_to: usize,
}

#[derive(Debug)]
struct Entry {
    token: LeaseToken,
    who: Arc<str>,
    since: SystemTime,
    expires_at: Instant,
}

impl State {
    /// Takes the key if nobody has it.
    fn take(&mut self, key: &LockKey, who: &Arc<str>, ttl: Duration) -> Option<Lease> {
        let now = Instant::now();
        if self
            .entries
            .get(key)
            .is_some_and(|held| now < held.expires_at)
        {
            return None;
        }
        self.sweep(now);
        let lease = Lease::fresh(key.clone());
        let entry = Entry {
            token: lease.token(),
            who: Arc::clone(who),
            since: SystemTime::now(),
            expires_at: now + ttl,
        };
        self.entries.insert(key.clone(), entry);
        Some(lease)
    }

    /// The entry of `lease`, unless it ran out or someone else has the key by now.
    fn in_force(&mut self, lease: &Lease) -> Option<&mut Entry> {
        let entry = self.entries.get_mut(lease.key())?;
        (entry.token == lease.token() && Instant::now() < entry.expires_at).then_some(entry)
    }

    /// Forgets what ran out. Since this happens only when the entries have doubled, an acquisition
    /// costs constant time on average.
    fn sweep(&mut self, now: Instant) {
        if self.entries.len() >= SWEEP_FROM.max(2 * self.swept_to) {
            self.entries.retain(|_, entry| now < entry.expires_at);
            self.swept_to = self.entries.len();
            self.entries.shrink_to(SWEEP_FROM.max(2 * self.swept_to));
        }
    }

    fn is_first(&self, key: &LockKey, turn: &Arc<Notify>) -> bool {
        let first = self.queues.get(key).and_then(VecDeque::front);
        first.is_some_and(|first| Arc::ptr_eq(first, turn))
    }

    fn wake_first(&self, key: &LockKey) {
        if let Some(first) = self.queues.get(key).and_then(VecDeque::front) {
            first.notify_one();
        }
    }
}

/// A place in the queue for a key; given up when dropped.
struct Place<'a> {
    lock: &'a MemoryLock,
    key: &'a LockKey,
    turn: Arc<Notify>,
}

impl<'a> Place<'a> {
    fn queue_up(lock: &'a MemoryLock, key: &'a LockKey) -> Self {
        let turn = Arc::new(Notify::new());
        let mut state = lock.state();
        let queue = state.queues.entry(key.clone()).or_default();
        queue.push_back(Arc::clone(&turn));
        Self { lock, key, turn }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut state = self.lock.state();
        if let Some(queue) = state.queues.get_mut(self.key) {
            queue.retain(|turn| !Arc::ptr_eq(turn, &self.turn));
            if queue.is_empty() {
                state.queues.remove(self.key);
            }
        }
        // If this was the first and did not take the key, the next may.
        state.wake_first(self.key);
    }
}
