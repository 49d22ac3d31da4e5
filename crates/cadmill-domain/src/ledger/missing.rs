//! Requests of every result of a kind that is missing, stale or failed.

use serde::{Deserialize, Serialize};

use super::Requester;
use crate::{FailureCode, TaskKind};

/// A request of every missing result of a kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingRequest {
    /// The kind of work.
    pub kind: TaskKind,
    /// The files that are considered.
    pub filter: MissingFilter,
    /// Whether failures count as missing.
    pub include_failed: bool,
    /// Whether results are only counted and nothing is queued.
    pub dry_run: bool,
    /// The party for which the work is done.
    pub requester: Requester,
}

impl MissingRequest {
    /// Whether the recipe is retried where only a coarser scene is present.
    #[must_use]
    pub fn retries_coarser(&self) -> bool {
        self.filter.only == Some(MissingReason::Stale)
    }

    /// Every missing result of a kind; failures stay.
    #[must_use]
    pub fn of(kind: impl Into<TaskKind>) -> Self {
        Self {
            kind: kind.into(),
            filter: MissingFilter::default(),
            include_failed: false,
            dry_run: false,
            requester: Requester::SHARED,
        }
    }

    /// Every result of a kind of which only an older or a coarser version is present.
    #[must_use]
    pub fn of_stale(kind: impl Into<TaskKind>) -> Self {
        let filter = MissingFilter {
            only: Some(MissingReason::Stale),
            ..MissingFilter::default()
        };
        Self {
            filter,
            ..Self::of(kind)
        }
    }
}

/// Selects files; all of them by default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MissingFilter {
    /// Only files whose name contains this, in upper or lower case (of ASCII letters).
    pub name_contains: Option<String>,
    /// Only files where this is the reason why the result is missing.
    pub only: Option<MissingReason>,
}

/// Why a result that was made or tried before is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MissingReason {
    /// The present medium is outdated, or coarser than the recipe. The recipe is retried.
    Stale,
    /// A permanent failure, with this code or any.
    Failed(Option<FailureCode>),
}

/// Selects permanent failures that are retried; all of them by default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FailedFilter {
    /// Only of this kind.
    pub kind: Option<TaskKind>,
    /// Only with this code.
    pub code: Option<FailureCode>,
    /// Only of files whose name contains this, in upper or lower case (of ASCII letters).
    pub name_contains: Option<String>,
}

impl FailedFilter {
    /// The request that retries the failures of a kind.
    #[must_use]
    pub fn request(&self, kind: TaskKind) -> MissingRequest {
        MissingRequest {
            filter: MissingFilter {
                name_contains: self.name_contains.clone(),
                only: Some(MissingReason::Failed(self.code)),
            },
            include_failed: true,
            ..MissingRequest::of(kind)
        }
    }
}

/// How many results a request of missing results found in each state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missing {
    /// Missing before, now in the queue.
    pub queued: u64,
    /// Already queued or running.
    pub in_flight: u64,
    /// Present.
    pub present: u64,
    /// Failed before, and not retried.
    pub failed: u64,
}

impl std::ops::AddAssign for Missing {
    fn add_assign(&mut self, other: Self) {
        self.queued += other.queued;
        self.in_flight += other.in_flight;
        self.present += other.present;
        self.failed += other.failed;
    }
}
