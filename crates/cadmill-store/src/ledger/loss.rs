//! Bytes that are lost or found again: all that refers to them changes in one transaction.

use std::collections::BTreeSet;

use cadmill_domain::{
    CadFileId, ContentHash, Failure, MediaAssetId, StoreError,
    blobs::BlobLoss,
    ledger::{FileRows, RowState, WorkerName},
};
use sea_orm::{ConnectionTrait as _, QueryResult, Statement, prelude::Uuid};

use super::columns;
use crate::{
    Store,
    connection::Transaction,
    error::{is_conflict, store_error},
};

/// The files that show a medium with these bytes. In the order of their ids, so that two transactions
/// do not wait for each other.
const WITH_MEDIA: &str =
    "SELECT DISTINCT cad_file_id FROM media_asset WHERE sha256 = $1 ORDER BY cad_file_id";

/// The files that have these bytes as their source.
const WITH_SOURCE: &str = "SELECT id AS cad_file_id FROM cad_file WHERE source_sha256 = $1 \
                           AND id > $2 ORDER BY id LIMIT $3";

/// The files that have these bytes as their source, and had lost them.
const WITHOUT_SOURCE: &str = "SELECT f.id AS cad_file_id FROM cad_file f \
    JOIN ledger l ON l.cad_file_id = f.id AND l.kind = 'process_step' \
    WHERE f.source_sha256 = $1 AND l.state = 'failed' AND l.failure ->> 'code' = 'source_lost' \
    ORDER BY f.id";

/// How many files lose their source in one transaction: each writes an event, and a transaction has
/// numbers for 256.
const MAX_SOURCES: i64 = 200;
/// How often the transaction begins again because another one has just written the same rows.
const MAX_TRIES: usize = 16;

/// What a transaction has changed.
#[derive(Debug, Default)]
struct Changed {
    loss: BlobLoss,
    /// Whether there is work now.
    is_queued: bool,
    /// How many events it has written.
    events: usize,
    /// The last file that has lost its source.
    last: Option<CadFileId>,
}

pub(super) async fn blob_lost(
    store: &Store,
    sha256: ContentHash,
    finder: &WorkerName,
) -> Result<BlobLoss, StoreError> {
    let mut loss = BlobLoss::default();
    let mut after = None;
    let mut tries = 1;
    loop {
        let changed = match once(store, sha256, finder, after).await {
            Err(error) if is_conflict(&error) && tries < MAX_TRIES => {
                tries += 1;
                continue;
            }
            changed => changed?,
        };
        loss.media += changed.loss.media;
        loss.sources += changed.loss.sources;
        if changed.loss.sources < MAX_SOURCES as u64 {
            return Ok(loss);
        }
        after = changed.last;
    }
}

pub(super) async fn blob_found(store: &Store, sha256: ContentHash) -> Result<u64, StoreError> {
    let mut tries = 1;
    loop {
        let transaction = store.begin().await.map_err(store_error)?;
        let found = store.source_found(&transaction, sha256, None).await;
        let found = match found {
            Ok(found) => transaction
                .commit()
                .await
                .map_err(store_error)
                .map(|()| found),
            Err(error) => transaction
                .rollback()
                .await
                .map_err(store_error)
                .and(Err(error)),
        };
        match found {
            Err(error) if is_conflict(&error) && tries < MAX_TRIES => tries += 1,
            Ok(0) => return Ok(0),
            found => {
                store.notifier.notify().await;
                return found;
            }
        }
    }
}

async fn once(
    store: &Store,
    sha256: ContentHash,
    finder: &WorkerName,
    after: Option<CadFileId>,
) -> Result<Changed, StoreError> {
    let transaction = store.begin().await.map_err(store_error)?;
    let mut changed = Changed::default();
    let lost = async {
        lose_media(store, &transaction, sha256, &mut changed).await?;
        lose_sources(store, &transaction, (sha256, finder), after, &mut changed).await
    };
    if let Err(error) = lost.await {
        transaction.rollback().await.map_err(store_error)?;
        return Err(error);
    }
    transaction.commit().await.map_err(store_error)?;
    if changed.is_queued {
        store.notifier.notify().await;
    }
    Ok(changed)
}

/// Removes all media that have these bytes. While it does, another file may get a copy of one that was
/// not yet removed; so it looks again until there is none.
async fn lose_media(
    store: &Store,
    transaction: &Transaction,
    sha256: ContentHash,
    changed: &mut Changed,
) -> Result<(), StoreError> {
    loop {
        let statement = store.statement(WITH_MEDIA, [sha256.to_string().into()]);
        let files = transaction.query_all_raw(statement).await;
        let files = files.map_err(store_error)?;
        if files.is_empty() {
            return Ok(());
        }
        for file in &files {
            let file = file_in(file)?;
            let Some(mut file_rows) = store.file_rows(transaction, file).await? else {
                continue;
            };
            let assets = remove_assets(store, transaction, file, sha256).await?;
            file_rows.assets_lost(|asset| assets.contains(&asset));
            changed.loss.media += assets.len() as u64;
            write(store, transaction, &file_rows, changed).await?;
        }
    }
}

async fn lose_sources(
    store: &Store,
    transaction: &Transaction,
    (sha256, finder): (ContentHash, &WorkerName),
    after: Option<CadFileId>,
    changed: &mut Changed,
) -> Result<(), StoreError> {
    let after = after.map_or(Uuid::nil(), |after| after.as_uuid());
    let values = [sha256.to_string().into(), after.into(), MAX_SOURCES.into()];
    let files = transaction.query_all_raw(store.statement(WITH_SOURCE, values));
    let failure = Failure::source_lost(sha256);
    for file in &files.await.map_err(store_error)? {
        let file = file_in(file)?;
        changed.loss.sources += 1;
        changed.last = Some(file);
        let Some(mut file_rows) = store.file_rows(transaction, file).await? else {
            continue;
        };
        // It may have got other bytes meanwhile.
        if file_rows.source() == sha256 {
            file_rows.source_lost(&failure, finder);
            write(store, transaction, &file_rows, changed).await?;
        }
    }
    Ok(())
}

async fn remove_assets(
    store: &Store,
    transaction: &Transaction,
    file: CadFileId,
    sha256: ContentHash,
) -> Result<Vec<MediaAssetId>, StoreError> {
    let sql = "DELETE FROM media_asset WHERE cad_file_id = $1 AND sha256 = $2 RETURNING id";
    let values = [file.as_uuid().into(), sha256.to_string().into()];
    let removed = transaction.query_all_raw(store.statement(sql, values));
    let removed = removed.await.map_err(store_error)?;
    let id = |row| columns::get::<Uuid>(row, "id").map(MediaAssetId::from_uuid);
    removed.iter().map(id).collect()
}

async fn write(
    store: &Store,
    transaction: &Transaction,
    file_rows: &FileRows<'_>,
    changed: &mut Changed,
) -> Result<(), StoreError> {
    for statement in store.changes_of(file_rows, changed.events) {
        let written = transaction.execute_raw(statement).await;
        written.map_err(store_error)?;
    }
    changed.events += file_rows.events().len();
    changed.is_queued |= file_rows
        .changes()
        .any(|(_, row)| row.state == RowState::Queued);
    Ok(())
}

fn file_in(row: &QueryResult) -> Result<CadFileId, StoreError> {
    columns::get(row, "cad_file_id").map(CadFileId::from_uuid)
}

impl Store {
    /// The statements that write what changed in a book, whose first event has this place in the
    /// transaction.
    fn changes_of(&self, file_rows: &FileRows<'_>, first_event: usize) -> Vec<Statement> {
        let changes: Vec<_> = file_rows.changes().collect();
        let rows = (!changes.is_empty()).then(|| self.upsert(file_rows.file(), &changes));
        let events = self.events_from(file_rows, first_event);
        rows.into_iter().chain(events).collect()
    }

    /// These bytes were stored: files that had lost them as their source are read again; how many
    /// those are. They are locked together with `also`, in the order of their ids.
    pub(crate) async fn source_found(
        &self,
        transaction: &Transaction,
        sha256: ContentHash,
        also: Option<CadFileId>,
    ) -> Result<u64, StoreError> {
        let statement = self.statement(WITHOUT_SOURCE, [sha256.to_string().into()]);
        let files = transaction.query_all_raw(statement).await;
        let files = files.map_err(store_error)?;
        let files = files
            .iter()
            .map(file_in)
            .collect::<Result<BTreeSet<_>, _>>()?;
        if files.is_empty() {
            return Ok(0);
        }
        let mut found = 0;
        let all: BTreeSet<_> = files.iter().copied().chain(also).collect();
        for file in all {
            let Some(mut file_rows) = self.file_rows(transaction, file).await? else {
                continue;
            };
            // One that is to get these bytes has others until then.
            if file_rows.source() == sha256 && file_rows.source_found() {
                found += 1;
                write(self, transaction, &file_rows, &mut Changed::default()).await?;
            }
        }
        Ok(found)
    }
}
