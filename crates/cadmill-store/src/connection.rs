//! What is of SQLite or of PostgreSQL, and used in the same way.

use async_trait::async_trait;
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, ExecResult,
    IsolationLevel, QueryResult, Statement, TransactionTrait as _,
};

use crate::{
    sqlite_writer::{SqliteTransaction, SqliteWriter},
    statements,
    watched::Watched,
};

/// One of two connections.
#[derive(Debug, Clone)]
pub(crate) enum Connection<S, P> {
    Sqlite(S),
    Postgres(P),
}

/// Where rows are written.
pub(crate) type Writer = Connection<SqliteWriter, Watched<DatabaseConnection>>;
/// A transaction that may write, undone if it is dropped.
pub(crate) type Transaction = Connection<SqliteTransaction, Watched<DatabaseTransaction>>;

impl Writer {
    /// Begins a transaction. That of SQLite is alone, whatever the level.
    pub(crate) async fn begin(&self, level: Option<IsolationLevel>) -> Result<Transaction, DbErr> {
        Ok(match self {
            Self::Sqlite(writer) => Connection::Sqlite(writer.begin().await?),
            Self::Postgres(pool) => {
                let begun = pool.connection.begin_with_config(level, None);
                Connection::Postgres(Watched {
                    connection: pool.watch.answer(begun).await?,
                    watch: pool.watch.clone(),
                })
            }
        })
    }
}

impl Transaction {
    /// Waits for its answers without a limit.
    pub(crate) fn without_limit(self) -> Self {
        match self {
            Self::Postgres(transaction) => Self::Postgres(transaction.without_limit()),
            sqlite @ Self::Sqlite(_) => sqlite,
        }
    }

    /// Makes all that was written permanent.
    pub(crate) async fn commit(self) -> Result<(), DbErr> {
        self.commit_with(Vec::new()).await.map(drop)
    }

    /// The same, after a few last statements that write different tables; what they return.
    pub(crate) async fn commit_with(self, last: Vec<Statement>) -> Result<Vec<QueryResult>, DbErr> {
        match self {
            Self::Sqlite(transaction) => transaction.commit(last).await,
            Self::Postgres(transaction) => {
                let mut rows = Vec::new();
                if let Some(statement) = statements::as_one(last) {
                    rows = transaction.query_all_raw(statement).await?;
                }
                let Watched { connection, watch } = transaction;
                watch.answer(connection.commit()).await?;
                Ok(rows)
            }
        }
    }

    /// Undoes all that was written.
    pub(crate) async fn rollback(self) -> Result<(), DbErr> {
        match self {
            Self::Sqlite(transaction) => transaction.rollback().await,
            Self::Postgres(Watched { connection, watch }) => {
                watch.answer(connection.rollback()).await
            }
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
