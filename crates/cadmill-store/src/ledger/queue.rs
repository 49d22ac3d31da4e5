//! What may be claimed, and what has to wait.

use cadmill_domain::{
    MediaKind, Moment, StoreError, TaskKind, Work,
    ledger::{Claim, FileRows, MAX_CRASHES, RowState},
};
use sea_orm::{ConnectionTrait as _, Statement, Value};

use super::{columns, in_words, key, rank};
use crate::{Store, error::store_error};

pub(super) async fn suspects(store: &Store, limit: usize) -> Result<Vec<Work>, StoreError> {
    let (kinds, rank) = (in_words(store.plan.kinds()), rank());
    let sql = format!(
        "SELECT cad_file_id, kind FROM ledger WHERE state = 'queued' AND crashes >= {} \
         AND (not_before IS NULL OR not_before <= $1) AND kind IN ({kinds}) \
         ORDER BY requested_at, cad_file_id, {rank} LIMIT {limit}",
        MAX_CRASHES - 1
    );
    select(store, &sql).await
}

/// The work that a query finds, which has the time as its parameter.
async fn select(store: &Store, sql: &str) -> Result<Vec<Work>, StoreError> {
    let statement = store.statement(sql, [store.clock.now().into()]);
    let rows = store.reading().query_all_raw(statement).await;
    rows.map_err(store_error)?
        .iter()
        .map(columns::work)
        .collect()
}

pub(super) async fn put_off(store: &Store, work: &[Work], until: Moment) -> Result<(), StoreError> {
    if work.is_empty() {
        return Ok(());
    }
    let mut values: Vec<Value> = vec![until.into()];
    let mut keys = Vec::with_capacity(work.len());
    for work in work {
        keys.push(format!("(${}, ${})", values.len() + 1, values.len() + 2));
        values.extend(key(*work));
    }
    let sql = format!(
        "UPDATE ledger SET not_before = $1 WHERE (cad_file_id, kind) IN (\
         SELECT cad_file_id, kind FROM ledger WHERE (cad_file_id, kind) IN (VALUES {}) \
         AND state = 'queued' {})",
        keys.join(", "),
        store.dialect().skip_locked,
    );
    let updated = store.writing().execute_raw(store.statement(&sql, values));
    updated.await.map_err(store_error)?;
    Ok(())
}

/// Closes a claim without a result; what waits for the tessellation of the same bytes waits no more.
pub(super) async fn close_unmade(
    store: &Store,
    claim: &Claim,
    close: impl FnOnce(&mut FileRows<'_>) -> bool + Send,
) -> Result<bool, StoreError> {
    let end_waits = end_waits(store, claim, false);
    let may_wake = end_waits.is_some();
    let closed = store.in_book_beside(claim.work.cad_file_id, |file_rows| {
        let closed = close(file_rows);
        let mut changes = file_rows.changes();
        let rings = changes.any(|(_, row)| row.state == RowState::Queued);
        drop(changes);
        ((closed, rings), end_waits.filter(|_| closed))
    });
    let (closed, rings) = closed.await?.unwrap_or_default();
    if closed && may_wake && !rings {
        store.notifier.notify().await;
    }
    Ok(closed)
}

/// The statement that ends the waits for the tessellation of the same bytes, if this claim is one.
/// Rows that another transaction holds are left out; their waits end by themselves.
pub(super) fn end_waits(store: &Store, claim: &Claim, is_made: bool) -> Option<Statement> {
    if claim.work.kind != TaskKind::Make(MediaKind::GltfGeometry) {
        return None;
    }
    // What has failed by itself has a time of its own, unless its result is there now.
    let condition = if is_made { "" } else { "AND failure IS NULL" };
    let sql = format!(
        "UPDATE ledger SET not_before = NULL WHERE (cad_file_id, kind) IN (\
         SELECT cad_file_id, kind FROM ledger WHERE desired_input = $1 AND kind = $2 \
         AND state = 'queued' AND not_before IS NOT NULL AND cad_file_id <> $3 {condition} {})",
        store.dialect().skip_locked,
    );
    let [file, kind] = key(claim.work);
    Some(store.statement(&sql, [claim.input.to_string().into(), kind, file]))
}
