//! The ports behind which rows, events and bytes are kept.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    Blob, CadFile, CadFileId, ContentHash, Failure, FailureCode, Fence, Input, MaterialMap,
    MediaAsset, MediaAssetId, MediaKind, Moment, NewCadFile, Request, TaskKind, WorkerName,
    sentence,
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

    /// Gives the file new bytes, which are in the blob store: its media are stale then, and
    /// `process_step_file` is asked for. None if there is no such file.
    ///
    /// # Errors
    /// If the database does not answer.
    async fn replace_source(
        &self,
        id: CadFileId,
        source: Blob,
        request: Request,
    ) -> Result<Option<CadFile>, StoreError>;

    /// Replaces the part materials; `updated_at` moves, and media that show them are made anew. None
    /// if there is no such file.
    ///
    /// # Errors
    /// If the database does not answer.
    async fn save_part_materials(
        &self,
        id: CadFileId,
        materials: MaterialMap,
    ) -> Result<Option<CadFile>, StoreError>;

    /// Replaces the manual overrides; `updated_at` moves, and media that show them are made anew.
    /// None if there is no such file.
    ///
    /// # Errors
    /// If the database does not answer.
    async fn save_manual_material_overrides(
        &self,
        id: CadFileId,
        materials: MaterialMap,
    ) -> Result<Option<CadFile>, StoreError>;
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

/// What happened to each file, step by step.
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
}

/// Something that happened to a file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PipelineEvent {
    /// Its number; later events have higher ones.
    pub id: u64,
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
}

/// Wakes workers when there is work. A ring may be lost, so workers also look by themselves.
#[async_trait]
pub trait Doorbell: Send + Sync + fmt::Debug {
    /// Wakes whoever waits. Failing is not fatal, so it is only logged.
    async fn ring(&self);

    /// Waits for the next ring.
    async fn wait(&self);
}
