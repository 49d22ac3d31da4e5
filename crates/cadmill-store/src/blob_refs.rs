//! The port `BlobRefs`.
//!
//! On PostgreSQL intents and removals take turns by an advisory lock, which many intents share and a
//! removal has alone. Under it a removal reads intents first and references then: publishing turns
//! one into the other at once, so what is seen as neither is neither. In SQLite a transaction that
//! may write is alone.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use cadmill_domain::{
    BlobIntentId, ContentHash, Moment, StoreError, SweepId,
    blobs::{
        BlobCopy, BlobIntent, BlobRefs, INTENT_HOURS, KeptBlob, Removal, RemovalRow, StoredBlob,
        Unreferenced,
    },
};
use sea_orm::{
    ConnectionTrait, QueryResult, Statement, Value,
    prelude::{ChronoDateTimeUtc, Uuid},
};

use crate::{
    Store,
    connection::Transaction,
    error::store_error,
    ledger::columns::{get, understood},
};

/// How many blobs one statement is about; databases limit the values of a statement.
const BATCH: usize = 1000;

#[async_trait]
impl BlobRefs for Store {
    async fn intend(&self, sha256: ContentHash) -> Result<BlobIntent, StoreError> {
        let id = BlobIntentId::generate(&*self.clock);
        let hash: Value = sha256.to_string().into();
        let transaction = self.begin().await.map_err(store_error)?;
        if let Some(turn) = self.dialect().share_removals {
            let turn = transaction.query_one_raw(self.statement(turn, []));
            turn.await.map_err(store_error)?;
        }
        let copy = "SELECT copies FROM blob_removal WHERE sha256 = $1";
        let copy = transaction.query_one_raw(self.statement(copy, [hash.clone()]));
        let copy = copy.await.map_err(store_error)?;
        let copy = copy.as_ref().map(|row| get::<i32>(row, "copies"));
        let insert = self.statement(
            "INSERT INTO blob_intent (id, sha256, created_at) VALUES ($1, $2, $3)",
            [id.as_uuid().into(), hash, self.clock.now().into()],
        );
        let committed = transaction.commit_with(vec![insert]).await;
        committed.map_err(store_error)?;
        Ok(BlobIntent {
            id,
            sha256,
            copy: BlobCopy(copy.transpose()?.unwrap_or(0) as u32),
        })
    }

    async fn withdraw(&self, intent: BlobIntentId) -> Result<(), StoreError> {
        let sql = "DELETE FROM blob_intent WHERE id = $1";
        let delete = self.statement(sql, [intent.as_uuid().into()]);
        let deleted = self.writing().execute_raw(delete).await;
        deleted.map(drop).map_err(store_error)
    }

    async fn unreferenced(&self, blobs: Vec<ContentHash>) -> Result<Vec<Unreferenced>, StoreError> {
        let mut all = Vec::new();
        let eldest = self.eldest_intent();
        for batch in blobs.chunks(BATCH) {
            let reading = self.reading();
            let found = self.without_reference(reading, batch, eldest).await?;
            let released = self.named_in(reading, "blob_release", "sha256", &found);
            let released = released.await?;
            all.extend(found.into_iter().map(|sha256| Unreferenced {
                sha256,
                is_released: released.contains(&sha256),
            }));
        }
        Ok(all)
    }

    async fn begin_removal(
        &self,
        sweep: SweepId,
        stored: Vec<StoredBlob>,
    ) -> Result<Vec<Removal>, StoreError> {
        let mut removals = Vec::new();
        for batch in stored.chunks(BATCH) {
            removals.extend(self.begin_batch(sweep, batch).await?);
        }
        Ok(removals)
    }

    async fn take_over_removals(&self, sweep: SweepId) -> Result<Vec<Removal>, StoreError> {
        let sql = "UPDATE blob_removal SET sweep = NULL \
                   WHERE NOT is_done AND (sweep IS NULL OR sweep <> $1) \
                   RETURNING sha256, copies, sweep, is_done";
        let update = self.statement(sql, [sweep.as_uuid().into()]);
        let rows = self.writing().query_all_raw(update).await;
        let rows = rows.map_err(store_error)?;
        let rows = rows.iter().map(removal_row);
        rows.map(|row| row.map(|(sha256, row)| removal(sha256, row)))
            .collect()
    }

    async fn end_removal(&self, sweep: SweepId, removed: Vec<Removal>) -> Result<(), StoreError> {
        for batch in removed.chunks(BATCH) {
            let transaction = self.begin_removing().await?;
            let hashes: Vec<_> = batch.iter().map(|removal| removal.sha256).collect();
            let rows = self.removal_rows(&transaction, &hashes).await?;
            let mut ended = BTreeMap::new();
            for removal in batch {
                if let Some(row) = rows.get(&removal.sha256) {
                    ended.insert(removal.sha256, row.end(sweep, removal.copies));
                }
            }
            let gone = ended.iter().filter(|(_, row)| row.is_none());
            let gone: Vec<_> = gone.map(|(sha256, _)| *sha256).collect();
            let kept = ended
                .into_iter()
                .filter_map(|(hash, row)| Some((hash, row?)));
            let last = [
                self.delete_named("blob_removal", &gone),
                self.upsert_removals(kept.collect()),
            ];
            let committed = transaction.commit_with(last.into_iter().flatten().collect());
            committed.await.map_err(store_error)?;
        }
        Ok(())
    }
}

impl Store {
    /// Ends the intent of a blob in the transaction of the row that refers to it.
    pub(crate) async fn end_intent(
        &self,
        transaction: &Transaction,
        kept: KeptBlob,
    ) -> Result<(), StoreError> {
        let Some(intent) = kept.intent() else {
            return Ok(());
        };
        let sha256 = kept.blob().sha256;
        let delete = self.statement(
            "DELETE FROM blob_intent WHERE id = $1 AND sha256 = $2",
            [intent.as_uuid().into(), sha256.to_string().into()],
        );
        let deleted = transaction.execute_raw(delete).await;
        match deleted.map_err(store_error)?.rows_affected() {
            1 => Ok(()),
            _ => Err(StoreError::BlobNotKept(sha256)),
        }
    }

    /// A transaction in which no intent comes.
    async fn begin_removing(&self) -> Result<Transaction, StoreError> {
        let transaction = self.begin().await.map_err(store_error)?;
        if let Some(turn) = self.dialect().own_removals {
            let turn = transaction.query_one_raw(self.statement(turn, []));
            turn.await.map_err(store_error)?;
        }
        Ok(transaction)
    }

    async fn begin_batch(
        &self,
        sweep: SweepId,
        batch: &[StoredBlob],
    ) -> Result<Vec<Removal>, StoreError> {
        let transaction = self.begin_removing().await?;
        let eldest = self.eldest_intent();
        let sql = "DELETE FROM blob_intent WHERE created_at < $1";
        let ended = transaction.execute_raw(self.statement(sql, [eldest.into()]));
        ended.await.map_err(store_error)?;
        let hashes: Vec<_> = batch.iter().map(|stored| stored.sha256).collect();
        let found = self
            .without_reference(&transaction, &hashes, eldest)
            .await?;
        if found.is_empty() {
            transaction.commit().await.map_err(store_error)?;
            return Ok(Vec::new());
        }
        let rows = self.removal_rows(&transaction, &found).await?;
        let found: BTreeSet<_> = found.into_iter().collect();
        let begun = batch
            .iter()
            .filter(|stored| found.contains(&stored.sha256))
            .map(|stored| {
                let row = rows.get(&stored.sha256).copied();
                (stored.sha256, RemovalRow::begin(row, stored.copies, sweep))
            });
        let begun: Vec<_> = begun.collect();
        let hashes: Vec<_> = begun.iter().map(|(sha256, _)| *sha256).collect();
        let last = [
            self.delete_named("blob_release", &hashes),
            self.upsert_removals(begun.clone()),
        ];
        let committed = transaction.commit_with(last.into_iter().flatten().collect());
        committed.await.map_err(store_error)?;
        let begun = begun.into_iter();
        Ok(begun.map(|(sha256, row)| removal(sha256, row)).collect())
    }

    /// Which of these blobs have neither an intent nor a reference; intents are read first.
    async fn without_reference(
        &self,
        connection: &impl ConnectionTrait,
        blobs: &[ContentHash],
        eldest_intent: Moment,
    ) -> Result<Vec<ContentHash>, StoreError> {
        let sql = format!(
            "SELECT sha256 FROM blob_intent WHERE created_at >= $1 AND sha256 IN ({})",
            places(2, blobs.len())
        );
        let values = [eldest_intent.into()].into_iter().chain(texts(blobs));
        let mut known = self
            .hashes(connection, self.statement(&sql, values))
            .await?;
        for (table, column) in [("cad_file", "source_sha256"), ("media_asset", "sha256")] {
            known.append(&mut self.named_in(connection, table, column, blobs).await?);
        }
        let blobs = blobs.iter().copied();
        Ok(blobs.filter(|blob| !known.contains(blob)).collect())
    }

    /// Which of these blobs a table names.
    async fn named_in(
        &self,
        connection: &impl ConnectionTrait,
        table: &str,
        column: &str,
        blobs: &[ContentHash],
    ) -> Result<BTreeSet<ContentHash>, StoreError> {
        if blobs.is_empty() {
            return Ok(BTreeSet::new());
        }
        let places = places(1, blobs.len());
        let sql =
            format!("SELECT DISTINCT {column} AS sha256 FROM {table} WHERE {column} IN ({places})");
        let statement = self.statement(&sql, texts(blobs));
        self.hashes(connection, statement).await
    }

    async fn hashes(
        &self,
        connection: &impl ConnectionTrait,
        statement: Statement,
    ) -> Result<BTreeSet<ContentHash>, StoreError> {
        let rows = connection.query_all_raw(statement).await;
        let rows = rows.map_err(store_error)?;
        rows.iter().map(hash_of).collect()
    }

    async fn removal_rows(
        &self,
        connection: &impl ConnectionTrait,
        blobs: &[ContentHash],
    ) -> Result<BTreeMap<ContentHash, RemovalRow>, StoreError> {
        let places = places(1, blobs.len());
        let sql = format!(
            "SELECT sha256, copies, sweep, is_done FROM blob_removal WHERE sha256 IN ({places})"
        );
        let rows = connection.query_all_raw(self.statement(&sql, texts(blobs)));
        let rows = rows.await.map_err(store_error)?;
        rows.iter().map(removal_row).collect()
    }

    fn delete_named(&self, table: &str, blobs: &[ContentHash]) -> Option<Statement> {
        let places = places(1, blobs.len());
        let sql = format!("DELETE FROM {table} WHERE sha256 IN ({places})");
        (!blobs.is_empty()).then(|| self.statement(&sql, texts(blobs)))
    }

    fn upsert_removals(&self, rows: Vec<(ContentHash, RemovalRow)>) -> Option<Statement> {
        if rows.is_empty() {
            return None;
        }
        let places: Vec<_> = (0..rows.len())
            .map(|row| format!("({})", places(4 * row + 1, 4)))
            .collect();
        let sql = format!(
            "INSERT INTO blob_removal (sha256, copies, sweep, is_done) VALUES {} \
             ON CONFLICT (sha256) DO UPDATE SET copies = excluded.copies, \
             sweep = excluded.sweep, is_done = excluded.is_done",
            places.join(", ")
        );
        let values = rows.into_iter().flat_map(|(sha256, row)| {
            let sweep: Option<Uuid> = row.sweep.map(|sweep| sweep.as_uuid());
            let copies = row.copies as i32;
            let hash: Value = sha256.to_string().into();
            [hash, copies.into(), sweep.into(), row.is_done.into()]
        });
        Some(self.statement(&sql, values.collect::<Vec<_>>()))
    }

    /// When the eldest intent was recorded that still counts.
    fn eldest_intent(&self) -> ChronoDateTimeUtc {
        self.clock.now() - chrono::TimeDelta::hours(INTENT_HOURS)
    }
}

/// `$1, $2, …`: so many places from the first.
fn places(first: usize, count: usize) -> String {
    let places: Vec<_> = (first..first + count)
        .map(|place| format!("${place}"))
        .collect();
    places.join(", ")
}

fn texts(blobs: &[ContentHash]) -> Vec<Value> {
    blobs.iter().map(|blob| blob.to_string().into()).collect()
}

fn hash_of(row: &QueryResult) -> Result<ContentHash, StoreError> {
    understood(get::<String>(row, "sha256")?.parse())
}

fn removal_row(row: &QueryResult) -> Result<(ContentHash, RemovalRow), StoreError> {
    let sweep: Option<Uuid> = get(row, "sweep")?;
    let found = RemovalRow {
        copies: get::<i32>(row, "copies")? as u32,
        sweep: sweep.map(SweepId::from_uuid),
        is_done: get(row, "is_done")?,
    };
    Ok((hash_of(row)?, found))
}

const fn removal(sha256: ContentHash, row: RemovalRow) -> Removal {
    let copies = row.copies;
    Removal { sha256, copies }
}
