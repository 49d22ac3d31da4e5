//! Keeps Cadmill's rows in SQLite or PostgreSQL, and its bytes in a folder, in memory or in S3. Both
//! databases run the same code; where they speak differently it is said in `dialect`.

mod access_tokens;
mod blob_refs;
mod blobs;
mod cad_files;
mod clock;
mod connection;
mod damage;
mod database;
mod dialect;
mod entity;
mod error;
mod file_turns;
mod folder_lock;
mod ledger;
mod maintenance;
mod media_assets;
mod notifier;
mod ownership;
mod pipeline_log;
mod sessions;
mod sqlite_writer;
mod statements;
mod watched;
mod webhooks;

use std::sync::Arc;

use async_trait::async_trait;
use cadmill_domain::{CadFileId, Clock, Failure, HealthCheck, MediaPlan, StoreError, WorkNotifier};
use sea_orm::{DatabaseConnection, DbErr, IsolationLevel};

pub use self::{
    blobs::{MAX_UNRELEASED, Marker, ObjectBlobs, Owner, Sweep, SweepOptions, make_folder},
    clock::DatabaseClock,
    database::Database,
    error::OpenError,
    folder_lock::{FolderLock, FolderLockError},
    maintenance::{MaintenanceId, MaintenanceKind, MaintenanceRequest, MaintenanceState},
    notifier::{LocalWorkNotifier, PostgresWorkNotifier},
    ownership::OwnershipError,
    sessions::{DurabilityRisk, SessionTimeouts},
};
use self::{
    connection::{Transaction, Writer},
    file_turns::FileTurn,
    watched::Watched,
};

/// All rows of a deployment: an implementation of `CadFiles`, `MediaAssets`, `Ledger`, `PipelineLog`,
/// `AccessTokens`, `Webhooks` and `BlobRefs`. Clones share the connections.
#[derive(Debug, Clone)]
pub struct Store {
    database: Database,
    plan: Arc<MediaPlan>,
    clock: Arc<dyn Clock>,
    notifier: Arc<dyn WorkNotifier>,
}

impl Store {
    /// Keeps rows in `database`, whose tables are the newest; derives work by `plan`, and rings
    /// `notifier` when there is some.
    pub fn new(
        database: Database,
        plan: MediaPlan,
        clock: Arc<dyn Clock>,
        notifier: Arc<dyn WorkNotifier>,
    ) -> Self {
        Self {
            database,
            plan: Arc::new(plan),
            clock,
            notifier,
        }
    }

    /// Closes the database; see [`Database::close`].
    pub async fn close_database(&self) {
        self.database.close().await;
    }

    fn reading(&self) -> &Watched<DatabaseConnection> {
        self.database.reading()
    }

    fn writing(&self) -> &Writer {
        self.database.writing()
    }

    /// A turn at a file, which a transaction that changes it has from before it begins until it has
    /// ended.
    async fn turn(&self, file: CadFileId) -> Result<Option<FileTurn>, StoreError> {
        self.database.turn(file.as_uuid()).await
    }

    /// A transaction that may write.
    async fn begin(&self) -> Result<Transaction, DbErr> {
        self.writing().begin(None).await
    }

    /// The same, in which every statement sees the rows as they were at the first, and what somebody
    /// else has changed since cannot be written.
    async fn begin_on_snapshot(&self) -> Result<Transaction, DbErr> {
        self.writing()
            .begin(Some(IsolationLevel::RepeatableRead))
            .await
    }
}

#[async_trait]
impl HealthCheck for Store {
    fn name(&self) -> &'static str {
        "database"
    }

    async fn check(&self) -> Result<(), Failure> {
        Ok(self.database.probe().await?)
    }
}
