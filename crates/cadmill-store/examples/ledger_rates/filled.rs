//! A database full of files that were read and lack a scene.

use std::sync::Arc;

use cadmill_domain::{CadFileId, MediaKind, MediaPlan, Recipe, SystemClock, WorkNotifier};
use cadmill_store::{Database, LocalWorkNotifier, PostgresWorkNotifier, Store};
use sea_orm::{ConnectOptions, ConnectionTrait as _, DatabaseConnection, Statement, prelude::Uuid};
use tempfile::TempDir;

use crate::{Outcome, fill};

const CONNECTIONS: u32 = 16;

/// A database, and a connection beside the store's.
pub(crate) struct Filled {
    pub(crate) store: Store,
    pub(crate) files: Vec<CadFileId>,
    beside: DatabaseConnection,
    is_postgres: bool,
    _folder: TempDir,
}

impl Filled {
    /// A new database of the PostgreSQL server at `url`, or a SQLite file, with so many files.
    pub(crate) async fn open(url: Option<&str>, files: usize) -> Outcome<Self> {
        let folder = tempfile::tempdir()?;
        let (database, url) = if let Some(server) = url {
            let url = new_database(server).await?;
            (Database::connect_postgres(&url, CONNECTIONS).await?, url)
        } else {
            let path = folder.path().join("cadmill.db");
            let url = format!("sqlite://{}", path.display());
            (Database::open_sqlite(&path).await?, url)
        };
        database.migrate().await?;
        let is_postgres = url.starts_with("postgres");
        let notifier: Arc<dyn WorkNotifier> = if is_postgres {
            Arc::new(PostgresWorkNotifier::listen(&database)?)
        } else {
            Arc::new(LocalWorkNotifier::default())
        };
        let plan = MediaPlan::new(Recipe::STANDARD, MediaKind::ALL);
        let beside = connect(&url).await?;
        for sql in fill::statements(is_postgres, &plan, files) {
            beside.execute_unprepared(&sql).await?;
        }
        Ok(Self {
            store: Store::new(database, plan, Arc::new(SystemClock), notifier),
            files: (1..=files).map(id).collect(),
            beside,
            is_postgres,
            _folder: folder,
        })
    }

    /// A mark of what was written so far.
    pub(crate) async fn mark(&self) -> Outcome<i64> {
        // The newest transaction of which there is a row; of SQLite, a number that changes whenever
        // another connection writes.
        self.number(if self.is_postgres {
            "SELECT max(xmin::text::bigint) AS number FROM ledger"
        } else {
            "SELECT data_version AS number FROM pragma_data_version"
        })
        .await
    }

    /// How many rows of the ledger were written since; of SQLite, only whether any was.
    pub(crate) async fn written_since(&self, mark: i64) -> Outcome<i64> {
        if self.is_postgres {
            let newer = "SELECT count(*) AS number FROM ledger WHERE xmin::text::bigint >";
            return self.number(&format!("{newer} {mark}")).await;
        }
        Ok(i64::from(self.mark().await? != mark))
    }

    /// Puts the USD masters of so many files off until the year 2100.
    pub(crate) async fn put_off(&self, files: usize) -> Outcome {
        let sql = format!(
            "INSERT INTO ledger (cad_file_id, kind, state, priority, desired_input, fence, crashes, \
             attempts, requested_at, not_before) SELECT cad_file_id, 'usd_master', 'queued', 0, \
             'input', 0, 0, 1, requested_at, '2100-01-01T12:00:00+00:00' FROM ledger \
             WHERE kind = 'gltf_geometry' LIMIT {files}"
        );
        self.beside.execute_unprepared(&sql).await?;
        Ok(())
    }

    async fn number(&self, sql: &str) -> Outcome<i64> {
        let backend = self.beside.get_database_backend();
        let statement = Statement::from_string(backend, sql);
        let row = self.beside.query_one_raw(statement).await?;
        Ok(row.ok_or("no answer")?.try_get("", "number")?)
    }
}

/// The id of the file with this number; such ids sort as those do that are made one after another.
fn id(number: usize) -> CadFileId {
    CadFileId::from_uuid(Uuid::from_u128((0x019a << 112) | number as u128))
}

async fn new_database(server: &str) -> Outcome<String> {
    let name = format!("rates_{}", Uuid::now_v7().simple());
    let connection = connect(server).await?;
    let create = format!("CREATE DATABASE {name}");
    connection.execute_unprepared(&create).await?;
    connection.close().await?;
    let (server, _) = server.rsplit_once('/').ok_or("the URL names a database")?;
    Ok(format!("{server}/{name}"))
}

async fn connect(url: &str) -> Outcome<DatabaseConnection> {
    let mut options = ConnectOptions::new(url);
    options.max_connections(1).sqlx_logging(false);
    Ok(sea_orm::Database::connect(options).await?)
}
