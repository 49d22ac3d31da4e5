//! Doorbells: within a process, and through PostgreSQL.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use cadmill_domain::WorkNotifier;
use sea_orm::{
    ConnectionTrait as _, DatabaseConnection, DbBackend, Statement,
    sqlx::{PgPool, postgres::PgListener},
};
use tokio::{
    sync::{Mutex, Notify},
    task::AbortHandle,
};
use tracing::warn;

use crate::{Database, OpenError, watched::Watched};

/// The channel of `LISTEN` and `NOTIFY`.
const CHANNEL: &str = "cadmill_work";
/// How long a ring may take; what is queued is found without it, only later.
const RING_WITHIN: Duration = Duration::from_secs(5);
/// How long to wait before listening again when the connection was lost.
const RECONNECT: Duration = Duration::from_secs(1);

/// Wakes the workers of this process.
#[derive(Debug, Default)]
pub struct LocalWorkNotifier(Notify);

#[async_trait]
impl WorkNotifier for LocalWorkNotifier {
    async fn notify(&self) {
        self.0.notify_waiters();
        // For one who is just about to wait.
        self.0.notify_one();
    }

    async fn wait(&self) {
        self.0.notified().await;
    }
}

/// Wakes the workers of every process on a PostgreSQL database, by `NOTIFY`.
#[derive(Debug)]
pub struct PostgresWorkNotifier {
    connection: Watched<DatabaseConnection>,
    /// How many were about to ring so far.
    rung: AtomicU64,
    /// How many of those are told, by a `NOTIFY` that began when they were about to ring.
    told: Mutex<u64>,
    heard: Arc<LocalWorkNotifier>,
    listening: AbortHandle,
}

impl PostgresWorkNotifier {
    /// Listens on `database`; a lost connection is made again.
    ///
    /// # Errors
    /// If the database is no PostgreSQL.
    pub fn listen(database: &Database) -> Result<Self, OpenError> {
        let pool = database.postgres().cloned();
        let pool = pool.ok_or_else(|| OpenError::Url("SQLite has no NOTIFY".to_owned()))?;
        let heard = Arc::<LocalWorkNotifier>::default();
        let listening = tokio::spawn(listen(pool, heard.clone())).abort_handle();
        Ok(Self {
            connection: database.reading().clone().within(RING_WITHIN),
            rung: AtomicU64::new(0),
            told: Mutex::new(0),
            heard,
            listening,
        })
    }
}

impl Drop for PostgresWorkNotifier {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

#[async_trait]
impl WorkNotifier for PostgresWorkNotifier {
    async fn notify(&self) {
        let mine = self.rung.fetch_add(1, Ordering::SeqCst) + 1;
        let mut told = self.told.lock().await;
        // All who waited for their turn are told at once.
        if *told >= mine {
            return;
        }
        let all = self.rung.load(Ordering::SeqCst);
        let sql = "SELECT pg_notify($1, '')";
        let notify = Statement::from_sql_and_values(DbBackend::Postgres, sql, [CHANNEL.into()]);
        if let Err(error) = self.connection.execute_raw(notify).await {
            warn!(
                error = &error as &dyn std::error::Error,
                "Workers could not be woken."
            );
        }
        // What could not be told is found by those who look from time to time.
        *told = all;
    }

    async fn wait(&self) {
        self.heard.wait().await;
    }
}

async fn listen(pool: PgPool, heard: Arc<LocalWorkNotifier>) {
    loop {
        if let Err(error) = pass_on(&pool, &heard).await {
            warn!(
                error = &error as &dyn std::error::Error,
                "Listening for work was interrupted."
            );
        }
        tokio::time::sleep(RECONNECT).await;
    }
}

async fn pass_on(pool: &PgPool, heard: &LocalWorkNotifier) -> Result<(), sea_orm::sqlx::Error> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen(CHANNEL).await?;
    loop {
        // Something may have been said before we listened.
        heard.notify().await;
        listener.recv().await?;
    }
}
