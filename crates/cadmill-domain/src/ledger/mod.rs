//! The ledger: one row per file and kind of work, for life. It is the queue: what is to be done is
//! derived from what is wanted and what is there, so nothing can be queued twice.

mod confirmation;
mod events;
mod file_rows;
mod queue;
mod row;

use std::fmt;

use async_trait::async_trait;
use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

pub use self::{
    confirmation::{Confirmed, Recovered, Recovery},
    events::{CONVERTER, ResultSummary},
    file_rows::{FileRows, NextTask},
    queue::{Lane, MAX_DUE_RETRIES, QueuedWork, Requester, Turns, WorkQuery, first_in_queue},
    row::{MAX_CRASHES, Row, RowState},
};
use crate::{
    BlobLoss, CadFileId, ContentHash, Failure, FailureCode, Input, MediaAssetId, MediaKind, Moment,
    NewMediaAsset, StepFacts, StoreError, TaskKind, Work, WorkCursor,
};

/// What is wanted, what is being made and what is there.
///
/// Every operation is atomic. Those that take a [`Claim`] check its fence: they do nothing, and say
/// so, when the row has been claimed again or is no longer running.
///
/// The event of a transition is written in its transaction: `step_start` by a claim, `step_done` by
/// a publication, `step_failed` by any other end of a claim. So each claim has one `step_start`
/// and, once it is closed, one end.
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait Ledger: Send + Sync + fmt::Debug {
    /// Asks for one result. Where what it is made of is not there, that is asked for; the rest
    /// follows by itself. None if there is no such file.
    ///
    /// # Errors
    /// If the database does not answer.
    async fn request(&self, work: Work, request: Request) -> Result<Option<Requested>, StoreError>;

    /// As [`Ledger::request`], but a second request of the same work with the same key within
    /// [`RequestKey::LIFE`] does not make it [again](Request::force). The key is kept in the same
    /// transaction.
    ///
    /// # Errors
    /// If the database does not answer; then nothing was asked for.
    async fn request_once(
        &self,
        work: Work,
        request: Request,
        key: RequestKey,
    ) -> Result<Option<Requested>, StoreError>;

    /// Asks for every result of a kind that is missing, in one go.
    ///
    /// # Errors
    /// If the database does not answer; then nothing was asked for.
    async fn request_missing(&self, request: &MissingRequest) -> Result<Missing, StoreError>;

    /// Asks for every medium of this kind, or of all that are made here, of which only an older or a
    /// coarser one is there. What has failed is left alone. The kinds are asked for one after the other, so what
    /// waits for a scene that was just queued is in flight.
    ///
    /// # Errors
    /// If the database does not answer; then of some kinds nothing was asked for.
    async fn request_stale(
        &self,
        kind: Option<MediaKind>,
        requester: Requester,
    ) -> Result<Missing, StoreError>;

    /// Asks again for what has failed for good; how much is in the queue now. What has failed
    /// because what it is made of has failed follows by itself.
    ///
    /// # Errors
    /// If the database does not answer; then of some kinds nothing was asked for.
    async fn retry_failed(
        &self,
        filter: &FailedFilter,
        requester: Requester,
    ) -> Result<u64, StoreError>;

    /// What may be claimed now, as [`first_in_queue`] orders it: what is to be read, then what is to
    /// be made. It only looks and claims nothing.
    ///
    /// # Errors
    /// If the database does not answer.
    async fn next(&self, query: &WorkQuery) -> Result<Vec<QueuedWork>, StoreError>;

    /// What may be claimed now but was claimed so often by workers that died that it is set aside the
    /// next time; [`Ledger::next`] leaves it out. Each runs alone in its worker, so that what died
    /// only because it ran beside it is not set aside. By the time it was asked for; at most `limit`.
    ///
    /// # Errors
    /// If the database does not answer.
    async fn suspects(&self, limit: usize) -> Result<Vec<Work>, StoreError>;

    /// Leaves what of this is in the queue alone until then. A wait for the tessellation of the same
    /// bytes ends when a claim on them is closed.
    ///
    /// # Errors
    /// If the database does not answer.
    async fn put_off(&self, work: &[Work], until: Moment) -> Result<(), StoreError>;

    /// Claims one piece of work: its fence grows by one. None if it is not in the queue, not yet
    /// due, or somebody else is just claiming it. The caller holds its lock.
    ///
    /// # Errors
    /// If the database does not answer.
    async fn claim(&self, work: Work, worker: &WorkerName) -> Result<Option<Claim>, StoreError>;

    /// Stores how far the work is. False if the claim no longer holds: the work is to be stopped.
    ///
    /// # Errors
    /// If the database does not answer.
    async fn progress(&self, claim: &Claim, progress: &Progress) -> Result<bool, StoreError>;

    /// Publishes a result and asks for what follows from it, in one transaction.
    ///
    /// # Errors
    /// If the database does not answer, or a cached asset is not there or was made of something
    /// else; then nothing was published.
    async fn publish(&self, claim: &Claim, product: TaskOutput) -> Result<Published, StoreError>;

    /// Stores a failure: for good, or until `retry_at`. False if the claim no longer holds.
    ///
    /// # Errors
    /// If the database does not answer.
    async fn fail(
        &self,
        claim: &Claim,
        failure: &Failure,
        retry_at: Option<Moment>,
    ) -> Result<bool, StoreError>;

    /// Gives the work back to the queue, as if it had not been claimed; what is wanted is looked up
    /// anew. False if the claim no longer holds.
    ///
    /// # Errors
    /// If the database does not answer.
    async fn hand_back(&self, claim: &Claim, reason: HandBack) -> Result<bool, StoreError>;

    /// The bytes of this hash are lost. In one transaction every asset that has them is removed, and
    /// every row that shows one of those asks for it again, unless that has failed or was cancelled.
    /// Of a file whose source they are, `process_step_file` has failed as `source_lost`, and what
    /// waits for it is withdrawn; media that are there stay. Runs that are under way go on. `finder`
    /// is named by the events of lost sources.
    ///
    /// # Errors
    /// If the database does not answer.
    async fn blob_lost(
        &self,
        sha256: ContentHash,
        finder: &WorkerName,
    ) -> Result<BlobLoss, StoreError>;

    /// The bytes of this hash are there: files that had lost them as their source are read again. How
    /// many those are. A file that is added with these bytes, or gets them, does the same.
    ///
    /// # Errors
    /// If the database does not answer; then some files may not have been asked for.
    async fn blob_found(&self, sha256: ContentHash) -> Result<u64, StoreError>;

    /// All claims that are not closed.
    ///
    /// # Errors
    /// If the database does not answer.
    async fn running(&self) -> Result<Vec<Claim>, StoreError>;

    /// Says that the owner of a claim is at work on it, and asks whether it is still wanted.
    ///
    /// # Errors
    /// If the database does not answer.
    async fn confirm(&self, claim: &Claim) -> Result<Confirmed, StoreError>;

    /// Whether these claims are still wanted, in their order and in one question; nothing is
    /// confirmed.
    ///
    /// # Errors
    /// If the database does not answer.
    async fn standing(&self, claims: &[Claim]) -> Result<Vec<Confirmed>, StoreError>;

    /// The open claims that were not confirmed for [so long](Recovery::suspected_after) that their
    /// owners may be gone.
    ///
    /// # Errors
    /// If the database does not answer.
    async fn unconfirmed(&self, lease: TimeDelta) -> Result<Vec<Claim>, StoreError>;

    /// Takes back a claim whose owner is gone, and counts a crash. The caller has seen the claim
    /// first, and then that nobody holds the lock, or has taken it. In the other order the claim may
    /// be that of a new owner, who keeps its lease.
    ///
    /// It waits for no other transaction: if one holds the rows of the file, the answer is
    /// [`Recovered::NotYet`].
    ///
    /// # Errors
    /// If the database does not answer.
    async fn recover(&self, claim: &Claim, recovery: Recovery) -> Result<Recovered, StoreError>;

    /// Takes work out of the queue, or away from the worker that is at it. False if there was none.
    ///
    /// # Errors
    /// If the database does not answer.
    async fn cancel(&self, work: Work) -> Result<bool, StoreError>;

    /// Every canonical scene that is there, not under way, and coarser than what is wanted, with its
    /// input.
    ///
    /// # Errors
    /// If the database does not answer.
    async fn coarser(&self) -> Result<Vec<(Work, Input)>, StoreError>;

    /// The rows of one file, in the order of the chain.
    ///
    /// # Errors
    /// If the database does not answer.
    async fn rows(&self, file: CadFileId) -> Result<Vec<(TaskKind, Row)>, StoreError>;

    /// What has failed for good, by file and then in the order of the chain; at most `limit`, from
    /// the first after `after`.
    ///
    /// # Errors
    /// If the database does not answer.
    async fn failures(
        &self,
        after: Option<Work>,
        limit: usize,
    ) -> Result<Vec<(Work, Failure)>, StoreError>;

    /// How many rows there are of each kind and state.
    ///
    /// # Errors
    /// If the database does not answer.
    async fn stats(&self) -> Result<Vec<Count>, StoreError>;

    /// How long the queue is, by kind and priority; what waits to be tried again is in it.
    ///
    /// # Errors
    /// If the database does not answer.
    async fn queue_depths(&self) -> Result<Vec<QueueDepth>, StoreError>;

    /// What runs, then what waits: by priority, requester and age; last what is put off, by when it
    /// becomes due. At most `limit`, from the first behind `after`.
    ///
    /// # Errors
    /// If the database does not answer.
    async fn work(
        &self,
        after: Option<WorkCursor>,
        limit: usize,
    ) -> Result<Vec<WorkItem>, StoreError>;
}

/// A number that grows by one with each claim of a row and never falls. A result is published only
/// under the newest.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Fence(pub u64);

impl fmt::Display for Fence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Which worker, for people: `host:pid` or the like.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WorkerName(String);

impl WorkerName {
    /// A worker of this name.
    pub fn new(name: impl Into<String>) -> Self {
        Self(name.into())
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for WorkerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The higher goes first.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// Asked for by the thousand.
    #[default]
    Bulk,
    /// Somebody asked for this one.
    Asked,
    /// Somebody has just brought the file in and waits.
    Upload,
}

impl Priority {
    /// Every priority, the highest first.
    pub const ALL: [Self; 3] = [Self::Upload, Self::Asked, Self::Bulk];

    /// Its number, as it is stored; the higher goes first.
    #[must_use]
    pub const fn rank(self) -> i32 {
        match self {
            Self::Bulk => 0,
            Self::Asked => 50,
            Self::Upload => 100,
        }
    }

    /// The one with this number, or the next below.
    #[must_use]
    pub const fn from_rank(rank: i32) -> Self {
        match rank {
            100.. => Self::Upload,
            50.. => Self::Asked,
            _ => Self::Bulk,
        }
    }
}

/// How one result is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    /// How urgent it is.
    pub priority: Priority,
    /// Whether what has failed is tried force, here and upstream.
    pub retry_failed: bool,
    /// Whether it is made though it is there, and though it was made for another file. It is dropped
    /// where what it is made of is not there, and where it is under way anyhow.
    pub force: bool,
    /// For whom it is done. Work that is under way keeps its requester, unless this request is more
    /// urgent.
    pub requester: Requester,
    /// Whether the recipe is tried again where only a coarser scene is there; otherwise that counts
    /// as present.
    pub retry_coarser: bool,
}

impl Request {
    /// Somebody asks for this one, and for another try if it has failed.
    pub const ASKED: Self = Self {
        priority: Priority::Asked,
        retry_failed: true,
        force: false,
        requester: Requester::SHARED,
        retry_coarser: false,
    };
    /// One of many; failures are left alone.
    pub const BULK: Self = Self {
        priority: Priority::Bulk,
        retry_failed: false,
        force: false,
        requester: Requester::SHARED,
        retry_coarser: false,
    };
}

/// By what a client marks a request that it may repeat, for want of an answer. It means that one
/// request of one piece of work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestKey(ContentHash);

impl RequestKey {
    /// How long a key is remembered.
    pub const LIFE: chrono::TimeDelta = chrono::TimeDelta::hours(24);

    /// The one of this text of a client.
    #[must_use]
    pub fn of(text: &str) -> Self {
        Self(ContentHash::of(text.as_bytes()))
    }

    /// The hash of that text, as it is kept.
    #[must_use]
    pub const fn as_hash(&self) -> ContentHash {
        self.0
    }
}

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Requested {
    /// It is in the queue now.
    Queued,
    /// It was in the queue or is being made; the request was merged with that.
    InFlight,
    /// It is there.
    Present,
    /// It has failed before, and was left alone.
    Failed,
}

/// Which results are asked for when they are missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingRequest {
    /// The kind of work.
    pub kind: TaskKind,
    /// Only these files.
    pub filter: MissingFilter,
    /// Whether failures count as missing.
    pub include_failed: bool,
    /// Only count.
    pub dry_run: bool,
    /// For whom it is done.
    pub requester: Requester,
}

impl MissingRequest {
    /// Whether the recipe is tried again where only a coarser scene is there.
    #[must_use]
    pub fn retries_coarser(&self) -> bool {
        self.filter.only == Some(MissingReason::Stale)
    }

    /// Everything of a kind, failures left alone.
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

    /// Everything of a kind of which only an older or a coarser one is there.
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

/// Which files are meant; all of them by default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MissingFilter {
    /// Only files whose name contains this, in upper or lower case (of ASCII letters).
    pub name_contains: Option<String>,
    /// Only files of which this is left.
    pub only: Option<MissingReason>,
}

/// What is left of an earlier try to make something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MissingReason {
    /// A medium that is not the newest, or coarser than the recipe. The recipe is tried again.
    Stale,
    /// A failure for good, with this code or any.
    Failed(Option<FailureCode>),
}

/// Which failures are tried again; all of them by default.
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
    /// The request that tries again what has failed of a kind.
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

/// What became of the files that were meant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missing {
    /// Were missing, and are in the queue now.
    pub queued: u64,
    /// Were in the queue or being made.
    pub in_flight: u64,
    /// Are there.
    pub present: u64,
    /// Failed before and were left alone.
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

/// The right to publish a result, as long as its fence is the newest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// What was claimed.
    pub work: Work,
    /// The number of the claim.
    pub fence: Fence,
    /// What is to be made.
    pub input: Input,
    /// Who claimed it.
    pub worker: WorkerName,
    /// How often it was tried for this input before, be it that it failed or that its worker died.
    pub tries: u32,
    /// Whether it is to be made though it may be there.
    pub force: bool,
}

/// Why a claim is handed back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HandBack {
    /// The worker stops.
    Stopping,
    /// The lease was lost.
    LeaseLost,
    /// The claim is not of what is wanted by now.
    Outdated,
    /// The bytes that it is made of are lost.
    InputLost,
}

impl HandBack {
    /// The code that the `step_failed` of the claim shows.
    #[must_use]
    pub const fn code(self) -> FailureCode {
        match self {
            Self::LeaseLost => FailureCode::LockLost,
            Self::InputLost => FailureCode::BlobDamaged,
            Self::Stopping | Self::Outdated => FailureCode::Cancelled,
        }
    }
}

impl Claim {
    /// `input`, if it is that of a scene which may be published in place of the one that was claimed.
    ///
    /// # Errors
    /// If it is something else.
    pub fn coarser(&self, input: &Input) -> Result<Input, StoreError> {
        let is_scene = self.work.kind == TaskKind::Make(MediaKind::GltfGeometry);
        if is_scene && input.is_coarser_than(&self.input) {
            return Ok(input.clone());
        }
        let text = format!("`{input}` is no coarser scene in place of `{}`", self.input);
        Err(StoreError::Refused(text.into()))
    }
}

/// What a task publishes.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum TaskOutput {
    /// What `process_step_file` found.
    Step(Box<StepFacts>),
    /// A medium that was made.
    Asset(NewMediaAsset),
    /// A canonical scene that is coarser than what is wanted, since that could not be made; its input
    /// says so. It is there then, but stale.
    Coarser {
        /// The scene.
        made: NewMediaAsset,
        /// [What it was made of](Input::coarser).
        input: Input,
    },
    /// A medium that was there already: its asset, which may belong to a file with the same bytes. A
    /// coarser scene belongs to the same file.
    Cached(MediaAssetId),
}

/// What became of a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Published {
    /// It is there.
    Done {
        /// The asset, if it is a medium.
        asset: Option<MediaAssetId>,
        /// Whether something else was wanted meanwhile, so that it is in the queue again.
        requeued: bool,
        /// What was asked for in the same transaction, and what became of that.
        chained: Vec<(TaskKind, Requested)>,
    },
    /// The claim no longer holds; nothing was changed.
    Refused,
}

/// How far a running step is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// What is being done, in one word.
    pub phase: String,
    /// How much of that is done, from 0 to 1.
    pub fraction: f64,
}

/// How many rows there are of one kind and state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    /// The kind of work.
    pub kind: TaskKind,
    /// The state.
    pub state: RowState,
    /// How many.
    pub rows: u64,
    /// When the oldest of them was asked for.
    pub oldest: Option<Moment>,
}

/// How much of one kind waits with one priority.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueDepth {
    /// The kind of work.
    pub kind: TaskKind,
    /// The priority.
    pub priority: Priority,
    /// How many rows.
    pub rows: u64,
    /// When the oldest of them was asked for.
    pub oldest: Option<Moment>,
}

/// Work that runs or waits.
#[derive(Debug, Clone, PartialEq)]
pub struct WorkItem {
    /// What is done.
    pub work: Work,
    /// The name of the file.
    pub file_name: String,
    /// Its row.
    pub row: Row,
}

impl WorkItem {
    /// The place behind it.
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
