//! What is of SQLite or of PostgreSQL, and used in the same way.

use async_trait::async_trait;
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, ExecResult,
    IsolationLevel, QueryResult, Statement, TransactionTrait as _,
};

use crate::sqlite_writer::{SqliteTransaction, SqliteWriter};

/// One of two connections.
#[derive(Debug, Clone)]
pub(crate) enum Connection<S, P> {
    Sqlite(S),
    Postgres(P),
}

/// Where rows are written.
pub(crate) type Writer = Connection<SqliteWriter, DatabaseConnection>;
/// A transaction that may write, undone if it is dropped.
pub(crate) type Transaction = Connection<SqliteTransaction, DatabaseTransaction>;

impl Writer {
    /// Begins a transaction. That of SQLite is alone, whatever the level.
    pub(crate) async fn begin(&self, level: Option<IsolationLevel>) -> Result<Transaction, DbErr> {
        Ok(match self {
            Self::Sqlite(writer) => Connection::Sqlite(writer.begin().await?),
            Self::Postgres(pool) => {
                Connection::Postgres(pool.begin_with_config(level, None).await?)
            }
        })
    }
}

impl Transaction {
    /// Makes all that was written permanent.
    pub(crate) async fn commit(self) -> Result<(), DbErr> {
        match self {
            Self::Sqlite(transaction) => transaction.commit(None).await,
            Self::Postgres(transaction) => transaction.commit().await,
        }
    }

    /// Executes a last statement and commits.
    pub(crate) async fn commit_with(self, last: Statement) -> Result<(), DbErr> {
        match self {
            Self::Sqlite(transaction) => transaction.commit(Some(last)).await,
            Self::Postgres(transaction) => {
                transaction.execute_raw(last).await?;
                transaction.commit().await
            }
        }
    }

    /// Undoes all that was written.
    pub(crate) async fn rollback(self) -> Result<(), DbErr> {
        match self {
            Self::Sqlite(transaction) => transaction.rollback().await,
            Self::Postgres(transaction) => transaction.rollback().await,
        }
    }
}

#[async_trait]
impl<S: ConnectionTrait, P: ConnectionTrait> ConnectionTrait for Connection<S, P> {
    fn get_database_backend(&self) -> DbBackend {
        match self {
            Self::Sqlite(sqlite) => sqlite.get_database_backend(),
            Self::Postgres(postgres) => postgres.get_database_backend(),
        }
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        match self {
            Self::Sqlite(sqlite) => sqlite.execute_raw(statement).await,
            Self::Postgres(postgres) => postgres.execute_raw(statement).await,
        }
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        match self {
            Self::Sqlite(sqlite) => sqlite.execute_unprepared(sql).await,
            Self::Postgres(postgres) => postgres.execute_unprepared(sql).await,
        }
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        match self {
            Self::Sqlite(sqlite) => sqlite.query_one_raw(statement).await,
            Self::Postgres(postgres) => postgres.query_one_raw(statement).await,
        }
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        match self {
            Self::Sqlite(sqlite) => sqlite.query_all_raw(statement).await,
            Self::Postgres(postgres) => postgres.query_all_raw(statement).await,
        }
    }
}
