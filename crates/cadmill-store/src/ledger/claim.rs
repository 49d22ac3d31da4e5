//! Claiming: the row and its `step_start`, in one statement on PostgreSQL and in one turn on SQLite.

use cadmill_domain::{
    StoreError, Work,
    ledger::{Claim, WorkerName},
};
use sea_orm::{ConnectionTrait as _, DbBackend, QueryResult, Value};

use super::{columns, events, key};
use crate::{Store, dialect::Dialect, error::store_error};

/// The columns of a claim.
pub(super) const CLAIM: &str =
    "cad_file_id, kind, fence, running_input, worker, crashes, attempts, forced";

/// Whether a row can be claimed at `$3`.
const IS_DUE: &str = "state = 'queued' AND (not_before IS NULL OR not_before <= $3)";

/// What a claim changes, for the worker `$4`.
const CHANGE: &str = "state = 'running', running_input = desired_input, fence = fence + 1, \
                      claimed_at = $3, confirmed_at = $3, suspected_at = NULL, worker = $4, \
                      progress = NULL";

pub(super) async fn claim(
    store: &Store,
    work: Work,
    worker: &WorkerName,
) -> Result<Option<Claim>, StoreError> {
    let [file, kind] = key(work);
    let now = store.clock.now();
    let values = [file, kind, now.into(), worker.as_str().into()];
    let dialect = store.dialect();
    let claimed = match dialect.backend {
        DbBackend::Postgres => on_postgres(store, &dialect, values).await?,
        _ => on_sqlite(store, &dialect, values).await?,
    };
    claimed.as_ref().map(columns::claim).transpose()
}

async fn on_postgres(
    store: &Store,
    dialect: &Dialect,
    values: [Value; 4],
) -> Result<Option<QueryResult>, StoreError> {
    // The row is found by its key alone. A plan that was made while the queue was short would
    // look for it all along the queue's index. One that is not due is not locked, since that would
    // write, and a commit of what was written waits for the disk.
    let sql = format!(
        "WITH seen AS MATERIALIZED (SELECT kind, state, not_before FROM ledger \
         WHERE cad_file_id = $1 AND kind = $2), \
         found AS MATERIALIZED (SELECT kind, state, not_before FROM ledger \
         WHERE cad_file_id = $1 AND kind = (SELECT kind FROM seen WHERE {IS_DUE}) {}), \
         claimed AS (UPDATE ledger SET {CHANGE} \
         WHERE cad_file_id = $1 AND kind = (SELECT kind FROM found WHERE {IS_DUE}) \
         RETURNING {CLAIM}), started AS ({}) SELECT {CLAIM} FROM claimed",
        dialect.skip_locked,
        events::started(dialect)
    );
    let values = values.into_iter().chain([events::converter()]);
    let claimed = store.writing().query_one_raw(store.statement(&sql, values));
    claimed.await.map_err(store_error)
}

/// SQLite has no `UPDATE` within another statement, so the event is written first.
async fn on_sqlite(
    store: &Store,
    dialect: &Dialect,
    values: [Value; 4],
) -> Result<Option<QueryResult>, StoreError> {
    let event = format!(
        "WITH claimed AS (SELECT cad_file_id, kind, fence + 1 AS fence, $4 AS worker, \
         desired_input AS running_input, crashes, attempts FROM ledger \
         WHERE cad_file_id = $1 AND kind = $2 AND {IS_DUE}) {}",
        events::started(dialect)
    );
    let row = format!(
        "UPDATE ledger SET {CHANGE} WHERE cad_file_id = $1 AND kind = $2 AND {IS_DUE} \
         RETURNING {CLAIM}"
    );
    let event_values = values.clone().into_iter().chain([events::converter()]);
    let event = store.statement(&event, event_values);
    let row = store.statement(&row, values);
    let transaction = store.begin().await.map_err(store_error)?;
    let claimed = transaction.commit_with(vec![event, row]).await;
    Ok(claimed.map_err(store_error)?.into_iter().next())
}
