//! Keeps Cadmill's rows in SQLite or PostgreSQL, and its bytes in a folder, in memory or in S3. Both
//! databases run the same code; where they speak differently it is said in `dialect`.

mod access_tokens;
mod blobs;
mod cad_files;
mod connection;
mod database;
mod dialect;
mod doorbell;
mod entity;
mod error;
mod folder_lock;
mod ledger;
mod media_assets;
mod pipeline_log;
mod sqlite_writer;
mod webhooks;

use std::sync::Arc;

use async_trait::async_trait;
use cadmill_domain::{Clock, Doorbell, Failure, HealthCheck, Making};
use sea_orm::{DatabaseConnection, DbErr, IsolationLevel};

use self::connection::{Transaction, Writer};
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

    fn writing(&self) -> &Writer {
        self.database.writing()
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
        Ok(self.database.ping().await?)
    }
}
