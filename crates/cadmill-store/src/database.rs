//! The connections to SQLite or PostgreSQL, and the state of its tables.

use std::{
    path::Path,
    str::FromStr as _,
    time::{Duration, Instant},
};

use cadmill_migrations::Migrator;
use sea_orm::{
    ConnectionTrait as _, DatabaseConnection, DbBackend, DbErr, SqliteTransactionMode,
    SqlxPostgresConnector, SqlxSqliteConnector, Statement, TransactionOptions,
    TransactionTrait as _,
    sqlx::{
        self, Connection as _, PgPool,
        error::DatabaseError,
        postgres::{PgConnectOptions, PgPoolOptions},
        sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
    },
};
use sea_orm_migration::MigratorTrait as _;

use crate::{
    connection::Writer,
    error::{OpenError, open_error},
    sqlite_writer::SqliteWriter,
};

/// How long a connection may take, and how long one waits for a free one.
const PATIENCE: Duration = Duration::from_secs(5);
/// A connection to PostgreSQL is tried before it is used if it has been idle for so long. Each that was
/// given back has just been tried, and a server that is started anew takes longer.
const FRESH: Duration = Duration::from_secs(1);
/// Another process on the same SQLite file may write as long as this.
pub(crate) const BUSY: Duration = Duration::from_secs(30);
/// How long one waits before a file that is locked is opened again.
const PAUSE: Duration = Duration::from_millis(20);
/// Readers of SQLite beside the one writer.
const SQLITE_READERS: u32 = 4;
/// How long the write-ahead log may grow, in pages of 4 KiB, until it is written back: that waits for
/// the disk, and a page that was written often is written back once.
const CHECKPOINT_PAGES: &str = "10000";
/// Key of the lock under which one process at a time migrates a PostgreSQL database.
const MIGRATION_LOCK: i64 = 0x00CA_D311;

/// An open database. Clones share its connections.
#[derive(Debug, Clone)]
pub struct Database {
    reading: DatabaseConnection,
    writing: Writer,
    postgres: Option<PgPool>,
}

impl Database {
    /// Opens the SQLite file at `path`, or makes it.
    ///
    /// # Errors
    /// If it cannot be opened, or is no database.
    pub async fn open_sqlite(path: &Path) -> Result<Self, OpenError> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal)
            .foreign_keys(true)
            .busy_timeout(BUSY)
            .pragma("wal_autocheckpoint", CHECKPOINT_PAGES)
            .optimize_on_close(true, None);
        let failed = |error: sqlx::Error| OpenError::Unreachable {
            place: format!("`{}`", path.display()),
            source: error.into(),
        };
        let writer = SqliteWriter::open(options.clone()).await.map_err(failed)?;
        let readers = SqlitePoolOptions::new()
            .max_connections(SQLITE_READERS)
            // A file does not go away as a server does, so a connection need not be tried first.
            .test_before_acquire(false)
            .acquire_timeout(BUSY);
        let readers = patiently(|| readers.clone().connect_with(options.clone())).await;
        let readers = readers.map_err(failed)?;
        Ok(Self {
            reading: SqlxSqliteConnector::from_sqlx_sqlite_pool(readers),
            writing: Writer::Sqlite(writer),
            postgres: None,
        })
    }

    /// Connects to the PostgreSQL database at `url`, with up to so many connections.
    ///
    /// # Errors
    /// If the URL is none, or the database cannot be reached or does not let us in. No error shows
    /// the password.
    pub async fn connect_postgres(url: &str, connections: u32) -> Result<Self, OpenError> {
        if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
            let scheme = url.split_once("://").map_or("", |(scheme, _)| scheme);
            return Err(OpenError::Url(format!("`{scheme}` is no PostgreSQL")));
        }
        let options = PgConnectOptions::from_str(url)
            .map_err(|_| OpenError::Url("it cannot be parsed".to_owned()))?
            .application_name("cadmill");
        let place = format!("{}:{}", options.get_host(), options.get_port());
        let pool = PgPoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(PATIENCE)
            .test_before_acquire(false)
            .before_acquire(|connection, history| {
                Box::pin(async move {
                    if history.idle_for > FRESH {
                        connection.ping().await?;
                    }
                    Ok(true)
                })
            })
            .connect_with(options)
            .await
            .map_err(|error| open_error(place, error))?;
        let connection = SqlxPostgresConnector::from_sqlx_postgres_pool(pool.clone());
        Ok(Self {
            reading: connection.clone(),
            writing: Writer::Postgres(connection),
            postgres: Some(pool),
        })
    }

    /// Brings the tables to the newest version; safe when several processes do so at once.
    ///
    /// # Errors
    /// If the tables are those of a newer version, or the database refuses.
    pub async fn migrate(&self) -> Result<(), OpenError> {
        self.refuse_newer().await?;
        let options = TransactionOptions {
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        };
        let transaction = self.reading.begin_with_options(options).await;
        let transaction = transaction.map_err(failed)?;
        if self.postgres.is_some() {
            let lock = Statement::from_sql_and_values(
                DbBackend::Postgres,
                "SELECT pg_advisory_xact_lock($1)",
                [MIGRATION_LOCK.into()],
            );
            transaction.execute_raw(lock).await.map_err(failed)?;
        }
        Migrator::up(&transaction, None).await.map_err(failed)?;
        transaction.commit().await.map_err(failed)
    }

    /// Checks that the tables are the newest.
    ///
    /// # Errors
    /// If some are missing, or they are those of a newer version.
    pub async fn check(&self) -> Result<(), OpenError> {
        let applied = self.refuse_newer().await?;
        match Migrator::migrations().len().saturating_sub(applied) {
            0 => Ok(()),
            missing => Err(OpenError::Behind(missing)),
        }
    }

    /// Checks that the database answers.
    ///
    /// # Errors
    /// If it does not.
    pub async fn ping(&self) -> Result<(), cadmill_domain::StoreError> {
        let pinged = self.reading.ping().await;
        pinged.map_err(crate::error::store_error)
    }

    /// How many migrations are applied.
    async fn refuse_newer(&self) -> Result<usize, OpenError> {
        let known: Vec<_> = Migrator::migrations()
            .iter()
            .map(|migration| migration.name().to_owned())
            .collect();
        let applied = self.applied().await.map_err(failed)?;
        match applied.iter().find(|name| !known.contains(name)) {
            Some(newer) => Err(OpenError::Newer(newer.clone())),
            None => Ok(applied.len()),
        }
    }

    async fn applied(&self) -> Result<Vec<String>, DbErr> {
        let backend = self.reading.get_database_backend();
        let there = match backend {
            DbBackend::Postgres => "SELECT to_regclass('seaql_migrations') IS NOT NULL AS there",
            _ => {
                "SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE name = 'seaql_migrations') AS there"
            }
        };
        let query = |sql: &str| Statement::from_string(backend, sql);
        let there = self.reading.query_one_raw(query(there)).await?;
        if !there.map_or(Ok(false), |row| row.try_get::<bool>("", "there"))? {
            return Ok(Vec::new());
        }
        let names = query("SELECT version FROM seaql_migrations ORDER BY version");
        let names = self.reading.query_all_raw(names).await?;
        names.iter().map(|row| row.try_get("", "version")).collect()
    }

    pub(crate) const fn reading(&self) -> &DatabaseConnection {
        &self.reading
    }

    pub(crate) const fn writing(&self) -> &Writer {
        &self.writing
    }

    pub(crate) const fn postgres(&self) -> Option<&PgPool> {
        self.postgres.as_ref()
    }
}

/// Opens SQLite connections. While another process opens or closes the same file, SQLite may call it
/// locked without waiting; that passes.
pub(crate) async fn patiently<T, F>(connect: impl Fn() -> F) -> Result<T, sqlx::Error>
where
    F: Future<Output = Result<T, sqlx::Error>>,
{
    let begun = Instant::now();
    loop {
        match connect().await {
            Err(error) if is_busy(&error) && begun.elapsed() < PATIENCE => {
                tokio::time::sleep(PAUSE).await;
            }
            connected => return connected,
        }
    }
}

fn is_busy(error: &sqlx::Error) -> bool {
    // SQLITE_BUSY; the extended codes have it in their lowest byte.
    let code = error.as_database_error().and_then(DatabaseError::code);
    let code = code.and_then(|code| code.parse::<u32>().ok());
    code.is_some_and(|code| code & 0xff == 5)
}

fn failed(error: DbErr) -> OpenError {
    OpenError::Failed(error.into())
}
