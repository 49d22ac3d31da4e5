//! Publishing: the fence, the asset, the row and what follows from it, in one transaction.

use cadmill_domain::{
    Input, MediaAsset, MediaAssetId, MediaKind, NewMediaAsset, StoreError, TaskKind, Work,
    ledger::{Claim, FileRows, Published, Requested, ResultSummary, TaskOutput},
};
use sea_orm::Statement;

use super::{columns::json, file_rows::MadeBefore, queue};
use crate::{Store, connection::Transaction, error::store_error, media_assets};

pub(super) async fn publish(
    store: &Store,
    claim: &Claim,
    product: TaskOutput,
) -> Result<Published, StoreError> {
    let _turn = store.turn_of_claim(claim).await?;
    let transaction = store.begin().await.map_err(store_error)?;
    match in_transaction(store, &transaction, claim, product).await {
        Ok(Some((file_rows, kept, (requeued, chained)))) => {
            store.close_with(transaction, &file_rows, kept.by).await?;
            Ok(Published::Done {
                asset: kept.asset,
                requeued,
                chained,
            })
        }
        refused => {
            // A transaction that is dropped is undone some time later; until then whoever wants to
            // claim a row of this file would think that somebody is at it.
            let undone = transaction.rollback().await;
            refused?;
            undone.map_err(store_error)?;
            Ok(Published::Refused)
        }
    }
}

/// What is kept of a product: the asset, if it is a medium, the statements that do so, and the input
/// of a scene that is coarser than what was claimed.
struct Kept {
    asset: Option<MediaAssetId>,
    by: Vec<Statement>,
    coarser: Option<Input>,
}

/// Whether the work is in the queue again, and what was asked for.
type Follows = (bool, Vec<(TaskKind, Requested)>);

/// The book, what is still to be kept, and what follows; nothing if the claim does not hold.
async fn in_transaction<'a>(
    store: &'a Store,
    transaction: &Transaction,
    claim: &Claim,
    product: TaskOutput,
) -> Result<Option<(FileRows<'a>, Kept, Follows)>, StoreError> {
    let Some((mut file_rows, made_before)) = store.book_of_claim(transaction, claim).await? else {
        return Ok(None);
    };
    let kind = claim.work.kind;
    let row = file_rows.row(kind);
    if !row.is_some_and(|row| row.is_held_under(claim.fence)) {
        return Ok(None);
    }
    let summary = ResultSummary::of(&product);
    let is_new = matches!(product, TaskOutput::Asset(_) | TaskOutput::Coarser { .. });
    let mut kept = keep(store, transaction, claim, product, made_before).await?;
    if is_new {
        kept.by.extend(queue::end_waits(store, claim, true));
    }
    let coarser = kept.coarser.clone();
    let follows = file_rows.publish(kind, claim.fence, kept.asset, coarser, &summary);
    Ok(follows.map(|follows| (file_rows, kept, follows)))
}

async fn keep(
    store: &Store,
    transaction: &Transaction,
    claim: &Claim,
    product: TaskOutput,
    made_before: Option<MadeBefore>,
) -> Result<Kept, StoreError> {
    let (new, coarser) = match product {
        TaskOutput::Step(found) => {
            let file = claim.work.cad_file_id.as_uuid();
            let sql = "UPDATE cad_file SET step = $2 WHERE id = $1";
            let statement = store.statement(sql, [file.into(), json(Some(&found))]);
            return Ok(Kept {
                asset: None,
                by: vec![statement],
                coarser: None,
            });
        }
        TaskOutput::Asset(new) => (new, None),
        TaskOutput::Coarser { made, input } => (made, Some(claim.coarser(&input)?)),
        TaskOutput::Cached(id) => {
            // Until the copy is there, the row that is copied must keep the blob.
            let found = media_assets::find_to_copy(transaction, id).await?;
            let fits = |found: &MediaAsset| {
                let is_own = Work::of(found) == claim.work;
                let is_coarser = is_own && claim.coarser(&found.input).is_ok();
                Some(found.kind) == claim.work.kind.medium()
                    && (found.input == claim.input || is_coarser)
            };
            let Some(found) = found.filter(fits) else {
                let text = format!("the asset {id} is not there, or of something else");
                return Err(StoreError::Refused(text.into()));
            };
            if Work::of(&found) == claim.work {
                return Ok(Kept {
                    asset: Some(id),
                    by: Vec::new(),
                    coarser: claim.coarser(&found.input).ok(),
                });
            }
            (NewMediaAsset::copy_of(&found), None)
        }
        other => return Err(StoreError::Unreadable(format!("{other:?}"))),
    };
    let Some(kind) = claim.work.kind.medium() else {
        let mixed_up = "a medium was published for a task that makes none";
        return Err(StoreError::Unreadable(mixed_up.to_owned()));
    };
    store.end_intent(transaction, new.blob).await?;
    // What has an id never changes, so other bytes have another.
    let id = match made_before {
        Some(MadeBefore { id, sha256 }) if sha256 == new.blob.blob().sha256 => id,
        _ => MediaAssetId::generate(&*store.clock),
    };
    Ok(Kept {
        asset: Some(id),
        by: vec![insert(
            store,
            claim,
            coarser.as_ref().unwrap_or(&claim.input),
            kind,
            id,
            &new,
        )],
        coarser,
    })
}

/// Inserts an asset, or replaces that of the same file, kind and input.
fn insert(
    store: &Store,
    claim: &Claim,
    input: &Input,
    kind: MediaKind,
    id: MediaAssetId,
    new: &NewMediaAsset,
) -> Statement {
    let sql = "INSERT INTO media_asset \
               (id, cad_file_id, kind, input, sha256, bytes, report, fence, created_at) \
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) \
               ON CONFLICT (cad_file_id, kind, input) DO UPDATE SET \
               id = excluded.id, sha256 = excluded.sha256, bytes = excluded.bytes, \
               report = excluded.report, fence = excluded.fence, \
               created_at = excluded.created_at";
    let values = [
        id.as_uuid().into(),
        claim.work.cad_file_id.as_uuid().into(),
        kind.as_str().into(),
        input.to_string().into(),
        new.blob.blob().sha256.to_string().into(),
        (new.blob.blob().bytes as i64).into(),
        json(Some(&new.report)),
        (claim.fence.0 as i64).into(),
        store.clock.now().into(),
    ];
    store.statement(sql, values)
}
