//! Opens the adapters that the configuration selects: database, lock, blobs and work notifier.

use std::{path::PathBuf, sync::Arc};

use anyhow::{Context as _, Result};
use cadmill_domain::{SystemClock, WorkNotifier};
use cadmill_lock::{DedupLock, MemoryLock, redis::RedisLock};
use cadmill_pipeline::RedisNotifier;
use cadmill_store::{
    Database, DatabaseClock, FolderLock, LocalWorkNotifier, ObjectBlobs, PostgresWorkNotifier,
    SessionTimeouts,
};
use secrecy::ExposeSecret as _;

use crate::wiring::{
    config::{Config, Wake},
    machine,
};

/// The context of an error of Redis.
const REDIS: &str =
    "Redis cannot be used; check `redis_url`, and that it runs and accepts the credentials";

/// The SQLite database of an embedded deployment.
pub(super) fn sqlite_path(config: &Config) -> PathBuf {
    config.data_dir.join("cadmill.db")
}

/// Opens the database with the tables of this version. Those of SQLite are migrated first.
pub(super) async fn open_ready_database(config: &Config) -> Result<Database> {
    let timeouts = SessionTimeouts {
        lock: config.database_lock_timeout,
        statement: config.database_statement_timeout,
        idle_in_transaction: config.database_idle_timeout,
        tcp: config.database_tcp_timeout,
    };
    let database = open_database(config, timeouts).await?;
    if config.is_embedded() {
        database.migrate().await?;
    } else {
        database.check().await?;
    }
    Ok(database)
}

/// Opens the database, in which the tables may be of another version.
pub(super) async fn open_database(config: &Config, timeouts: SessionTimeouts) -> Result<Database> {
    if let Some(url) = &config.database_url {
        let (url, connections) = (url.expose_secret(), config.database_connections);
        return Ok(Database::connect_postgres_with(url, connections, timeouts).await?);
    }
    create_data_dir(config)?;
    Ok(Database::open_sqlite(&sqlite_path(config)).await?)
}

/// The clock of the database, which all processes share.
pub(super) async fn measure_clock(database: &Database) -> Result<Arc<DatabaseClock>> {
    Ok(DatabaseClock::measure(database, Arc::new(SystemClock)).await?)
}

/// Opens the lock by which work is done only once.
pub(crate) async fn open_lock(config: &Config, owner: &str) -> Result<Arc<dyn DedupLock>> {
    let Some(url) = &config.redis_url else {
        return Ok(Arc::new(MemoryLock::new(owner)));
    };
    let lock = RedisLock::connect(url.expose_secret(), owner).await;
    Ok(Arc::new(lock.context(REDIS)?))
}

/// Opens the blob store.
pub(crate) fn open_blobs(config: &Config) -> Result<ObjectBlobs> {
    match &config.blob_url {
        Some(url) => Ok(ObjectBlobs::in_s3(url.expose_secret())?),
        None => Ok(ObjectBlobs::in_folder(&config.data_dir.join("blobs"))?),
    }
}

/// Opens the notifier of idle workers.
pub(super) async fn open_notifier(
    config: &Config,
    database: &Database,
) -> Result<Arc<dyn WorkNotifier>> {
    match (&config.redis_url, config.wake) {
        (None, _) => Ok(Arc::new(LocalWorkNotifier::default())),
        (Some(_), Wake::Postgres) => Ok(Arc::new(PostgresWorkNotifier::listen(database)?)),
        (Some(url), Wake::Redis) => {
            let channel = RedisNotifier::DEFAULT_CHANNEL;
            let notifier = RedisNotifier::connect(url.expose_secret(), channel).await;
            Ok(Arc::new(notifier.context(REDIS)?))
        }
    }
}

/// Locks the data folder for `command`, so that only one process works in it.
pub(super) fn lock_data_dir(config: &Config, command: &str) -> Result<FolderLock> {
    create_data_dir(config)?;
    let holder = format!("{command} ({})", machine::process_name());
    let folder = &config.data_dir;
    FolderLock::take(folder, &holder)
        .with_context(|| format!("`{}` cannot be worked in", folder.display()))
}

fn create_data_dir(config: &Config) -> Result<()> {
    let folder = &config.data_dir;
    cadmill_store::make_folder(folder)
        .with_context(|| format!("the data folder `{}` cannot be created", folder.display()))
}
