//! The port through which the rows are read, and the counts and lists that it returns.

use std::fmt;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::{Priority, Row, RowState};
use crate::{CadFileId, Failure, Input, Moment, StoreError, TaskKind, Work, WorkCursor};

/// The rows of the ledger, as pages, metrics and commands show them.
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait LedgerView: Send + Sync + fmt::Debug {
    /// The rows of one file, in the order of the chain.
    ///
    /// # Errors
    /// If the database does not answer.
    async fn rows(&self, file: CadFileId) -> Result<Vec<(TaskKind, Row)>, StoreError>;

    /// The permanent failures, by file and then in the order of the chain; at most `limit`, from
    /// the first after `after`.
    ///
    /// # Errors
    /// If the database does not answer.
    async fn failures(
        &self,
        after: Option<Work>,
        limit: usize,
    ) -> Result<Vec<(Work, Failure)>, StoreError>;

    /// Every canonical scene that is present, not in flight, and coarser than the wanted one, with
    /// its input.
    ///
    /// # Errors
    /// If the database does not answer.
    async fn coarser(&self) -> Result<Vec<(Work, Input)>, StoreError>;

    /// The number of rows of each kind and state.
    ///
    /// # Errors
    /// If the database does not answer.
    async fn stats(&self) -> Result<Vec<Count>, StoreError>;

    /// The length of the queue by kind and priority, postponed work included.
    ///
    /// # Errors
    /// If the database does not answer.
    async fn queue_depths(&self) -> Result<Vec<QueueDepth>, StoreError>;

    /// Running work, then queued work by priority, requester and age, then postponed work by the
    /// time when it becomes due. At most `limit`, from the first behind `after`.
    ///
    /// # Errors
    /// If the database does not answer.
    async fn work(
        &self,
        after: Option<WorkCursor>,
        limit: usize,
    ) -> Result<Vec<WorkItem>, StoreError>;
}

/// The number of rows of one kind and state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    /// The kind of work.
    pub kind: TaskKind,
    /// The state.
    pub state: RowState,
    /// The number of rows.
    pub rows: u64,
    /// When the oldest of them was requested.
    pub oldest: Option<Moment>,
}

/// The number of queued rows of one kind and priority.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueDepth {
    /// The kind of work.
    pub kind: TaskKind,
    /// The priority.
    pub priority: Priority,
    /// The number of rows.
    pub rows: u64,
    /// When the oldest of them was requested.
    pub oldest: Option<Moment>,
}

/// Work that is queued or running.
#[derive(Debug, Clone, PartialEq)]
pub struct WorkItem {
    /// The work.
    pub work: Work,
    /// The name of the file.
    pub file_name: String,
    /// Its row.
    pub row: Row,
}

impl WorkItem {
    /// The cursor of the page that begins behind this item.
    #[must_use]
    pub const fn cursor(&self) -> WorkCursor {
        WorkCursor {
            state: self.row.state,
            priority: self.row.priority,
            requester: self.row.requester,
            not_before: self.row.not_before,
            requested_at: self.row.requested_at,
            work: self.work,
        }
    }
}
