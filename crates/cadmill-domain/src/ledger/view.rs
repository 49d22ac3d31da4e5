//! Counts and lists of the rows.

use serde::{Deserialize, Serialize};

use super::{Priority, Row, RowState};
use crate::{Moment, TaskKind, Work, WorkCursor};

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
