//! The ports behind which rows, events and bytes are kept.

use std::{
    fmt,
    ops::Range,
    path::{Path, PathBuf},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::BoxStream;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    Blob, CadFile, CadFileId, CadFileOverview, CadFilePage, CadFileQuery, ContentHash, Failure,
    FailureCode, Fence, Input, MaterialMap, MediaAsset, MediaAssetId, MediaKind, Moment,
    NewCadFile, Request, Revision, SaveOutcome, TaskKind, WorkerName, sentence,
};

/// The database failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// It cannot be reached, or does not answer in time.
    #[error("the database cannot be reached")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Its disk is full.
    #[error("the disk of the database is full")]
    Full(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// It answers with an error.
    #[error("the database refused")]
    Refused(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// It holds what this version does not understand.
    #[error("the database holds something that this version does not understand: {0}")]
    Unreadable(String),
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let code = match error {
            StoreError::Full(_) => FailureCode::DiskFull,
            _ => FailureCode::Database,
        };
        Self::new(code, sentence(&error))
    }
}

/// The CAD files.
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait CadFiles: Send + Sync + fmt::Debug {
    /// Adds a file whose bytes are in the blob store, and asks for `process_step_file` in the same
    /// transaction; without a `request`, nothing is made of it until somebody asks.
    ///
    /// # Errors
    /// If the database does not answer.
    async fn add(&self, file: NewCadFile, request: Option<Request>) -> Result<CadFile, StoreError>;

    /// The file, if it is there.
    ///
    /// # Errors
    /// If the database does not answer.
    async fn get(&self, id: CadFileId) -> Result<Option<CadFile>, StoreError>;

    /// The newest file of this name.
    ///
    /// # Errors
    /// If the database does not answer.
    async fn named(&self, name: &str) -> Result<Option<CadFile>, StoreError>;

    /// Up to `limit` files in the order of their ids, from the first after `after`.
    ///
    /// # Errors
    /// If the database does not answer.
    async fn page(
        &self,
        after: Option<CadFileId>,
        limit: usize,
    ) -> Result<Vec<CadFile>, StoreError>;

    /// The files that are asked for, each with the state of its media, page by page.
    ///
    /// # Errors
    /// If the database does not answer, or the cursor belongs to another order.
    async fn list(&self, query: &CadFileQuery) -> Result<CadFilePage, StoreError>;

    /// One file with the state of its media.
    ///
    /// # Errors
    /// If the database does not answer.
    async fn overview(&self, id: CadFileId) -> Result<Option<CadFileOverview>, StoreError>;

    /// Removes a file with its rows, its assets and its events; its blobs are swept later. A worker
    /// that is at it finds its claim gone. False if there was no such file.
    ///
    /// # Errors
    /// If the database does not answer.
    async fn remove(&self, id: CadFileId) -> Result<bool, StoreError>;

    /// Gives the file new bytes, which are in the blob store: its media are stale then, and
    /// `process_step_file` is asked for. Nothing is done if the file is no longer at the
    /// revision `unless_changed`.
    ///
    /// # Errors
    /// If the database does not answer.
    async fn replace_source(
        &self,
        id: CadFileId,
        source: Blob,
        request: Request,
        unless_changed: Option<Revision>,
    ) -> Result<SaveOutcome, StoreError>;

    /// Replaces the part materials; `updated_at` moves, and media that show them are made anew.
    /// Nothing is done if the file is no longer at the revision `unless_changed`.
    ///
    /// # Errors
    /// If the database does not answer.
    async fn save_part_materials(
        &self,
        id: CadFileId,
        materials: MaterialMap,
        unless_changed: Option<Revision>,
    ) -> Result<SaveOutcome, StoreError>;

    /// Replaces the manual overrides; `updated_at` moves, and media that show them are made anew.
    /// Nothing is done if the file is no longer at the revision `unless_changed`.
    ///
    /// # Errors
    /// If the database does not answer.
    async fn save_manual_material_overrides(
        &self,
        id: CadFileId,
        materials: MaterialMap,
        unless_changed: Option<Revision>,
    ) -> Result<SaveOutcome, StoreError>;
}

/// The media that were made.
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait MediaAssets: Send + Sync + fmt::Debug {
    /// The asset, if it is there.
    ///
    /// # Errors
    /// If the database does not answer.
    async fn get(&self, id: MediaAssetId) -> Result<Option<MediaAsset>, StoreError>;

    /// An asset of this kind that was made of `input`, of whatever file.
    ///
    /// # Errors
    /// If the database does not answer.
    async fn made_of(
        &self,
        kind: MediaKind,
        input: &Input,
    ) -> Result<Option<MediaAsset>, StoreError>;

    /// All assets of a file, the newest first.
    ///
    /// # Errors
    /// If the database does not answer.
    async fn of_file(&self, file: CadFileId) -> Result<Vec<MediaAsset>, StoreError>;

    /// Which of these blobs nothing refers to, be it as source or as medium.
    ///
    /// # Errors
    /// If the database does not answer.
    async fn orphans(&self, blobs: Vec<ContentHash>) -> Result<Vec<ContentHash>, StoreError>;
}

/// What happened to each file, step by step. With a file its events go.
///
/// Events become visible in the order of their numbers, so whoever has read up to one never misses
/// an earlier one.
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait PipelineLog: Send + Sync + fmt::Debug {
    /// Adds an event.
    ///
    /// # Errors
    /// If the database does not answer.
    async fn append(&self, event: NewPipelineEvent) -> Result<(), StoreError>;

    /// All events of a file, in the order in which they happened.
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

    /// The number of the newest event that is there; 0 if there is none.
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

/// Bytes under the hash of what they are. Whoever reads gets all of them or none.
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait Blobs: Send + Sync + fmt::Debug {
    /// Stores some bytes. Storing the same again is fine.
    ///
    /// # Errors
    /// `storage` or `disk_full`; then nothing can be read under their hash that was not there.
    async fn put(&self, bytes: Vec<u8>) -> Result<Blob, Failure>;

    /// Stores a file; it is read once, and hashed as it is read.
    ///
    /// # Errors
    /// `unreadable` if it cannot be read, else as [`Blobs::put`].
    async fn put_file(&self, path: &Path) -> Result<Blob, Failure>;

    /// The bytes.
    ///
    /// # Errors
    /// `storage` if they are not there, cannot be read or are damaged.
    async fn get(&self, blob: &Blob) -> Result<Vec<u8>, Failure>;

    /// Writes the bytes into a new file in `folder`, or names one that holds them already and must
    /// not be changed.
    ///
    /// # Errors
    /// As [`Blobs::get`], and if the file cannot be written.
    async fn fetch(&self, blob: &Blob, folder: &Path) -> Result<PathBuf, Failure>;

    /// Begins to store bytes that come in pieces, in a few MiB of memory whatever their size.
    ///
    /// # Errors
    /// As [`Blobs::put`].
    async fn begin(&self) -> Result<Box<dyn BlobUpload>, Failure>;

    /// The bytes of a range, as they come. What of the range lies behind the end is left out. Their
    /// hash is not checked.
    ///
    /// # Errors
    /// `storage` if the blob is not there or cannot be read; in the stream, if that happens later.
    async fn read(&self, blob: &Blob, range: Range<u64>) -> Result<ByteStream, Failure>;

    /// A URL under which anybody can get the bytes for so long, with this media type and to be saved
    /// under this name; nothing if the store cannot give one.
    ///
    /// # Errors
    /// `storage` if it could, but fails.
    async fn direct_url(
        &self,
        blob: &Blob,
        file_name: &str,
        media_type: &str,
        valid_for: Duration,
    ) -> Result<Option<String>, Failure>;

    /// Writes, reads and removes a few bytes.
    ///
    /// # Errors
    /// `storage` or `disk_full` if any of that fails.
    async fn probe(&self) -> Result<(), Failure>;
}

/// Bytes as they come.
pub type ByteStream = BoxStream<'static, Result<Bytes, Failure>>;

/// Bytes that are being stored. What is dropped before it is finished leaves nothing that can be
/// read; whatever else it leaves is swept.
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait BlobUpload: Send + fmt::Debug {
    /// Takes the next piece.
    ///
    /// # Errors
    /// As [`Blobs::put`]; then it can only be aborted.
    async fn write(&mut self, piece: Bytes) -> Result<(), Failure>;

    /// Makes the whole readable under its hash.
    ///
    /// # Errors
    /// As [`Blobs::put`].
    async fn finish(self: Box<Self>) -> Result<Blob, Failure>;

    /// Forgets all pieces. Failing is not fatal, so it is only logged.
    async fn abort(self: Box<Self>);
}

/// Something without which nothing can be done, and that can be asked whether it works.
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait HealthCheck: Send + Sync + fmt::Debug {
    /// What is checked, in one word.
    fn name(&self) -> &'static str;

    /// Checks it.
    ///
    /// # Errors
    /// If it does not work.
    async fn check(&self) -> Result<(), Failure>;
}

/// Wakes workers when there is work. A ring may be lost, so workers also look by themselves.
#[async_trait]
pub trait Doorbell: Send + Sync + fmt::Debug {
    /// Wakes whoever waits. Failing is not fatal, so it is only logged.
    async fn ring(&self);

    /// Waits for the next ring.
    async fn wait(&self);
}
