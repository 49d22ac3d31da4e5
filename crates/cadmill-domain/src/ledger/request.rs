//! Requests of one result, and their outcomes.

use serde::{Deserialize, Serialize};

use super::Requester;
use crate::ContentHash;

/// The urgency of work: the queue is ordered by priority, the highest first.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// Requested in bulk.
    #[default]
    Bulk,
    /// Requested individually.
    Asked,
    /// Requested with the upload of the file.
    Upload,
}

impl Priority {
    /// Every priority, the highest first.
    pub const ALL: [Self; 3] = [Self::Upload, Self::Asked, Self::Bulk];

    /// The number under which it is stored; a higher one is more urgent.
    #[must_use]
    pub const fn rank(self) -> i32 {
        match self {
            Self::Bulk => 0,
            Self::Asked => 50,
            Self::Upload => 100,
        }
    }

    /// The priority with this number, or the next lower one.
    #[must_use]
    pub const fn from_rank(rank: i32) -> Self {
        match rank {
            100.. => Self::Upload,
            50.. => Self::Asked,
            _ => Self::Bulk,
        }
    }
}

/// How a result is requested.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    /// The urgency.
    pub priority: Priority,
    /// Whether failures are retried, those of upstream tasks included.
    pub retry_failed: bool,
    /// Whether the result is made even if it is present, or was made for another file with the same
    /// bytes. Ignored while the upstream result is absent or the work is in flight.
    pub force: bool,
    /// The party for which the work is done. Work in flight keeps its requester unless this request is
    /// more urgent.
    pub requester: Requester,
    /// Whether the recipe is retried where only a coarser scene is present; otherwise that scene
    /// counts as present.
    pub retry_coarser: bool,
}

impl Request {
    /// An individual request, which retries failures.
    pub const ASKED: Self = Self {
        priority: Priority::Asked,
        retry_failed: true,
        force: false,
        requester: Requester::SHARED,
        retry_coarser: false,
    };
    /// One of many requests; failures stay.
    pub const BULK: Self = Self {
        priority: Priority::Bulk,
        retry_failed: false,
        force: false,
        requester: Requester::SHARED,
        retry_coarser: false,
    };
}

/// The idempotency key of a request, which a client may repeat when it got no answer. It is scoped to
/// one piece of work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestKey(ContentHash);

impl RequestKey {
    /// How long a key is stored.
    pub const LIFE: chrono::TimeDelta = chrono::TimeDelta::hours(24);

    /// The key of this text, which the client chose.
    #[must_use]
    pub fn of(text: &str) -> Self {
        Self(ContentHash::of(text.as_bytes()))
    }

    /// The hash of the text, as stored.
    #[must_use]
    pub const fn as_hash(&self) -> ContentHash {
        self.0
    }
}

/// The outcome of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Requested {
    /// The work is now in the queue.
    Queued,
    /// The work was already queued or running; the request was merged with it.
    InFlight,
    /// The result is present.
    Present,
    /// The work has failed before, and was not retried.
    Failed,
}
