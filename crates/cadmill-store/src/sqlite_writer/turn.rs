//! One turn at the connection: a transaction, or a single statement.

use std::sync::{Arc, atomic::Ordering};

use futures_util::TryStreamExt as _;
use sea_orm::{
    ConnAcquireErr, DbBackend, DbErr, QueryResult, RuntimeErr, Statement,
    sea_query::Values,
    sqlx::{
        AssertSqlSafe, Either, Executor as _, Sqlite, SqliteConnection, error::DatabaseError,
        query::Query, query_with, sqlite::SqliteQueryResult,
    },
};
use sea_query_sqlx::SqlxValues;
use tokio::{runtime::Handle, sync::OwnedMutexGuard, time::Instant};

use super::{Kept, Shared, SqliteWriter, group::Outcome};
use crate::{
    damage::Damage,
    error::{Class, class_of_sqlx},
    statements::Numbered,
};

/// Takes the one lock at once, since that of a reader could not be raised.
const BEGIN: &str = "BEGIN IMMEDIATE";
const ROLLBACK: &str = "ROLLBACK";
const COMMIT: &str = "COMMIT";
/// What a transaction does instead that has others of its group before it.
const BEGIN_IN_GROUP: &str = "SAVEPOINT member";
const ROLLBACK_IN_GROUP: &str = "ROLLBACK TO member; RELEASE member";
const COMMIT_IN_GROUP: &str = "RELEASE member";

/// The connection, for as long as no other transaction may write.
#[derive(Debug)]
pub(super) struct Turn {
    shared: Arc<Shared>,
    kept: OwnedMutexGuard<Kept>,
    /// Whether a transaction may have begun and has not ended.
    is_open: bool,
}

impl Turn {
    pub(super) fn new(shared: Arc<Shared>, kept: OwnedMutexGuard<Kept>) -> Self {
        Self {
            shared,
            kept,
            is_open: false,
        }
    }

    pub(super) fn damage(&self) -> &Damage {
        &self.shared.damage
    }

    /// A statement of a transaction; the first begins it.
    pub(super) async fn run(
        &mut self,
        statement: Statement,
    ) -> Result<(SqliteQueryResult, Vec<QueryResult>), DbErr> {
        let statement = self.opening(statement);
        self.kept.run(&statement).await
    }

    /// A transaction of one statement.
    pub(super) async fn single(
        mut self,
        statement: &Statement,
    ) -> Result<(SqliteQueryResult, Vec<QueryResult>), DbErr> {
        if self.commits_alone() {
            let begun = Instant::now();
            let answer = self.kept.run(statement).await?;
            self.was_alone(begun);
            return Ok(answer);
        }
        // A statement that fails is undone by itself, so it needs no savepoint.
        let answer = if self.kept.group.is_some() {
            self.kept.run(statement).await?
        } else {
            self.run(statement.clone()).await?
        };
        self.committed().await?;
        Ok(answer)
    }

    /// Commits after a few `last` statements; what they answer.
    pub(super) async fn commit(mut self, last: Vec<Statement>) -> Result<Vec<QueryResult>, DbErr> {
        if last.is_empty() && !self.is_open {
            return Ok(Vec::new());
        }
        if self.commits_alone() {
            let begun = Instant::now();
            let (_, rows) = self.run(script(last, Some(COMMIT))).await?;
            self.was_alone(begun);
            self.is_open = false;
            return Ok(rows);
        }
        let release = self.kept.group.is_some().then_some(COMMIT_IN_GROUP);
        let script = script(last, release);
        let (_, rows) = if script.sql.is_empty() {
            (SqliteQueryResult::default(), Vec::new())
        } else {
            self.run(script).await?
        };
        self.committed().await?;
        Ok(rows)
    }

    /// Undoes the transaction. What it has read may come from others of its group, so it ends when
    /// they do.
    pub(super) async fn rollback(mut self) -> Result<(), DbErr> {
        if !self.is_open {
            return Ok(());
        }
        if self.kept.group.is_none() {
            self.kept.execute(ROLLBACK).await?;
            self.is_open = false;
            return Ok(());
        }
        self.kept.execute(ROLLBACK_IN_GROUP).await?;
        self.committed().await
    }

    /// Whether this transaction commits for itself: there is no other that it could commit with.
    fn commits_alone(&self) -> bool {
        self.kept.group.is_none()
            && self.shared.waiting.load(Ordering::Relaxed) == 0
            && !self.kept.pace.expects_more()
    }

    fn was_alone(&mut self, begun: Instant) {
        let waiting = self.shared.waiting.load(Ordering::Relaxed);
        self.kept.pace.was(begun.elapsed(), 1 + waiting);
    }

    /// Leaves the commit to the group, and waits for it.
    async fn committed(mut self) -> Result<(), DbErr> {
        self.is_open = false;
        let outcome: Outcome = self.kept.join(&self.shared);
        drop(self);
        outcome.wait().await
    }

    fn opening(&mut self, mut statement: Statement) -> Statement {
        if !self.is_open {
            self.is_open = true;
            let begin = match self.kept.group {
                None => BEGIN,
                Some(_) => BEGIN_IN_GROUP,
            };
            statement.sql = format!("{begin}; {}", statement.sql);
        }
        statement
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if !self.is_open {
            return;
        }
        self.kept.is_left_open = true;
        let writer = SqliteWriter(Arc::clone(&self.shared));
        match Handle::try_current() {
            // The owner of the next turn undoes what was left, so that is all there is to do.
            Ok(runtime) => drop(runtime.spawn(async move { drop(writer.turn().await) })),
            // Closing the connection undoes it, too.
            Err(_) => self.kept.connection = None,
        }
    }
}

impl Kept {
    /// Runs one or several statements: what the last did, and the rows of all.
    pub(super) async fn run(
        &mut self,
        statement: &Statement,
    ) -> Result<(SqliteQueryResult, Vec<QueryResult>), DbErr> {
        let connection = self.connection()?;
        let mut answers = connection.fetch_many(query(statement));
        let (mut done, mut rows) = (SqliteQueryResult::default(), Vec::new());
        let failed = loop {
            match answers.try_next().await {
                // SQLite reports for `BEGIN` what the statement before it did.
                Ok(Some(Either::Left(last))) => done = last,
                Ok(Some(Either::Right(row))) => rows.push(QueryResult::from(row)),
                Ok(None) => return Ok((done, rows)),
                Err(error) => break error,
            }
        };
        drop(answers);
        Err(DbErr::Query(self.failed(failed)))
    }

    pub(super) async fn execute(&mut self, sql: &str) -> Result<(), DbErr> {
        let statement = Statement::from_string(DbBackend::Sqlite, sql);
        self.run(&statement).await.map(drop)
    }

    /// Undoes a transaction whose turn was dropped, wherever that was.
    pub(super) async fn undo_what_was_left(&mut self) {
        if !self.is_left_open || self.connection.is_none() {
            self.is_left_open = false;
            return;
        }
        let undo = match self.group {
            None => ROLLBACK,
            Some(_) => ROLLBACK_IN_GROUP,
        };
        let undone = self.execute(undo).await;
        // It may not have begun yet, or its last statement may have ended it.
        if let Err(error) = undone
            && !is_nothing_to_undo(&error)
        {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "a dropped transaction was undone by closing the connection"
            );
            self.give_up(&error);
        }
        self.is_left_open = false;
    }

    fn connection(&mut self) -> Result<&mut SqliteConnection, DbErr> {
        let connection = self.connection.as_mut();
        connection.ok_or(DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed))
    }

    /// After some errors SQLite has undone all transactions of the group, and after others the state
    /// of the connection is unknown.
    fn failed(&mut self, error: sea_orm::sqlx::Error) -> RuntimeErr {
        let is_known = matches!(error, sea_orm::sqlx::Error::Database(_));
        let ends_group = self.group.is_some() && class_of_sqlx(&error) != Class::Other;
        let error = super::of_sqlx(error);
        if !is_known || ends_group {
            self.give_up(&DbErr::Exec(error.clone()));
        }
        error
    }

    /// Closes the connection, which undoes what is not committed.
    fn give_up(&mut self, error: &DbErr) {
        self.connection = None;
        if let Some(group) = self.group.take() {
            group.answer(&Err(error.clone()));
        }
    }
}

/// Whether SQLite says that there is no transaction, or no savepoint.
fn is_nothing_to_undo(error: &DbErr) -> bool {
    let DbErr::Query(RuntimeErr::SqlxError(error)) = error else {
        return false;
    };
    let code = error.as_database_error().and_then(DatabaseError::code);
    code.is_some_and(|code| code == "1")
}

/// These statements and `end` in one.
fn script(statements: Vec<Statement>, end: Option<&str>) -> Statement {
    let Numbered { mut texts, values } = Numbered::new(statements);
    texts.extend(end.map(str::to_owned));
    Statement::from_sql_and_values(DbBackend::Sqlite, texts.join("; "), values)
}

fn query(statement: &Statement) -> Query<'_, Sqlite, SqlxValues> {
    let values = statement.values.clone();
    let values = SqlxValues(values.unwrap_or(Values(Vec::new())));
    query_with(AssertSqlSafe(statement.sql.as_str()), values)
}
