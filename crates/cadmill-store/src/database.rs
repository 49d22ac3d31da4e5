//! The connections to SQLite or PostgreSQL, and the state of its tables.

use std::{
    path::Path,
    str::FromStr as _,
    time::{Duration, Instant},
};

use cadmill_domain::StoreError;
use cadmill_migrations::Migrator;
use sea_orm::{
    ConnectionTrait as _, DatabaseConnection, DbBackend, DbErr, SqliteTransactionMode,
    SqlxPostgresConnector, SqlxSqliteConnector, Statement, TransactionOptions,
    TransactionTrait as _,
    prelude::Uuid,
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
    damage::Probe,
    error::{Class, OpenError, class_of_sqlx, open_error, store_error},
    file_turns::{FileTurn, FileTurns, TurnTimedOut},
    sessions::{self, DurabilityRisk, SessionTimeouts},
    sqlite_writer::SqliteWriter,
    watched::{Watch, Watched},
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
/// How many prepared statements a connection to SQLite keeps: each may stand alone, at the beginning
/// of a transaction, or in a group of them.
const SQLITE_STATEMENTS: usize = 400;
/// Key of the lock under which one process at a time migrates a PostgreSQL database.
const MIGRATION_LOCK: i64 = 0x00CA_D311;

/// Moves the numbers of the next events past those in use, if they are not.
const RAISE_EVENT_BASE: &str = "UPDATE event_base SET base = used.newest + 1 FROM (SELECT GREATEST(\
     (SELECT COALESCE(MAX(id), 0) FROM pipeline_event), \
     (SELECT COALESCE(MAX(last_event_id), 0) FROM webhook)) AS newest) AS used \
     WHERE base + (pg_current_xact_id()::text::bigint << 8) <= used.newest";

/// An open database. Clones share its connections.
#[derive(Debug, Clone)]
pub struct Database {
    reading: Watched<DatabaseConnection>,
    writing: Writer,
    postgres: Option<PgPool>,
    timeouts: SessionTimeouts,
    turns: FileTurns,
    pub(crate) watch: Watch,
    pub(crate) probe: Probe,
}

impl Database {
    /// Opens the SQLite file at `path`, or makes it.
    ///
    /// # Errors
    /// If it cannot be opened, or is no database.
    pub async fn open_sqlite(path: &Path) -> Result<Self, OpenError> {
        let options = sqlite_options(path);
        let failed = |error: sqlx::Error| match class_of_sqlx(&error) {
            Class::Damaged => OpenError::Damaged(format!("`{}`: {error}", path.display())),
            _ => OpenError::Unreachable {
                place: format!("`{}`", path.display()),
                source: error.into(),
            },
        };
        let watch = Watch::default();
        let writer = SqliteWriter::open(options.clone(), watch.damage.clone()).await;
        let writer = writer.map_err(failed)?;
        let readers = SqlitePoolOptions::new()
            .max_connections(SQLITE_READERS)
            // A file does not go away as a server does, so a connection need not be tried first.
            .test_before_acquire(false)
            .acquire_timeout(BUSY);
        let readers = retry_while_busy(|| readers.clone().connect_with(options.clone())).await;
        let readers = readers.map_err(failed)?;
        Ok(Self {
            reading: Watched {
                connection: SqlxSqliteConnector::from_sqlx_sqlite_pool(readers),
                watch: watch.clone(),
            },
            writing: Writer::Sqlite(writer),
            postgres: None,
            timeouts: SessionTimeouts::UNLIMITED,
            turns: FileTurns::default(),
            watch,
            probe: Probe::default(),
        })
    }

    /// Connects to the PostgreSQL database at `url`, with up to so many connections and the default
    /// time-outs.
    ///
    /// # Errors
    /// As [`Self::connect_postgres_with`].
    pub async fn connect_postgres(url: &str, connections: u32) -> Result<Self, OpenError> {
        Self::connect_postgres_with(url, connections, SessionTimeouts::default()).await
    }

    /// Connects to the PostgreSQL database at `url`, with up to so many connections. PostgreSQL ends
    /// what our sessions do after these time-outs.
    ///
    /// # Errors
    /// If the URL is none, or the database cannot be reached or does not let us in. No error shows
    /// the password.
    pub async fn connect_postgres_with(
        url: &str,
        connections: u32,
        timeouts: SessionTimeouts,
    ) -> Result<Self, OpenError> {
        if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
            let scheme = url.split_once("://").map_or("", |(scheme, _)| scheme);
            return Err(OpenError::Url(format!("`{scheme}` is no PostgreSQL")));
        }
        let options = PgConnectOptions::from_str(url)
            .map_err(|_| OpenError::Url("it cannot be parsed".to_owned()))?
            .application_name("cadmill");
        let place = format!("{}:{}", options.get_host(), options.get_port());
        let watch = Watch {
            limit: timeouts.answer(),
            ..Watch::default()
        };
        let silence = watch.silence.clone();
        let pool = PgPoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(PATIENCE)
            .test_before_acquire(false)
            .after_connect(move |connection, _| {
                Box::pin(async move { timeouts.apply(connection).await })
            })
            .before_acquire(|connection, history| {
                Box::pin(async move {
                    if history.idle_for > FRESH {
                        connection.ping().await?;
                    }
                    Ok(true)
                })
            })
            .after_release(move |connection, _| {
                let silence = silence.clone();
                Box::pin(async move {
                    silence.try_again(connection, PATIENCE).await?;
                    Ok(true)
                })
            })
            .connect_with(options)
            .await
            .map_err(|error| open_error(place, error))?;
        let connection = Watched {
            connection: SqlxPostgresConnector::from_sqlx_postgres_pool(pool.clone()),
            watch: watch.clone(),
        };
        Ok(Self {
            reading: connection.clone(),
            writing: Writer::Postgres(connection),
            postgres: Some(pool),
            timeouts,
            turns: FileTurns::default(),
            watch,
            probe: Probe::default(),
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
        let transaction = self.reading.connection.begin_with_options(options).await;
        let transaction = transaction?;
        if self.postgres.is_some() {
            // New tables and indices take as long as they take.
            for setting in [
                "SET LOCAL lock_timeout = 0",
                "SET LOCAL statement_timeout = 0",
                "SET LOCAL idle_in_transaction_session_timeout = 0",
            ] {
                transaction.execute_unprepared(setting).await?;
            }
            let lock = Statement::from_sql_and_values(
                DbBackend::Postgres,
                "SELECT pg_advisory_xact_lock($1)",
                [MIGRATION_LOCK.into()],
            );
            transaction.execute_raw(lock).await?;
        }
        Migrator::up(&transaction, None).await?;
        transaction.commit().await?;
        self.raise_event_base().await
    }

    /// Checks that the tables are the newest.
    ///
    /// # Errors
    /// If some are missing, or they are those of a newer version.
    pub async fn check(&self) -> Result<(), OpenError> {
        let applied = self.refuse_newer().await?;
        match Migrator::migrations().len().saturating_sub(applied) {
            0 => self.raise_event_base().await,
            missing => Err(OpenError::Behind(missing)),
        }
    }

    /// Checks that the database answers.
    ///
    /// # Errors
    /// If it does not.
    pub async fn ping(&self) -> Result<(), StoreError> {
        let pinged = self.watch.answer(self.reading.connection.ping()).await;
        pinged.map_err(store_error)
    }

    /// For what the server of the database may lose what was committed. Nothing of SQLite: its
    /// settings are ours.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn risks(&self) -> Result<Vec<DurabilityRisk>, StoreError> {
        if self.postgres.is_none() {
            return Ok(Vec::new());
        }
        let question = Statement::from_string(DbBackend::Postgres, sessions::RISKS);
        let answer = self.reading.query_one_raw(question).await;
        let answer = answer.map_err(store_error)?;
        let risks = answer.as_ref().map(sessions::risks).transpose();
        Ok(risks.map_err(store_error)?.unwrap_or_default())
    }

    /// Makes the next event of PostgreSQL get a higher number than all that are in use. After a
    /// restore into another cluster, whose transactions have lower numbers, it would not.
    async fn raise_event_base(&self) -> Result<(), OpenError> {
        if self.postgres.is_none() {
            return Ok(());
        }
        // By itself, so that its own number is higher than that of every transaction it sees.
        let raise = self.writing.execute_unprepared(RAISE_EVENT_BASE).await;
        raise?;
        Ok(())
    }

    /// How many migrations are applied.
    async fn refuse_newer(&self) -> Result<usize, OpenError> {
        let known: Vec<_> = Migrator::migrations()
            .iter()
            .map(|migration| migration.name().to_owned())
            .collect();
        let applied = self.applied().await?;
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

    pub(crate) const fn reading(&self) -> &Watched<DatabaseConnection> {
        &self.reading
    }

    pub(crate) const fn writing(&self) -> &Writer {
        &self.writing
    }

    /// Closes a SQLite file, so that the next process finds all of it in one file. Nothing may be
    /// read afterwards.
    pub async fn close(&self) {
        let Writer::Sqlite(writer) = &self.writing else {
            return;
        };
        let readers = self.reading.connection.close_by_ref().await;
        // The last connection that is closed writes the log back.
        if let Err(error) = readers.and(writer.close().await) {
            let error: &dyn std::error::Error = &error;
            tracing::warn!(error, "the database was not closed");
        }
    }

    /// A turn at a file, to be held until its transaction has ended; none is needed on SQLite.
    pub(crate) async fn turn(&self, file: Uuid) -> Result<Option<FileTurn>, StoreError> {
        self.turn_when(self.turns.take(file, self.timeouts.lock))
            .await
    }

    /// The same for what changes no row that others change with such a turn.
    pub(crate) async fn shared_turn(&self, file: Uuid) -> Result<Option<FileTurn>, StoreError> {
        self.turn_when(self.turns.share(file, self.timeouts.lock))
            .await
    }

    /// A turn at asking for all that is missing, which has no limit.
    pub(crate) async fn turn_of_click(&self) -> Result<Option<FileTurn>, StoreError> {
        self.turn_when(self.turns.take(Uuid::nil(), Duration::ZERO))
            .await
    }

    async fn turn_when(
        &self,
        turn: impl Future<Output = Result<FileTurn, TurnTimedOut>>,
    ) -> Result<Option<FileTurn>, StoreError> {
        if self.postgres.is_none() {
            return Ok(None);
        }
        let turn = turn.await.map(Some);
        turn.map_err(|error| StoreError::Unavailable(error.into()))
    }

    pub(crate) const fn postgres(&self) -> Option<&PgPool> {
        self.postgres.as_ref()
    }
}

/// How each connection to a SQLite file is opened.
pub(crate) fn sqlite_options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        // Each commit that is answered is on the disk; there is no other mode.
        .synchronous(SqliteSynchronous::Full)
        .statement_cache_capacity(SQLITE_STATEMENTS)
        .foreign_keys(true)
        .busy_timeout(BUSY)
        .pragma("wal_autocheckpoint", CHECKPOINT_PAGES)
        .optimize_on_close(true, None)
}

/// Opens SQLite connections. While another process opens or closes the same file, SQLite may call it
/// locked without waiting; that passes.
pub(crate) async fn retry_while_busy<T, F>(connect: impl Fn() -> F) -> Result<T, sqlx::Error>
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
