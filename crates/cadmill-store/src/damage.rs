//! Finding out that the database is damaged, and remembering it.

use std::{
    fs,
    path::Path,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};

use cadmill_domain::StoreError;
use sea_orm::{
    ConnectionTrait as _, DbBackend, DbErr, QueryResult, Statement, Value, prelude::Uuid,
};
use tokio::time::Instant;

use crate::{
    Database,
    dialect::Dialect,
    error::{OpenError, is_damage, store_error},
};

/// How often the tables are looked at at most, however often readiness is asked for.
const PROBE_INTERVAL: Duration = Duration::from_secs(1);
/// Of how many files all rows are read each time.
const PROBE_FILES: i64 = 200;

/// Whether any answer has shown that the database is damaged. It stays so until the process is
/// started again, since a damaged page is not read by every statement. Clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Damage(Arc<OnceLock<String>>);

impl Damage {
    /// Looks whether an answer shows damage.
    pub(crate) fn note<T>(&self, answer: Result<T, DbErr>) -> Result<T, DbErr> {
        if let Err(error) = &answer
            && is_damage(error)
        {
            self.0.get_or_init(|| {
                let error: &dyn std::error::Error = error;
                tracing::error!(error, "the database is damaged; restore the last backup");
                error.to_string()
            });
        }
        answer
    }

    fn found(&self) -> Result<(), StoreError> {
        match self.0.get() {
            Some(found) => Err(StoreError::Damaged(found.clone().into())),
            None => Ok(()),
        }
    }
}

/// How far readiness has read through the tables. Clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Probe(Arc<Mutex<Progress>>);

#[derive(Debug, Default)]
struct Progress {
    probed_at: Option<Instant>,
    /// The last file whose rows were read.
    after: Uuid,
}

impl Database {
    /// Whether the process that last had the SQLite file at `path` has ended without closing it: it
    /// was killed, or the power went.
    #[must_use]
    pub fn was_left_open(path: &Path) -> bool {
        let mut log = path.as_os_str().to_owned();
        log.push("-wal");
        fs::metadata(log).is_ok_and(|log| log.len() > 0)
    }

    /// Reads the whole SQLite file and compares its tables with their indices. PostgreSQL has
    /// `pg_amcheck` for that, so of it nothing is read.
    ///
    /// # Errors
    /// [`OpenError::Damaged`] with what was found first.
    pub async fn verify(&self) -> Result<(), OpenError> {
        if self.postgres().is_some() {
            return Ok(());
        }
        let check = Statement::from_string(DbBackend::Sqlite, "PRAGMA integrity_check(1)");
        let answer = self.reading().query_one_raw(check).await?;
        let found = answer.map_or_else(
            || Ok("there is no answer".to_owned()),
            |answer| answer.try_get_by_index::<String>(0),
        )?;
        match found.as_str() {
            "ok" => Ok(()),
            _ => Err(OpenError::Damaged(found)),
        }
    }

    /// Asks what the service asks: the first page of each list, and the next rows of each table, so
    /// that after a while all of them were read.
    ///
    /// # Errors
    /// If the database does not answer, or has shown damage since the process began.
    pub async fn probe(&self) -> Result<(), StoreError> {
        self.watch.damage.found()?;
        let Some(after) = self.probe.next() else {
            return Ok(());
        };
        let by_name = format!("name {}, id", Dialect::of(self.backend()).bytes);
        for (table, order) in [
            ("cad_file", by_name.as_str()),
            ("cad_file", "created_at, id"),
            ("cad_file", "updated_at, id"),
            ("pipeline_event", "id DESC"),
            ("webhook_delivery", "id DESC"),
            ("access_token", "id"),
        ] {
            let sql = format!("SELECT * FROM {table} ORDER BY {order} LIMIT 50");
            self.read(&sql, []).await?;
        }
        let files = format!("SELECT * FROM cad_file WHERE id > $1 ORDER BY id LIMIT {PROBE_FILES}");
        let files = self.read(&files, [after.into()]).await?;
        let Some(last) = files.last() else {
            self.probe.reached(Uuid::nil());
            return Ok(());
        };
        let last: Uuid = last.try_get("", "id").map_err(store_error)?;
        for table in ["ledger", "media_asset"] {
            let sql = format!("SELECT * FROM {table} WHERE cad_file_id > $1 AND cad_file_id <= $2");
            self.read(&sql, [after.into(), last.into()]).await?;
        }
        self.probe.reached(last);
        Ok(())
    }

    async fn read(
        &self,
        sql: &str,
        values: impl IntoIterator<Item = Value>,
    ) -> Result<Vec<QueryResult>, StoreError> {
        let statement = Statement::from_sql_and_values(self.backend(), sql, values);
        let rows = self.reading().query_all_raw(statement).await;
        rows.map_err(store_error)
    }

    fn backend(&self) -> DbBackend {
        self.reading().get_database_backend()
    }
}

impl Probe {
    /// Behind which file to read; nothing if that was done just now.
    fn next(&self) -> Option<Uuid> {
        let mut progress = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_recent = |at: Instant| at.elapsed() < PROBE_INTERVAL;
        if progress.probed_at.is_some_and(is_recent) {
            return None;
        }
        progress.probed_at = Some(Instant::now());
        Some(progress.after)
    }

    fn reached(&self, file: Uuid) {
        let mut progress = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        progress.after = file;
    }
}
