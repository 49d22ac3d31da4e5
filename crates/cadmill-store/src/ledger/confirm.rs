//! Claims that their owners confirm, and those that are not confirmed.

use std::collections::HashMap;

use cadmill_domain::{
    StoreError, Work,
    ledger::{Claim, Confirmed, FileRows, Recovered, Recovery},
};
use chrono::TimeDelta;
use sea_orm::{ConnectionTrait as _, Value};

use super::{claim::CLAIM, columns, key};
use crate::{
    Store,
    error::{is_locked, store_error},
};

pub(super) async fn confirm(store: &Store, claim: &Claim) -> Result<Confirmed, StoreError> {
    let Work { cad_file_id, kind } = claim.work;
    let confirmed = store.in_book(cad_file_id, |file_rows| {
        file_rows.confirm(kind, claim.fence)
    });
    Ok(confirmed.await?.unwrap_or(Confirmed::Gone))
}

pub(super) async fn standing(
    store: &Store,
    claims: &[Claim],
) -> Result<Vec<Confirmed>, StoreError> {
    if claims.is_empty() {
        return Ok(Vec::new());
    }
    let columns = columns::COLUMNS
        .map(|column| format!("l.{column}"))
        .join(", ");
    let mut keys = Vec::with_capacity(claims.len());
    let mut values: Vec<Value> = Vec::with_capacity(2 * claims.len());
    for claim in claims {
        keys.push(format!("(${}, ${})", values.len() + 1, values.len() + 2));
        values.extend(key(claim.work));
    }
    let sql = format!(
        "SELECT f.source_sha256, f.materials_fingerprint, {columns} FROM ledger l \
         JOIN cad_file f ON f.id = l.cad_file_id \
         WHERE (l.cad_file_id, l.kind) IN (VALUES {})",
        keys.join(", ")
    );
    let answers = store.reading().query_all_raw(store.statement(&sql, values));
    let now = store.clock.now();
    let mut books = HashMap::new();
    for answer in answers.await.map_err(store_error)? {
        let work = columns::work(&answer)?;
        let subject = super::file_rows::subject(work.cad_file_id, &answer)?;
        let row = columns::row(&answer)?;
        books.insert(work, FileRows::open(&store.plan, subject, [row], now));
    }
    let standing = claims.iter().map(|claim| {
        books.get(&claim.work).map_or(Confirmed::Gone, |file_rows| {
            file_rows.standing(claim.work.kind, claim.fence)
        })
    });
    Ok(standing.collect())
}

pub(super) async fn unconfirmed(store: &Store, lease: TimeDelta) -> Result<Vec<Claim>, StoreError> {
    let sql = format!(
        "SELECT {CLAIM} FROM ledger WHERE state = 'running' \
         AND (confirmed_at IS NULL OR confirmed_at <= $1)"
    );
    let before = store.clock.now() - Recovery::suspected_after(lease);
    let statement = store.statement(&sql, [before.into()]);
    let rows = store.reading().query_all_raw(statement).await;
    rows.map_err(store_error)?
        .iter()
        .map(columns::claim)
        .collect()
}

pub(super) async fn recover(
    store: &Store,
    claim: &Claim,
    recovery: Recovery,
) -> Result<Recovered, StoreError> {
    let Work { cad_file_id, kind } = claim.work;
    let recovered = store.in_book_at_once(cad_file_id, |file_rows| {
        file_rows.recover(kind, claim.fence, recovery)
    });
    match recovered.await {
        Ok(recovered) => Ok(recovered.unwrap_or(Recovered::NoLonger)),
        // Another transaction is at these rows, and may be for long: its process may be frozen.
        Err(error) if is_locked(&error) => Ok(Recovered::NotYet),
        Err(error) => Err(error),
    }
}
