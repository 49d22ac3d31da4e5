//! What an acquisition yields, and what is known of whoever has a key.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;
use uuid::Uuid;

use crate::LockKey;

/// One acquisition of a key. It is told from every other by a random token, so whoever comes too
/// late can neither renew nor release what is someone else's by now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    key: LockKey,
    token: LeaseToken,
    asked_at: Instant,
}

impl Lease {
    /// A lease with a fresh token. An implementation makes it before it asks its store, since the
    /// lease is counted from then on.
    #[must_use]
    pub fn fresh(key: LockKey) -> Self {
        Self {
            key,
            token: LeaseToken(Uuid::new_v4()),
            asked_at: Instant::now(),
        }
    }

    /// What is leased.
    #[must_use]
    pub const fn key(&self) -> &LockKey {
        &self.key
    }

    /// What tells this acquisition from every other.
    #[must_use]
    pub const fn token(&self) -> LeaseToken {
        self.token
    }

    /// When the store was asked for it: it runs out no sooner than one time-to-live later.
    #[must_use]
    pub const fn asked_at(&self) -> Instant {
        self.asked_at
    }
}

/// A random token; written as 32 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LeaseToken(Uuid);

impl std::fmt::Display for LeaseToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.simple().fmt(f)
    }
}

/// Who has a key, as far as the store tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The name the holder gave itself; of a foreign worker, what it stored.
    pub who: String,
    /// When it was acquired, by the clock of the holder.
    pub since: Option<SystemTime>,
    /// How long until it runs out unless it is renewed; `None` if it never does.
    pub time_left: Option<Duration>,
}
