//! The book of a file, read and written in one transaction.

use std::{fmt::Write as _, sync::LazyLock};

use cadmill_domain::{Book, CadFileId, Row, RowState, StoreError, Subject, TaskKind};
use sea_orm::{ConnectionTrait, QueryResult, Statement, Value};

use super::columns::{self, COLUMNS, understood};
use crate::{Store, connection::Transaction, error::store_error};

/// How the asset of a row is updated.
const ASSET: &str = "asset_id = COALESCE((SELECT a.id FROM media_asset a \
     WHERE a.cad_file_id = excluded.cad_file_id AND a.kind = excluded.kind \
     AND a.input = excluded.ready_input), excluded.asset_id)";

/// The question for a file and its rows.
static BOOK: LazyLock<String> = LazyLock::new(|| {
    let columns = COLUMNS.map(|column| format!("l.{column}")).join(", ");
    format!(
        "SELECT f.source_sha256, f.materials_fingerprint, {columns} FROM cad_file f \
         LEFT JOIN ledger l ON l.cad_file_id = f.id WHERE f.id = $1"
    )
});

/// What stands before and after the rows in the statement that writes them.
static UPSERT: LazyLock<(String, String)> = LazyLock::new(|| {
    let key = 2;
    let updates = COLUMNS[key..].iter();
    let updates: Vec<_> = updates
        .map(|column| match *column {
            "asset_id" => ASSET.to_owned(),
            column => format!("{column} = excluded.{column}"),
        })
        .collect();
    let (columns, updates) = (COLUMNS.join(", "), updates.join(", "));
    (
        format!("INSERT INTO ledger ({columns}) VALUES "),
        format!(") ON CONFLICT (cad_file_id, kind) DO UPDATE SET {updates}"),
    )
});

impl Store {
    /// Lets `work` run on the book of a file in a transaction of its own, and writes what changed.
    /// None if there is no such file.
    pub(crate) async fn in_book<T: Send>(
        &self,
        file: CadFileId,
        work: impl FnOnce(&mut Book<'_>) -> T + Send,
    ) -> Result<Option<T>, StoreError> {
        let transaction = self.begin().await.map_err(store_error)?;
        let Some(mut book) = self.book(&transaction, file).await? else {
            transaction.rollback().await.map_err(store_error)?;
            return Ok(None);
        };
        let done = work(&mut book);
        self.close(transaction, &book).await?;
        Ok(Some(done))
    }

    /// The book of a file; the file and its rows are locked until the transaction ends.
    pub(crate) async fn book(
        &self,
        transaction: &Transaction,
        file: CadFileId,
    ) -> Result<Option<Book<'_>>, StoreError> {
        let lock = self.dialect().lock_file;
        if lock.is_empty() {
            return self.look_up_book(transaction, file).await;
        }
        let Some(subject) = self.subject(transaction, file, lock).await? else {
            return Ok(None);
        };
        let rows = self.rows_for_update(transaction, file).await?;
        let now = self.clock.now();
        Ok(Some(Book::open(&self.making, subject, rows, now)))
    }

    /// The book of a file, only to look into.
    pub(crate) async fn read_book(&self, file: CadFileId) -> Result<Option<Book<'_>>, StoreError> {
        self.look_up_book(self.reading(), file).await
    }

    /// The book of a file as it is now, in one question to the database.
    async fn look_up_book(
        &self,
        connection: &impl ConnectionTrait,
        file: CadFileId,
    ) -> Result<Option<Book<'_>>, StoreError> {
        let statement = self.statement(&BOOK, [file.as_uuid().into()]);
        let answers = connection.query_all_raw(statement).await;
        let answers = answers.map_err(store_error)?;
        let Some(first) = answers.first() else {
            return Ok(None);
        };
        let subject = subject(file, first)?;
        let mut rows = Vec::with_capacity(answers.len());
        for answer in &answers {
            // A file of which nothing was asked yet has no row.
            if columns::get::<Option<String>>(answer, "kind")?.is_some() {
                rows.push(columns::row(answer)?);
            }
        }
        let now = self.clock.now();
        Ok(Some(Book::open(&self.making, subject, rows, now)))
    }

    /// Writes what changed, commits, and wakes workers if there is work.
    pub(crate) async fn close(
        &self,
        transaction: Transaction,
        book: &Book<'_>,
    ) -> Result<(), StoreError> {
        let closed = self.close_with(transaction, book, None).await;
        closed.map(drop)
    }

    /// The same, after another statement; what that answers.
    pub(crate) async fn close_with(
        &self,
        transaction: Transaction,
        book: &Book<'_>,
        first: Option<Statement>,
    ) -> Result<Vec<QueryResult>, StoreError> {
        let changes: Vec<_> = book.changes().collect();
        let upsert = (!changes.is_empty()).then(|| self.upsert(book.file(), &changes));
        let last = first.into_iter().chain(upsert).collect();
        let rows = transaction.commit_with(last).await.map_err(store_error)?;
        if changes.iter().any(|(_, row)| row.state == RowState::Queued) {
            self.bell.ring().await;
        }
        Ok(rows)
    }

    pub(crate) async fn rows_for_update(
        &self,
        transaction: &Transaction,
        file: CadFileId,
    ) -> Result<Vec<(TaskKind, Row)>, StoreError> {
        let lock = self.dialect().lock_rows;
        self.rows_of(transaction, file, lock).await
    }

    pub(crate) async fn rows_of(
        &self,
        connection: &impl ConnectionTrait,
        file: CadFileId,
        lock: &str,
    ) -> Result<Vec<(TaskKind, Row)>, StoreError> {
        let columns = COLUMNS.join(", ");
        let sql = format!("SELECT {columns} FROM ledger WHERE cad_file_id = $1 {lock}");
        let statement = self.statement(&sql, [file.as_uuid().into()]);
        let rows = connection.query_all_raw(statement).await;
        rows.map_err(store_error)?
            .iter()
            .map(columns::row)
            .collect()
    }

    async fn subject(
        &self,
        connection: &impl ConnectionTrait,
        id: CadFileId,
        lock: &str,
    ) -> Result<Option<Subject>, StoreError> {
        let sql = format!(
            "SELECT source_sha256, materials_fingerprint FROM cad_file WHERE id = $1 {lock}"
        );
        let statement = self.statement(&sql, [id.as_uuid().into()]);
        let row = connection.query_one_raw(statement).await;
        let Some(row) = row.map_err(store_error)? else {
            return Ok(None);
        };
        subject(id, &row).map(Some)
    }

    /// One statement that writes all these rows. A row that was there gets the asset of the input
    /// that is ready, if there is one: it may have got its id when it was first made.
    fn upsert(&self, file: CadFileId, rows: &[(TaskKind, &Row)]) -> Statement {
        let width = COLUMNS.len();
        let mut sql = UPSERT.0.clone();
        for row in 0..rows.len() {
            sql.push_str(if row == 0 { "(" } else { "), (" });
            for place in 1..=width {
                let comma = if place == 1 { "" } else { ", " };
                // Writing into a `String` cannot fail.
                let _ = write!(sql, "{comma}${}", row * width + place);
            }
        }
        sql.push_str(&UPSERT.1);
        let rows = rows.iter();
        let values = rows.flat_map(|(kind, row)| columns::values(file, *kind, row));
        let values: Vec<Value> = values.collect();
        Statement::from_sql_and_values(self.dialect().backend, sql, values)
    }
}

/// What inputs depend on, in an answer that has the two hashes.
fn subject(id: CadFileId, answer: &QueryResult) -> Result<Subject, StoreError> {
    let hash = |column| understood(columns::get::<String>(answer, column)?.parse());
    Ok(Subject {
        id,
        source: hash("source_sha256")?,
        materials: hash("materials_fingerprint")?,
    })
}
