//! Publishing: the fence, the asset, the row and what follows from it, in one transaction.

use cadmill_domain::{
    Book, Claim, MediaAsset, MediaAssetId, MediaKind, NewMediaAsset, Product, Published,
    StoreError, TaskPayload,
};
use sea_orm::{
    ActiveValue::Set, ColumnTrait as _, DatabaseTransaction, EntityTrait as _, QueryFilter as _,
    QuerySelect as _, sea_query::OnConflict,
};

use crate::{
    Store,
    entity::{cad_file, media_asset},
    error::store_error,
    media_assets,
};

pub(super) async fn publish(
    store: &Store,
    claim: &Claim,
    product: Product,
) -> Result<Published, StoreError> {
    let transaction = store.begin().await.map_err(store_error)?;
    match in_transaction(store, &transaction, claim, product).await {
        Ok(Some((book, done))) => {
            store.close(transaction, &book).await?;
            Ok(done)
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

/// The book and the answer; nothing if the claim does not hold.
async fn in_transaction<'a>(
    store: &'a Store,
    transaction: &DatabaseTransaction,
    claim: &Claim,
    product: Product,
) -> Result<Option<(Book<'a>, Published)>, StoreError> {
    let TaskPayload { cad_file_id, kind } = claim.work;
    let Some(mut book) = store.book(transaction, cad_file_id).await? else {
        return Ok(None);
    };
    let row = book.row(kind);
    if !row.is_some_and(|row| row.is_held_under(claim.fence)) {
        return Ok(None);
    }
    let asset = keep(store, transaction, claim, product).await?;
    let published = book.publish(kind, claim.fence, asset);
    let done = published.map(|(again, chained)| Published::Done {
        asset,
        again,
        chained,
    });
    Ok(done.map(|done| (book, done)))
}

/// Keeps what was made; the asset, if it is a medium.
async fn keep(
    store: &Store,
    transaction: &DatabaseTransaction,
    claim: &Claim,
    product: Product,
) -> Result<Option<MediaAssetId>, StoreError> {
    let new = match product {
        Product::Step(found) => {
            let update = cad_file::ActiveModel {
                id: Set(claim.work.cad_file_id.as_uuid()),
                step: Set(Some(found)),
                ..Default::default()
            };
            let updated = cad_file::Entity::update(update).exec(transaction).await;
            updated.map_err(store_error)?;
            return Ok(None);
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
                return Ok(Some(id));
            }
            NewMediaAsset {
                blob: found.blob,
                report: found.report,
            }
        }
        other => return Err(StoreError::Unreadable(format!("{other:?}"))),
    };
    let Some(kind) = claim.work.kind.medium() else {
        let mixed_up = "a medium was published for a task that makes none";
        return Err(StoreError::Unreadable(mixed_up.to_owned()));
    };
    insert(store, transaction, claim, kind, new).await.map(Some)
}

/// Inserts an asset; that of the same file, kind and input is replaced.
async fn insert(
    store: &Store,
    transaction: &DatabaseTransaction,
    claim: &Claim,
    kind: MediaKind,
    new: NewMediaAsset,
) -> Result<MediaAssetId, StoreError> {
    use media_asset::{ActiveModel, Column, Entity};
    let file = claim.work.cad_file_id.as_uuid();
    let row = ActiveModel {
        id: Set(MediaAssetId::generate(&*store.clock).as_uuid()),
        cad_file_id: Set(file),
        kind: Set(kind.as_str().to_owned()),
        input: Set(claim.input.as_str().to_owned()),
        sha256: Set(new.blob.sha256.to_string()),
        bytes: Set(new.blob.bytes as i64),
        report: Set(new.report),
        fence: Set(claim.fence.0 as i64),
        created_at: Set(store.clock.now()),
    };
    let mut conflict = OnConflict::columns([Column::CadFileId, Column::Kind, Column::Input]);
    conflict.update_columns([
        Column::Sha256,
        Column::Bytes,
        Column::Report,
        Column::Fence,
        Column::CreatedAt,
    ]);
    let insert = Entity::insert(row).on_conflict(conflict);
    let inserted = insert.exec_without_returning(transaction).await;
    inserted.map_err(store_error)?;
    let id = Entity::find()
        .select_only()
        .column(Column::Id)
        .filter(Column::CadFileId.eq(file))
        .filter(Column::Kind.eq(kind.as_str()))
        .filter(Column::Input.eq(claim.input.as_str()))
        .into_tuple()
        .one(transaction)
        .await
        .map_err(store_error)?;
    let missing = || StoreError::Unreadable("an asset that was just inserted is gone".to_owned());
    id.map(MediaAssetId::from_uuid).ok_or_else(missing)
}
