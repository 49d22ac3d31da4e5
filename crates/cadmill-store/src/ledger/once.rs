//! Requests that a client may repeat: the first of a key is done, and the key is kept with it.

use cadmill_domain::{
    StoreError, Work,
    ledger::{Request, RequestKey, Requested},
};
use sea_orm::ConnectionTrait as _;

use super::key as key_of;
use crate::{Store, error::store_error};

pub(super) async fn request(
    store: &Store,
    work: Work,
    request: Request,
    key: RequestKey,
) -> Result<Option<Requested>, StoreError> {
    let now = store.clock.now();
    // By itself, so that it holds no lock while it waits for the file.
    let forget = "DELETE FROM idempotency_key WHERE used_at <= $1";
    let forget = store.statement(forget, [(now - RequestKey::LIFE).into()]);
    let forgotten = store.writing().execute_raw(forget).await;
    forgotten.map_err(store_error)?;

    let _turn = store.turn(work.cad_file_id).await?;
    let transaction = store.begin().await.map_err(store_error)?;
    let Some(mut file_rows) = store.file_rows(&transaction, work.cad_file_id).await? else {
        return Ok(None);
    };
    let keep = "INSERT INTO idempotency_key (cad_file_id, kind, key, used_at) \
                VALUES ($1, $2, $3, $4) ON CONFLICT (cad_file_id, kind, key) DO NOTHING";
    let [file, kind] = key_of(work);
    let values = [file, kind, key.as_hash().to_string().into(), now.into()];
    let kept = transaction.execute_raw(store.statement(keep, values)).await;
    let is_first = kept.map_err(store_error)?.rows_affected() == 1;
    let request = Request {
        force: is_first,
        ..request
    };
    let requested = file_rows.request(work.kind, request);
    store.close(transaction, &file_rows).await?;
    Ok(Some(requested))
}
