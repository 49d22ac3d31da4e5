//! Publishing: the fence, the asset, the row and what follows from it, in one transaction.

use cadmill_domain::{
    Book, Claim, MediaAsset, MediaAssetId, MediaKind, NewMediaAsset, Product, Published, Requested,
    StoreError, TaskKind, TaskPayload,
};
use sea_orm::Statement;

use super::columns;
use crate::{Store, connection::Transaction, error::store_error, media_assets};

pub(super) async fn publish(
    store: &Store,
    claim: &Claim,
    product: Product,
) -> Result<Published, StoreError> {
    let transaction = store.begin().await.map_err(store_error)?;
    match in_transaction(store, &transaction, claim, product).await {
        Ok(Some((book, kept, (again, chained)))) => {
            let rows = store.close_with(transaction, &book, kept.by).await?;
            // One of the same file, kind and input that had the same bytes has kept its id.
            let id = rows
                .first()
                .map(|row| columns::get(row, "id"))
                .transpose()?;
            Ok(Published::Done {
                asset: id.map(MediaAssetId::from_uuid).or(kept.asset),
                again,
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

/// What is kept of a product: the asset, if it is a medium, and the statement that does so.
struct Kept {
    asset: Option<MediaAssetId>,
    by: Option<Statement>,
}

/// Whether the work is in the queue again, and what was asked for.
type Follows = (bool, Vec<(TaskKind, Requested)>);

/// The book, what is still to be kept, and what follows; nothing if the claim does not hold.
async fn in_transaction<'a>(
    store: &'a Store,
    transaction: &Transaction,
    claim: &Claim,
    product: Product,
) -> Result<Option<(Book<'a>, Kept, Follows)>, StoreError> {
    let TaskPayload { cad_file_id, kind } = claim.work;
    let Some(mut book) = store.book(transaction, cad_file_id).await? else {
        return Ok(None);
    };
    let row = book.row(kind);
    if !row.is_some_and(|row| row.is_held_under(claim.fence)) {
        return Ok(None);
    }
    let kept = keep(store, transaction, claim, product).await?;
    let follows = book.publish(kind, claim.fence, kept.asset);
    Ok(follows.map(|follows| (book, kept, follows)))
}

async fn keep(
    store: &Store,
    transaction: &Transaction,
    claim: &Claim,
    product: Product,
) -> Result<Kept, StoreError> {
    let new = match product {
        Product::Step(found) => {
            let file = claim.work.cad_file_id.as_uuid();
            let sql = "UPDATE cad_file SET step = $2 WHERE id = $1";
            let statement = store.statement(sql, [file.into(), found.into()]);
            return Ok(Kept {
                asset: None,
                by: Some(statement),
            });
        }
        Product::Asset(new) => new,
        Product::Cached(id) => {
            let found = media_assets::find(transaction, id).await?;
            let fits = |found: &MediaAsset| {
                Some(found.kind) == claim.work.kind.medium() && found.input == claim.input
            };
            let Some(found) = found.filter(fits) else {
                let text = format!("the asset {id} is not there, or of something else");
                return Err(StoreError::Refused(text.into()));
            };
            if TaskPayload::of(&found) == claim.work {
                return Ok(Kept {
                    asset: Some(id),
                    by: None,
                });
            }
            NewMediaAsset::copy_of(&found)
        }
        other => return Err(StoreError::Unreadable(format!("{other:?}"))),
    };
    let Some(kind) = claim.work.kind.medium() else {
        let mixed_up = "a medium was published for a task that makes none";
        return Err(StoreError::Unreadable(mixed_up.to_owned()));
    };
    let id = MediaAssetId::generate(&*store.clock);
    Ok(Kept {
        asset: Some(id),
        by: Some(insert(store, claim, kind, id, new)),
    })
}

/// Inserts an asset, or replaces that of the same file, kind and input; tells the id that it has.
/// What has an id never changes, so other bytes have another.
fn insert(
    store: &Store,
    claim: &Claim,
    kind: MediaKind,
    id: MediaAssetId,
    new: NewMediaAsset,
) -> Statement {
    let sql = "INSERT INTO media_asset \
               (id, cad_file_id, kind, input, sha256, bytes, report, fence, created_at) \
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) \
               ON CONFLICT (cad_file_id, kind, input) DO UPDATE SET \
               id = CASE WHEN media_asset.sha256 = excluded.sha256 THEN media_asset.id \
               ELSE excluded.id END, sha256 = excluded.sha256, \
               bytes = excluded.bytes, report = excluded.report, fence = excluded.fence, \
               created_at = excluded.created_at RETURNING id";
    let values = [
        id.as_uuid().into(),
        claim.work.cad_file_id.as_uuid().into(),
        kind.as_str().into(),
        claim.input.as_str().into(),
        new.blob.sha256.to_string().into(),
        (new.blob.bytes as i64).into(),
        new.report.into(),
        (claim.fence.0 as i64).into(),
        store.clock.now().into(),
    ];
    store.statement(sql, values)
}
