//! The one connection that writes to a SQLite file.
//!
//! A statement is handed to the thread of the connection and back, which takes longer than most
//! statements do. So the connection is kept: a pool would try it each time it is returned. And a
//! transaction begins together with its first question, and ends together with its last statement.

use std::sync::Arc;

use async_trait::async_trait;
use sea_orm::{
    ConnAcquireErr, ConnectionTrait, DbBackend, DbErr, ExecResult, QueryResult, RuntimeErr,
    Statement,
    sea_query::Values,
    sqlx::{
        self, AssertSqlSafe, ConnectOptions as _, Sqlite, SqliteConnection, query::Query,
        sqlite::SqliteConnectOptions,
    },
};
use sea_query_sqlx::SqlxValues;
use tokio::{
    sync::{Mutex, OwnedMutexGuard},
    time::timeout,
};

use crate::database::{BUSY, patiently};

/// Takes the one lock at once, since that of a reader could not be raised.
const BEGIN: &str = "BEGIN IMMEDIATE";
const COMMIT: &str = "COMMIT";

/// Lets all who write take turns, which is fairer than the lock of the file. Clones share the
/// connection.
#[derive(Debug, Clone)]
pub(crate) struct SqliteWriter {
    options: Arc<SqliteConnectOptions>,
    kept: Arc<Mutex<Kept>>,
}

/// None after a turn that has left the connection in an unknown state.
type Kept = Option<SqliteConnection>;

impl SqliteWriter {
    /// Opens the file.
    pub(crate) async fn open(options: SqliteConnectOptions) -> Result<Self, sqlx::Error> {
        let connection = patiently(|| options.connect()).await?;
        Ok(Self {
            options: Arc::new(options),
            kept: Arc::new(Mutex::new(Some(connection))),
        })
    }

    pub(crate) async fn begin(&self) -> Result<SqliteTransaction, DbErr> {
        let turn = self.turn().await?;
        Ok(SqliteTransaction(Mutex::new(turn)))
    }

    async fn turn(&self) -> Result<Turn, DbErr> {
        let kept = timeout(BUSY, self.kept.clone().lock_owned()).await;
        let mut kept = kept.map_err(|_| DbErr::ConnectionAcquire(ConnAcquireErr::Timeout))?;
        if kept.is_none() {
            let connected = patiently(|| self.options.connect()).await;
            *kept = Some(connected.map_err(|error| DbErr::Conn(of_sqlx(error)))?);
        }
        Ok(Turn {
            kept,
            is_open: false,
        })
    }
}

#[async_trait]
impl ConnectionTrait for SqliteWriter {
    fn get_database_backend(&self) -> DbBackend {
        DbBackend::Sqlite
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        self.turn().await?.execute(&statement).await
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        self.turn().await?.execute_text(sql).await
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        self.turn().await?.query_one(&statement).await
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        self.turn().await?.query_all(&statement).await
    }
}

/// A transaction, undone if it is dropped.
#[derive(Debug)]
pub(crate) struct SqliteTransaction(Mutex<Turn>);

impl SqliteTransaction {
    /// Commits after a few `last` statements, and together with them; what they answer.
    pub(crate) async fn commit(self, last: Vec<Statement>) -> Result<Vec<QueryResult>, DbErr> {
        let mut turn = self.0.into_inner();
        if last.is_empty() && !turn.is_open {
            return Ok(Vec::new());
        }
        let script = turn.opening(script(last));
        let rows = turn.query_all(&script).await?;
        turn.is_open = false;
        Ok(rows)
    }

    /// Undoes what was done.
    pub(crate) async fn rollback(self) -> Result<(), DbErr> {
        let mut turn = self.0.into_inner();
        if turn.is_open {
            turn.execute_text("ROLLBACK").await?;
            turn.is_open = false;
        }
        Ok(())
    }
}

#[async_trait]
impl ConnectionTrait for SqliteTransaction {
    fn get_database_backend(&self) -> DbBackend {
        DbBackend::Sqlite
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        let mut turn = self.0.lock().await;
        turn.open().await?;
        turn.execute(&statement).await
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        let mut turn = self.0.lock().await;
        turn.open().await?;
        turn.execute_text(sql).await
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        let mut turn = self.0.lock().await;
        let statement = turn.opening(statement);
        turn.query_one(&statement).await
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        let mut turn = self.0.lock().await;
        let statement = turn.opening(statement);
        turn.query_all(&statement).await
    }
}

/// The connection, for as long as nobody else may write.
#[derive(Debug)]
struct Turn {
    kept: OwnedMutexGuard<Kept>,
    /// Whether a transaction has begun and not ended.
    is_open: bool,
}

impl Turn {
    /// Begins a transaction. How many rows the first statement writes would be told wrongly if it
    /// came along, as SQLite still tells how many the one before did.
    async fn open(&mut self) -> Result<(), DbErr> {
        if !self.is_open {
            self.is_open = true;
            self.execute_text(BEGIN).await?;
        }
        Ok(())
    }

    /// The question; the first begins the transaction.
    fn opening(&mut self, mut question: Statement) -> Statement {
        if !self.is_open {
            self.is_open = true;
            question.sql = format!("{BEGIN}; {}", question.sql);
        }
        question
    }

    async fn execute(&mut self, statement: &Statement) -> Result<ExecResult, DbErr> {
        let connection = self.connection()?;
        let done = query(statement).execute(connection).await;
        self.checked(done).map(Into::into).map_err(DbErr::Exec)
    }

    async fn execute_text(&mut self, sql: &str) -> Result<ExecResult, DbErr> {
        let connection = self.connection()?;
        let done = sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await;
        self.checked(done).map(Into::into).map_err(DbErr::Exec)
    }

    async fn query_one(&mut self, statement: &Statement) -> Result<Option<QueryResult>, DbErr> {
        let connection = self.connection()?;
        let row = query(statement).fetch_optional(connection).await;
        let row = self.checked(row).map_err(DbErr::Query)?;
        Ok(row.map(Into::into))
    }

    async fn query_all(&mut self, statement: &Statement) -> Result<Vec<QueryResult>, DbErr> {
        let connection = self.connection()?;
        let rows = query(statement).fetch_all(connection).await;
        let rows = self.checked(rows).map_err(DbErr::Query)?;
        Ok(rows.into_iter().map(Into::into).collect())
    }

    fn connection(&mut self) -> Result<&mut SqliteConnection, DbErr> {
        let connection = self.kept.as_mut();
        connection.ok_or(DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed))
    }

    /// A connection that fails otherwise than by what SQLite answers is not kept.
    fn checked<T>(&mut self, answer: Result<T, sqlx::Error>) -> Result<T, RuntimeErr> {
        answer.map_err(|error| {
            if !matches!(error, sqlx::Error::Database(_)) {
                *self.kept = None;
            }
            of_sqlx(error)
        })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if self.is_open {
            // Closing the connection undoes what is not committed.
            *self.kept = None;
        }
    }
}

/// These statements and `COMMIT` in one.
fn script(statements: Vec<Statement>) -> Statement {
    let mut sql = String::new();
    let mut all = Vec::new();
    for statement in statements {
        // The places of the values, `$1` and so on, are counted through.
        let mut parts = statement.sql.split('$');
        sql.extend(parts.next());
        for part in parts {
            let end = part.find(|letter: char| !letter.is_ascii_digit());
            let (number, rest) = part.split_at(end.unwrap_or(part.len()));
            let number = number.parse().unwrap_or(0) + all.len();
            sql.extend(["$", &number.to_string(), rest]);
        }
        sql.push_str("; ");
        all.extend(statement.values.into_iter().flatten());
    }
    sql.push_str(COMMIT);
    Statement::from_sql_and_values(DbBackend::Sqlite, sql, all)
}

fn query(statement: &Statement) -> Query<'_, Sqlite, SqlxValues> {
    let values = statement.values.clone();
    let values = SqlxValues(values.unwrap_or(Values(Vec::new())));
    sqlx::query_with(AssertSqlSafe(statement.sql.as_str()), values)
}

fn of_sqlx(error: sqlx::Error) -> RuntimeErr {
    RuntimeErr::SqlxError(error.into())
}
