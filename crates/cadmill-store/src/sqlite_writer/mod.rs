//! The one connection that writes to a SQLite file.
//!
//! A statement is handed to the thread of the connection and back, which takes longer than most
//! statements do. So the connection is kept: a pool would try it each time it is returned. And a
//! transaction begins together with its first question, and ends together with its last statement.
//!
//! Each commit waits until the disk has it, which takes far longer than the statements. So
//! transactions that wait for their turn share one commit: see [`group`].

mod group;
mod turn;

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use async_trait::async_trait;
use sea_orm::{
    ConnAcquireErr, ConnectionTrait, DbBackend, DbErr, ExecResult, QueryResult, RuntimeErr,
    Statement,
    sqlx::{
        self, ConnectOptions as _, Connection as _, SqliteConnection, sqlite::SqliteConnectOptions,
        sqlite::SqliteQueryResult,
    },
};
use tokio::{
    sync::{Mutex, Notify, OwnedMutexGuard},
    time::timeout,
};

use self::{
    group::{Group, Pace},
    turn::Turn,
};
use crate::{
    damage::Damage,
    database::{BUSY, retry_while_busy},
};

/// Lets all who write take turns, which is fairer than the lock of the file. Clones share the
/// connection.
#[derive(Debug, Clone)]
pub(crate) struct SqliteWriter(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    options: SqliteConnectOptions,
    damage: Damage,
    kept: Arc<Mutex<Kept>>,
    /// How many wait for their turn.
    waiting: AtomicUsize,
    /// A group has as many members as the one before it.
    filled: Notify,
}

/// What passes from turn to turn.
#[derive(Debug)]
struct Kept {
    /// None after a turn that has left the connection in an unknown state.
    connection: Option<SqliteConnection>,
    /// Transactions that are done and wait for their commit, which SQLite takes for one.
    group: Option<Group>,
    /// Whether a turn was dropped in the middle of its transaction.
    is_left_open: bool,
    pace: Pace,
}

impl SqliteWriter {
    /// Opens the file.
    pub(crate) async fn open(
        options: SqliteConnectOptions,
        damage: Damage,
    ) -> Result<Self, sqlx::Error> {
        let connection = retry_while_busy(|| options.connect()).await?;
        let kept = Kept {
            connection: Some(connection),
            group: None,
            is_left_open: false,
            pace: Pace::default(),
        };
        Ok(Self(Arc::new(Shared {
            options,
            damage,
            kept: Arc::new(Mutex::new(kept)),
            waiting: AtomicUsize::new(0),
            filled: Notify::new(),
        })))
    }

    pub(crate) async fn begin(&self) -> Result<SqliteTransaction, DbErr> {
        let turn = self.turn().await?;
        Ok(SqliteTransaction(Mutex::new(turn)))
    }

    /// Closes the connection after all turns that were asked for.
    pub(crate) async fn close(&self) -> Result<(), DbErr> {
        let mut kept = self.0.lock().await;
        kept.undo_what_was_left().await;
        while kept.group.is_some() {
            // Its task commits it.
            drop(kept);
            tokio::task::yield_now().await;
            kept = self.0.lock().await;
        }
        match kept.connection.take() {
            Some(connection) => connection
                .close()
                .await
                .map_err(|error| DbErr::Conn(of_sqlx(error))),
            None => Ok(()),
        }
    }

    async fn turn(&self) -> Result<Turn, DbErr> {
        let waiting = Waiting::new(&self.0.waiting);
        let kept = timeout(BUSY, self.0.lock()).await;
        let mut kept = kept.map_err(|_| DbErr::ConnectionAcquire(ConnAcquireErr::Timeout))?;
        drop(waiting);
        kept.undo_what_was_left().await;
        if kept.connection.is_none() {
            let connected = retry_while_busy(|| self.0.options.connect()).await;
            kept.connection = Some(connected.map_err(|error| DbErr::Conn(of_sqlx(error)))?);
        }
        Ok(Turn::new(Arc::clone(&self.0), kept))
    }

    async fn single(
        &self,
        statement: &Statement,
    ) -> Result<(SqliteQueryResult, Vec<QueryResult>), DbErr> {
        let answer = self.turn().await?.single(statement).await;
        self.0.damage.note(answer)
    }
}

impl Shared {
    async fn lock(&self) -> OwnedMutexGuard<Kept> {
        Arc::clone(&self.kept).lock_owned().await
    }
}

#[async_trait]
impl ConnectionTrait for SqliteWriter {
    fn get_database_backend(&self) -> DbBackend {
        DbBackend::Sqlite
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        let (done, _) = self.single(&statement).await?;
        Ok(done.into())
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        let transaction = self.begin().await?;
        let done = transaction.execute_unprepared(sql).await?;
        transaction.commit(Vec::new()).await?;
        Ok(done)
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        let (_, rows) = self.single(&statement).await?;
        Ok(rows.into_iter().next())
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        let (_, rows) = self.single(&statement).await?;
        Ok(rows)
    }
}

/// A transaction, undone if it is dropped.
#[derive(Debug)]
pub(crate) struct SqliteTransaction(Mutex<Turn>);

impl SqliteTransaction {
    /// Commits after a few `last` statements, and together with them; what they answer. When this
    /// returns, the disk has what was written.
    pub(crate) async fn commit(self, last: Vec<Statement>) -> Result<Vec<QueryResult>, DbErr> {
        let turn = self.0.into_inner();
        let damage = turn.damage().clone();
        damage.note(turn.commit(last).await)
    }

    async fn run(
        &self,
        statement: Statement,
    ) -> Result<(SqliteQueryResult, Vec<QueryResult>), DbErr> {
        let mut turn = self.0.lock().await;
        let answer = turn.run(statement).await;
        turn.damage().note(answer)
    }

    /// Undoes what was done.
    pub(crate) async fn rollback(self) -> Result<(), DbErr> {
        self.0.into_inner().rollback().await
    }
}

#[async_trait]
impl ConnectionTrait for SqliteTransaction {
    fn get_database_backend(&self) -> DbBackend {
        DbBackend::Sqlite
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        let (done, _) = self.run(statement).await?;
        Ok(done.into())
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        let statement = Statement::from_string(DbBackend::Sqlite, sql);
        self.execute_raw(statement).await
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        let (_, rows) = self.run(statement).await?;
        Ok(rows.into_iter().next())
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        let (_, rows) = self.run(statement).await?;
        Ok(rows)
    }
}

/// Counts one who waits, until it is dropped.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn of_sqlx(error: sqlx::Error) -> RuntimeErr {
    RuntimeErr::SqlxError(error.into())
}

#[cfg(test)]
mod tests;
