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
    Blob, BlobCopy, CadFile, CadFileId, CadFileOverview, CadFilePage, CadFileQuery, ContentHash,
    Failure, FailureCode, Fence, Input, KeptBlob, MaterialMap, MediaAsset, MediaAssetId, MediaKind,
    Moment, NewCadFile, Request, Revision, SaveOutcome, TaskKind, WorkerName, sentence,
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
    /// Its pages hold something else than what was written.
    #[error("the database is damaged")]
    Damaged(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// It answers with an error.
    #[error("the database refused")]
    Refused(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A blob may have been swept before a row referred to it: the intent to do so has ended.
    #[error("the blob {0} may have been removed before it was used; store it again")]
    BlobNotKept(ContentHash),
    /// It holds what this version does not understand.
    #[error("the database holds something that this version does not understand: {0}")]
    Unreadable(String),
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let code = match error {
            StoreError::Full(_) => FailureCode::DiskFull,
            StoreError::Damaged(_) => FailureCode::DatabaseDamaged,
            StoreError::BlobNotKept(_) => FailureCode::Storage,
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
    /// revision `expected_revision`.
    ///
    /// # Errors
    /// If the database does not answer.
    async fn replace_source(
        &self,
        id: CadFileId,
        source: KeptBlob,
        request: Request,
        expected_revision: Option<Revision>,
    ) -> Result<SaveOutcome, StoreError>;

    /// Replaces the part materials; `updated_at` moves, and media that show them are made anew.
    /// Nothing is done if the file is no longer at the revision `expected_revision`.
    ///
    /// # Errors
    /// If the database does not answer.
    async fn save_part_materials(
        &self,
        id: CadFileId,
        materials: MaterialMap,
        expected_revision: Option<Revision>,
    ) -> Result<SaveOutcome, StoreError>;

    /// Replaces the manual overrides; `updated_at` moves, and media that show them are made anew.
    /// Nothing is done if the file is no longer at the revision `expected_revision`.
    ///
    /// # Errors
    /// If the database does not answer.
    async fn save_manual_material_overrides(
        &self,
        id: CadFileId,
        materials: MaterialMap,
        expected_revision: Option<Revision>,
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

    /// Up to `limit` blobs to which files and media refer, each once, in the order of their hashes,
    /// from the first after `after`.
    ///
    /// # Errors
    /// If the database does not answer.
    async fn blobs(
        &self,
        after: Option<ContentHash>,
        limit: usize,
    ) -> Result<Vec<Blob>, StoreError>;
}

/// What happened to each file, step by step. With a file its events go. The events of a claim are
/// written by the [`Ledger`](crate::Ledger), in the transaction of the transition.
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

/// Bytes under the hash of what they are. A reader gets all of them or none. What was stored is
/// durable: neither a power cut nor a crash of the machine loses it.
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait Blobs: Send + Sync + fmt::Debug {
    /// Stores some bytes. Storing the same again is fine, and mends a blob that is damaged.
    ///
    /// # Errors
    /// `storage` or `disk_full`; then nothing can be read under their hash that was not there.
    async fn put(&self, bytes: Vec<u8>) -> Result<Blob, Failure> {
        self.put_copy(bytes.into(), BlobCopy::FIRST).await
    }

    /// Stores some bytes as this copy of their blob. A reader gets any copy that is whole.
    ///
    /// # Errors
    /// As [`Blobs::put`].
    async fn put_copy(&self, bytes: Bytes, copy: BlobCopy) -> Result<Blob, Failure>;

    /// Stores a file.
    ///
    /// # Errors
    /// `unreadable` if it cannot be read or changes meanwhile, else as [`Blobs::put`].
    async fn put_file(&self, path: &Path) -> Result<Blob, Failure> {
        let blob = self.hash_file(path).await?;
        self.put_file_copy(path, blob, BlobCopy::FIRST).await?;
        Ok(blob)
    }

    /// What a file is stored as.
    ///
    /// # Errors
    /// `unreadable` if it cannot be read.
    async fn hash_file(&self, path: &Path) -> Result<Blob, Failure>;

    /// Stores a file that was hashed, as this copy of its blob.
    ///
    /// # Errors
    /// `unreadable` if it cannot be read or has changed since, else as [`Blobs::put`].
    async fn put_file_copy(&self, path: &Path, blob: Blob, copy: BlobCopy) -> Result<(), Failure>;

    /// The bytes.
    ///
    /// # Errors
    /// `blob_missing` if they are not there, `blob_damaged` if they are others, `storage` if the store
    /// does not answer.
    async fn get(&self, blob: &Blob) -> Result<Vec<u8>, Failure>;

    /// Writes the bytes into a new file in `folder`, or names one that holds them already and must
    /// not be changed.
    ///
    /// # Errors
    /// As [`Blobs::get`], and if the file cannot be written.
    async fn fetch(&self, blob: &Blob, folder: &Path) -> Result<PathBuf, Failure>;

    /// Whether the blob is there with the length that it should have. Its bytes are not read.
    ///
    /// # Errors
    /// `storage` if the store does not answer.
    async fn is_whole(&self, blob: &Blob) -> Result<bool, Failure>;

    /// Begins to store bytes that come in pieces, in a few MiB of memory whatever their size.
    ///
    /// # Errors
    /// As [`Blobs::put`].
    async fn begin(&self) -> Result<Box<dyn BlobUpload>, Failure>;

    /// The bytes of a range, as they come. What of the range lies behind the end is left out. Their
    /// hash is not checked, the length of the whole is.
    ///
    /// # Errors
    /// `blob_missing` if the blob is not there, `blob_damaged` if it has another length, `storage` if it
    /// cannot be read; in the stream, if that happens later.
    async fn read(&self, blob: &Blob, range: Range<u64>) -> Result<ByteStream, Failure>;

    /// A URL under which anybody can get the bytes for so long, with this media type and to be saved
    /// under this name; nothing if the store cannot give one.
    ///
    /// # Errors
    /// `blob_missing` if the blob is not there, `blob_damaged` if it has another length, `storage` if the
    /// store fails otherwise.
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

    /// What was written so far.
    fn written(&self) -> Blob;

    /// Makes the whole readable under its hash.
    ///
    /// # Errors
    /// As [`Blobs::put`].
    #[expect(
        clippy::must_use_candidate,
        reason = "the future that it becomes must be used already"
    )]
    async fn finish(self: Box<Self>) -> Result<Blob, Failure> {
        self.finish_copy(BlobCopy::FIRST).await
    }

    /// The same, as this copy of its blob.
    ///
    /// # Errors
    /// As [`Blobs::put`].
    async fn finish_copy(self: Box<Self>, copy: BlobCopy) -> Result<Blob, Failure>;

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
pub trait WorkNotifier: Send + Sync + fmt::Debug {
    /// Wakes whoever waits. Failing is not fatal, so it is only logged.
    async fn notify(&self);

    /// Waits for the next ring.
    async fn wait(&self);
}
