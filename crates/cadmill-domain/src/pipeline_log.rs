//! The pipeline log: the events of each file.

use std::fmt;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    CadFileId, Moment, StoreError, TaskKind,
    ledger::{Fence, WorkerName},
};

/// What happened to each file, step by step. With a file its events go. The events of a claim are
/// written by the [`WorkQueue`](crate::ledger::WorkQueue), in the transaction of the transition.
///
/// A reader that follows by number, with [`events_after`](PipelineLog::events_after) from
/// [`last_event_id`](PipelineLog::last_event_id) or from the newest event that it has read, misses
/// nothing: both show events in the order of their numbers, and an event only when no transaction is
/// running any more that could add one with a lower number. A timeline shows at once what is
/// committed.
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait PipelineLog: Send + Sync + fmt::Debug {
    /// Adds an event that belongs to no transition of the ledger.
    ///
    /// # Errors
    /// If the database does not answer.
    async fn append(&self, event: NewPipelineEvent) -> Result<(), StoreError>;

    /// All events of a file, in the order in which they happened, as soon as they are committed.
    ///
    /// # Errors
    /// If the database does not answer.
    async fn timeline(&self, file: CadFileId) -> Result<Vec<PipelineEvent>, StoreError>;

    /// The first events behind `after`, of all files or of one, in their order; at most `limit`.
    ///
    /// # Errors
    /// If the database does not answer.
    async fn events_after(
        &self,
        after: EventId,
        file: Option<CadFileId>,
        limit: usize,
    ) -> Result<Vec<PipelineEvent>, StoreError>;

    /// The number of the newest event that [`events_after`](PipelineLog::events_after) can show; 0
    /// if there is none.
    ///
    /// # Errors
    /// If the database does not answer.
    async fn last_event_id(&self) -> Result<EventId, StoreError>;
}

/// The number of an event; later ones have higher ones. 0 is before all.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct EventId(pub u64);

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Something that happened to a file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PipelineEvent {
    /// Its number.
    pub id: EventId,
    /// When it happened.
    pub at: Moment,
    /// What happened.
    #[serde(flatten)]
    pub event: NewPipelineEvent,
}

/// An event that is about to be stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NewPipelineEvent {
    /// The file.
    pub cad_file_id: CadFileId,
    /// The kind of work.
    pub task: TaskKind,
    /// Whether it began, was done or failed.
    pub event: StepEvent,
    /// The claim, if there was one.
    pub fence: Option<Fence>,
    /// Who did it.
    pub worker: WorkerName,
    /// What came of it.
    pub result: Value,
}

/// What an event tells of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepEvent {
    /// It began.
    StepStart,
    /// It was done, or there was nothing to do.
    StepDone,
    /// It failed.
    StepFailed,
}

impl StepEvent {
    /// Every event.
    pub const ALL: [Self; 3] = [Self::StepStart, Self::StepDone, Self::StepFailed];

    /// The stable name, as stored.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::StepStart => "step_start",
            Self::StepDone => "step_done",
            Self::StepFailed => "step_failed",
        }
    }
}
