//! Keeps Cadmill's rows in SQLite or PostgreSQL, and its bytes in a folder, in memory or in S3. Both
//! databases run the same code; where they speak differently it is said in `dialect`.

mod access_tokens;
mod blobs;
mod cad_files;
mod database;
mod dialect;
mod doorbell;
mod entity;
mod error;
mod folder_lock;
mod ledger;
mod media_assets;
mod pipeline_log;
mod webhooks;

use std::sync::Arc;

use async_trait::async_trait;
use cadmill_domain::{Clock, Doorbell, Failure, HealthCheck, Making};
use sea_orm::{
    DatabaseConnection, DatabaseTransaction, DbErr, IsolationLevel, SqliteTransactionMode,
    TransactionOptions, TransactionTrait as _,
};

pub use self::{
    blobs::{ObjectBlobs, Sweep},
    database::Database,
    doorbell::{LocalDoorbell, PostgresDoorbell},
    error::OpenError,
    folder_lock::{FolderLock, FolderLockError},
};

/// All rows of a deployment: an implementation of `CadFiles`, `MediaAssets`, `Ledger`, `PipelineLog`,
/// `AccessTokens` and `Webhooks`. Clones share the connections.
#[derive(Debug, Clone)]
pub struct Store {
    database: Database,
    making: Arc<Making>,
    clock: Arc<dyn Clock>,
    bell: Arc<dyn Doorbell>,
}

impl Store {
    /// Keeps rows in `database`, whose tables are the newest; derives work by `making`, and rings
    /// `bell` when there is some.
    pub fn new(
        database: Database,
        making: Making,
        clock: Arc<dyn Clock>,
        bell: Arc<dyn Doorbell>,
    ) -> Self {
        Self {
            database,
            making: Arc::new(making),
            clock,
            bell,
        }
    }

    fn reading(&self) -> &DatabaseConnection {
        self.database.reading()
    }

    fn writing(&self) -> &DatabaseConnection {
        self.database.writing()
    }

    /// A transaction that may write. SQLite takes its one lock at the beginning, since it could not
    /// raise that of a reader.
    async fn begin(&self) -> Result<DatabaseTransaction, DbErr> {
        self.begin_at(None).await
    }

    /// The same, in which every statement sees the rows as they were at the first, and what somebody
    /// else has changed since cannot be written.
    async fn begin_on_snapshot(&self) -> Result<DatabaseTransaction, DbErr> {
        let is_postgres = self.database.postgres().is_some();
        // A transaction of SQLite is alone anyway.
        self.begin_at(is_postgres.then_some(IsolationLevel::RepeatableRead))
            .await
    }

    async fn begin_at(
        &self,
        isolation_level: Option<IsolationLevel>,
    ) -> Result<DatabaseTransaction, DbErr> {
        let options = TransactionOptions {
            isolation_level,
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        };
        self.writing().begin_with_options(options).await
    }
}

#[async_trait]
impl HealthCheck for Store {
    fn name(&self) -> &'static str {
        "database"
    }

    async fn check(&self) -> Result<(), Failure> {
        Ok(self.database.ping().await?)
    }
}
