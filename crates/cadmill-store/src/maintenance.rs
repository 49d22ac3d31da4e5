//! Requests to whichever process serves a deployment, by the database: a command leaves a request
//! and waits for its answer.

use std::time::Duration;

use cadmill_domain::StoreError;
use sea_orm::{ConnectionTrait as _, QueryResult, prelude::Uuid};
use serde_json::Value;

use crate::{Store, error::store_error, ledger::columns::get};

/// A process that has not been seen for so long does not answer any more.
const LOST_AFTER: Duration = Duration::from_mins(1);
/// How long a request is kept, in days.
const KEPT_DAYS: i64 = 7;

const COLUMNS: &str = "id, kind, arguments, state, progress, answer, worker";

/// Names a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MaintenanceId(Uuid);

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MaintenanceKind {
    /// A sweep of the blobs.
    Gc,
    /// A comparison of all blobs with their hashes.
    Verify,
}

impl MaintenanceKind {
    const ALL: [Self; 2] = [Self::Gc, Self::Verify];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Gc => "gc",
            Self::Verify => "verify",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// How far a request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MaintenanceState {
    /// No process has taken it.
    Queued,
    /// A process is at it.
    Running,
    /// It was answered.
    Done,
    /// It failed; the answer is the reason, as a text.
    Failed,
}

/// A request.
#[derive(Debug, Clone, PartialEq)]
pub struct MaintenanceRequest {
    /// Its name.
    pub id: MaintenanceId,
    /// What is asked for.
    pub kind: MaintenanceKind,
    /// How it is to be done.
    pub arguments: Value,
    /// How far it is.
    pub state: MaintenanceState,
    /// What the process that is at it has done.
    pub progress: Option<Value>,
    /// The answer.
    pub answer: Option<Value>,
    /// The process that is at it, or has answered.
    pub worker: Option<String>,
}

impl Store {
    /// Leaves a request. It is taken only as long as the caller waits for its answer, since what is
    /// confirmed now is not meant for later; see [`Store::await_maintenance`].
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn request_maintenance(
        &self,
        kind: MaintenanceKind,
        arguments: Value,
    ) -> Result<MaintenanceId, StoreError> {
        let now = self.clock.now();
        let old = now - chrono::TimeDelta::days(KEPT_DAYS);
        let forget = "DELETE FROM maintenance_request WHERE requested_at < $1";
        let forgotten = self
            .writing()
            .execute_raw(self.statement(forget, [old.into()]));
        forgotten.await.map_err(store_error)?;
        let id = Uuid::now_v7();
        let sql = "INSERT INTO maintenance_request \
                   (id, kind, arguments, state, requested_at, seen_at) \
                   VALUES ($1, $2, $3, 'queued', $4, $4)";
        let values = [
            id.into(),
            kind.as_str().into(),
            arguments.into(),
            now.into(),
        ];
        let inserted = self.writing().execute_raw(self.statement(sql, values));
        inserted.await.map_err(store_error)?;
        Ok(MaintenanceId(id))
    }

    /// A request as it is now.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn maintenance(
        &self,
        id: MaintenanceId,
    ) -> Result<Option<MaintenanceRequest>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM maintenance_request WHERE id = $1");
        let select = self.statement(&sql, [id.0.into()]);
        let row = self.reading().query_one_raw(select).await;
        row.map_err(store_error)?.as_ref().map(request).transpose()
    }

    /// Says that the caller still waits for a request to be taken; at least each half minute.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn await_maintenance(&self, id: MaintenanceId) -> Result<(), StoreError> {
        let sql = "UPDATE maintenance_request SET seen_at = $2 WHERE id = $1 AND state = 'queued'";
        let values = [id.0.into(), self.clock.now().into()];
        let updated = self
            .writing()
            .execute_raw(self.statement(sql, values))
            .await;
        updated.map(drop).map_err(store_error)
    }

    /// Takes a request back, unless another process than `worker` is at it.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn withdraw_maintenance(
        &self,
        id: MaintenanceId,
        worker: &str,
    ) -> Result<(), StoreError> {
        let sql = "DELETE FROM maintenance_request WHERE id = $1 \
                   AND (state = 'queued' OR (state = 'running' AND worker = $2))";
        let delete = self.statement(sql, [id.0.into(), worker.into()]);
        let deleted = self.writing().execute_raw(delete).await;
        deleted.map(drop).map_err(store_error)
    }

    /// Takes the oldest request that a command waits for and no living process is at, or only the
    /// one that is named.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn take_maintenance(
        &self,
        worker: &str,
        only: Option<MaintenanceId>,
    ) -> Result<Option<MaintenanceRequest>, StoreError> {
        let open = "((state = 'queued' AND seen_at >= $1) OR (state = 'running' AND seen_at < $1))";
        let find = format!(
            "SELECT id FROM maintenance_request WHERE {open} AND id = COALESCE($2, id) \
             ORDER BY requested_at LIMIT 1"
        );
        let now = self.clock.now();
        let lost = now - chrono::TimeDelta::from_std(LOST_AFTER).unwrap_or_default();
        let only: Option<Uuid> = only.map(|id| id.0);
        // Most looks find nothing, and only read.
        let look = self.statement(&find, [lost.into(), only.into()]);
        let found = self.reading().query_one_raw(look).await;
        if found.map_err(store_error)?.is_none() {
            return Ok(None);
        }
        let sql = format!(
            "UPDATE maintenance_request SET state = 'running', worker = $3, seen_at = $4 \
             WHERE {open} AND id = ({find}) RETURNING {COLUMNS}"
        );
        let values = [lost.into(), only.into(), worker.into(), now.into()];
        let update = self.statement(&sql, values);
        let row = self.writing().query_one_raw(update).await;
        row.map_err(store_error)?.as_ref().map(request).transpose()
    }

    /// Says how far a request is, and that the process lives. False if another one has taken it.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn note_maintenance(
        &self,
        id: MaintenanceId,
        worker: &str,
        progress: Value,
    ) -> Result<bool, StoreError> {
        let sql = "UPDATE maintenance_request SET progress = $3, seen_at = $4 \
                   WHERE id = $1 AND worker = $2 AND state = 'running'";
        let now = self.clock.now();
        let values = [id.0.into(), worker.into(), progress.into(), now.into()];
        let updated = self
            .writing()
            .execute_raw(self.statement(sql, values))
            .await;
        Ok(updated.map_err(store_error)?.rows_affected() == 1)
    }

    /// Answers a request, or says why it failed.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn answer_maintenance(
        &self,
        id: MaintenanceId,
        worker: &str,
        answer: Result<Value, String>,
    ) -> Result<bool, StoreError> {
        let (state, answer) = match answer {
            Ok(answer) => ("done", answer),
            Err(reason) => ("failed", Value::String(reason)),
        };
        let sql = "UPDATE maintenance_request SET answer = $3, state = $4 \
                   WHERE id = $1 AND worker = $2 AND state = 'running'";
        let values = [id.0.into(), worker.into(), answer.into(), state.into()];
        let updated = self
            .writing()
            .execute_raw(self.statement(sql, values))
            .await;
        Ok(updated.map_err(store_error)?.rows_affected() == 1)
    }
}

fn request(row: &QueryResult) -> Result<MaintenanceRequest, StoreError> {
    let kind: String = get(row, "kind")?;
    let state: String = get(row, "state")?;
    Ok(MaintenanceRequest {
        id: MaintenanceId(get(row, "id")?),
        kind: MaintenanceKind::from_name(&kind).ok_or(StoreError::Unreadable(kind))?,
        arguments: get(row, "arguments")?,
        state: match state.as_str() {
            "queued" => MaintenanceState::Queued,
            "running" => MaintenanceState::Running,
            "done" => MaintenanceState::Done,
            "failed" => MaintenanceState::Failed,
            _ => return Err(StoreError::Unreadable(state)),
        },
        progress: get(row, "progress")?,
        answer: get(row, "answer")?,
        worker: get(row, "worker")?,
    })
}
