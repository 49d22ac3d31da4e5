//! The book of a file, read and written in one transaction.

use std::{fmt::Write as _, sync::LazyLock};

use cadmill_domain::{
    CadFileId, ContentHash, MediaAssetId, StoreError, TaskKind,
    cad_file::Subject,
    ledger::{Claim, FileRows, Row, RowState},
};
use sea_orm::{ConnectionTrait, QueryResult, Statement, Value, prelude::Uuid};

use super::columns::{self, COLUMNS, understood};
use crate::{
    Store, connection::Transaction, dialect::Dialect, error::store_error, file_turns::FileTurn,
};

/// The columns of the rows `l`.
static ROW: LazyLock<String> = LazyLock::new(|| COLUMNS.map(|name| format!("l.{name}")).join(", "));

/// The query for a file and its rows.
static BOOK: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT f.source_sha256, f.materials_fingerprint, {} FROM cad_file f \
         LEFT JOIN ledger l ON l.cad_file_id = f.id WHERE f.id = $1",
        *ROW
    )
});

/// The query for a file, its rows, and the asset that was made of an input of a kind.
static BOOK_OF_CLAIM: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT f.source_sha256, f.materials_fingerprint, {}, a.id AS made_id, \
         a.sha256 AS made_sha256 FROM cad_file f JOIN ledger l ON l.cad_file_id = f.id \
         LEFT JOIN media_asset a ON a.cad_file_id = f.id AND a.kind = $2 AND a.input = $3 \
         WHERE f.id = $1",
        *ROW
    )
});

/// What stands before and after the rows in the statement that writes them.
static UPSERT: LazyLock<(String, String)> = LazyLock::new(|| {
    let key = 2;
    let updates = COLUMNS[key..].iter();
    let updates: Vec<_> = updates
        .map(|column| format!("{column} = excluded.{column}"))
        .collect();
    let (columns, updates) = (COLUMNS.join(", "), updates.join(", "));
    (
        format!("INSERT INTO ledger ({columns}) VALUES "),
        format!(") ON CONFLICT (cad_file_id, kind) DO UPDATE SET {updates}"),
    )
});

/// An asset that was made before.
#[derive(Debug, Clone, Copy)]
pub(super) struct MadeBefore {
    pub(super) id: MediaAssetId,
    pub(super) sha256: ContentHash,
}

impl Store {
    /// Lets `work` run on the book of a file in a transaction of its own, and writes what changed.
    /// None if there is no such file.
    pub(crate) async fn in_book<T: Send>(
        &self,
        file: CadFileId,
        work: impl FnOnce(&mut FileRows<'_>) -> T + Send,
    ) -> Result<Option<T>, StoreError> {
        self.in_book_beside(file, |file_rows| (work(file_rows), None))
            .await
    }

    /// The same, together with another statement that writes neither rows of this file nor events.
    pub(super) async fn in_book_beside<T: Send>(
        &self,
        file: CadFileId,
        work: impl FnOnce(&mut FileRows<'_>) -> (T, Option<Statement>) + Send,
    ) -> Result<Option<T>, StoreError> {
        let _turn = self.turn(file).await?;
        let transaction = self.begin().await.map_err(store_error)?;
        let file_rows = self.file_rows(&transaction, file).await;
        self.work_in(transaction, file_rows, work).await
    }

    /// Works in the book without waiting for another transaction: if one holds a row of the file, the
    /// error is [`is_locked`](crate::error::is_locked).
    pub(crate) async fn in_book_at_once<T: Send>(
        &self,
        file: CadFileId,
        work: impl FnOnce(&mut FileRows<'_>) -> T + Send,
    ) -> Result<Option<T>, StoreError> {
        let transaction = self.begin().await.map_err(store_error)?;
        let at_once = self.dialect().at_once;
        let file_rows = self.book_locked(&transaction, file, at_once).await;
        self.work_in(transaction, file_rows, |file_rows| (work(file_rows), None))
            .await
    }

    async fn work_in<'a, T: Send>(
        &'a self,
        transaction: Transaction,
        file_rows: Result<Option<FileRows<'a>>, StoreError>,
        work: impl FnOnce(&mut FileRows<'_>) -> (T, Option<Statement>) + Send,
    ) -> Result<Option<T>, StoreError> {
        match file_rows {
            Ok(Some(mut file_rows)) => {
                let (done, beside) = work(&mut file_rows);
                self.close_with(transaction, &file_rows, beside).await?;
                Ok(Some(done))
            }
            nothing => {
                // A transaction that is dropped is undone some time later; until then the rows that
                // it has locked cannot be claimed.
                let undone = transaction.rollback().await;
                nothing?;
                undone.map_err(store_error)?;
                Ok(None)
            }
        }
    }

    /// The book of a file; the file and its rows are locked until the transaction ends.
    pub(crate) async fn file_rows(
        &self,
        transaction: &Transaction,
        file: CadFileId,
    ) -> Result<Option<FileRows<'_>>, StoreError> {
        self.book_locked(transaction, file, "").await
    }

    async fn book_locked(
        &self,
        transaction: &Transaction,
        file: CadFileId,
        how: &str,
    ) -> Result<Option<FileRows<'_>>, StoreError> {
        let lock = self.dialect().lock_file;
        if lock.is_empty() {
            return self.look_up_book(transaction, file).await;
        }
        let lock_file = format!("{lock} {how}");
        let Some(subject) = self.subject(transaction, file, &lock_file).await? else {
            return Ok(None);
        };
        let lock_rows = format!("{} {how}", self.dialect().lock_rows);
        let rows = self.rows_of(transaction, file, &lock_rows).await?;
        Ok(Some(self.open_book(subject, rows)))
    }

    /// A turn at the file of a claim, to publish: nothing is made of most media, and these change
    /// only their own rows, so many may.
    pub(super) async fn turn_of_claim(
        &self,
        claim: &Claim,
    ) -> Result<Option<FileTurn>, StoreError> {
        let file = claim.work.cad_file_id.as_uuid();
        if self.is_followed(claim.work.kind) {
            self.database.turn(file).await
        } else {
            self.database.shared_turn(file).await
        }
    }

    /// Whether something is made of the result of such work.
    fn is_followed(&self, kind: TaskKind) -> bool {
        self.plan.chained(kind).next().is_some()
    }

    /// The book of the file of a claim, locked in the same way, and the asset that was made of the
    /// input of the claim, if there is one. If nothing is made of the result, the book has no row but
    /// that of the claim; the file is kept as it is, and other rows of it may change meanwhile.
    pub(super) async fn book_of_claim(
        &self,
        transaction: &Transaction,
        claim: &Claim,
    ) -> Result<Option<(FileRows<'_>, Option<MadeBefore>)>, StoreError> {
        let file = claim.work.cad_file_id;
        let Dialect {
            lock_file,
            lock_rows,
            share_files,
            ..
        } = self.dialect();
        let is_followed = self.is_followed(claim.work.kind);
        let locked = if lock_file.is_empty() || !is_followed {
            None
        } else {
            match self.subject(transaction, file, lock_file).await? {
                None => return Ok(None),
                subject => subject,
            }
        };
        let of_its_row = if is_followed {
            String::new()
        } else {
            format!("AND l.kind = $2 {share_files}")
        };
        let sql = format!("{} {of_its_row} {lock_rows}", *BOOK_OF_CLAIM);
        let [file_id, kind] = super::key(claim.work);
        let values = [file_id, kind, claim.input.to_string().into()];
        let answers = transaction
            .query_all_raw(self.statement(&sql, values))
            .await;
        let answers = answers.map_err(store_error)?;
        let Some(first) = answers.first() else {
            return Ok(None);
        };
        let subject = locked.map_or_else(|| subject(file, first), Ok)?;
        let made = columns::get::<Option<Uuid>>(first, "made_id")?.map(|id| {
            let sha256 = hash(first, "made_sha256")?;
            let id = MediaAssetId::from_uuid(id);
            Ok::<_, StoreError>(MadeBefore { id, sha256 })
        });
        let rows = answers
            .iter()
            .map(columns::row)
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Some((self.open_book(subject, rows), made.transpose()?)))
    }

    /// The book of a file, only to look into.
    pub(crate) async fn read_book(
        &self,
        file: CadFileId,
    ) -> Result<Option<FileRows<'_>>, StoreError> {
        self.look_up_book(self.reading(), file).await
    }

    /// The book of a file as it is now, in one question to the database.
    async fn look_up_book(
        &self,
        connection: &impl ConnectionTrait,
        file: CadFileId,
    ) -> Result<Option<FileRows<'_>>, StoreError> {
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
        Ok(Some(self.open_book(subject, rows)))
    }

    fn open_book(&self, subject: Subject, rows: Vec<(TaskKind, Row)>) -> FileRows<'_> {
        FileRows::open(&self.plan, subject, rows, self.clock.now())
    }

    /// Writes what changed, commits, and wakes workers if there is work, or if what one of them does
    /// is no longer wanted.
    pub(crate) async fn close(
        &self,
        transaction: Transaction,
        file_rows: &FileRows<'_>,
    ) -> Result<(), StoreError> {
        self.close_with(transaction, file_rows, None).await
    }

    /// The same, together with other statements that write neither rows of this file nor events.
    pub(crate) async fn close_with(
        &self,
        transaction: Transaction,
        file_rows: &FileRows<'_>,
        beside: impl IntoIterator<Item = Statement> + Send,
    ) -> Result<(), StoreError> {
        let changes: Vec<_> = file_rows.changes().collect();
        let upsert = (!changes.is_empty()).then(|| self.upsert(file_rows.file(), &changes));
        let statements = beside
            .into_iter()
            .chain(upsert)
            .chain(self.events_of(file_rows));
        let statements = statements.collect();
        let committed = transaction.commit_with(statements).await;
        committed.map_err(store_error)?;
        if (changes.iter()).any(|(_, row)| row.state == RowState::Queued || row.runs_again()) {
            self.notifier.notify().await;
        }
        Ok(())
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
        let columns = &*ROW;
        let sql = format!("SELECT {columns} FROM ledger l WHERE l.cad_file_id = $1 {lock}");
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

    /// One statement that writes all these rows.
    pub(super) fn upsert(&self, file: CadFileId, rows: &[(TaskKind, &Row)]) -> Statement {
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
pub(super) fn subject(id: CadFileId, answer: &QueryResult) -> Result<Subject, StoreError> {
    Ok(Subject {
        id,
        source: hash(answer, "source_sha256")?,
        materials: hash(answer, "materials_fingerprint")?,
    })
}

fn hash(answer: &QueryResult, column: &str) -> Result<ContentHash, StoreError> {
    understood(columns::get::<String>(answer, column)?.parse())
}
