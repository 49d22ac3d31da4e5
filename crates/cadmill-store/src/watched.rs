//! Connections whose answers are waited for so long at most, and looked at.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use sea_orm::{
    ConnectionTrait, DbBackend, DbErr, ExecResult, QueryResult, RuntimeErr, Statement,
    sqlx::{self, Connection as _, PgConnection},
};
use tokio::time::{Instant, timeout};

use crate::damage::Damage;

/// How long connections are tried before they are used again, after one of them gave no answer.
const SUSPICION: Duration = Duration::from_mins(1);

/// What is common to all connections to one database. Clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Watch {
    pub(crate) damage: Damage,
    pub(crate) silence: Silence,
    /// How long an answer is waited for, if not for ever.
    pub(crate) limit: Option<Duration>,
}

impl Watch {
    /// Waits for an answer, and looks whether it shows damage.
    pub(crate) async fn answer<T>(
        &self,
        answer: impl Future<Output = Result<T, DbErr>>,
    ) -> Result<T, DbErr> {
        let mut question = self.silence.begin();
        let answer = match self.limit {
            Some(limit) => timeout(limit, answer).await,
            None => Ok(answer.await),
        };
        let Ok(answer) = answer else {
            let text = "the database did not answer in time".to_owned();
            return Err(DbErr::Conn(RuntimeErr::Internal(text)));
        };
        question.is_answered = true;
        self.damage.note(answer)
    }
}

/// When a question was last given up. Clones share it.
///
/// The pool tries each connection that it gets back, and waits for that without a limit. One to a
/// server that has vanished would be waited for until the operating system gives it up, in a quarter
/// of an hour, and its place in the pool would be taken meanwhile.
#[derive(Debug, Clone, Default)]
pub(crate) struct Silence(Arc<Mutex<Option<Instant>>>);

impl Silence {
    fn begin(&self) -> Question<'_> {
        Question {
            silence: self,
            is_answered: false,
        }
    }

    fn given_up_at(&self) -> MutexGuard<'_, Option<Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tries a connection that is given back, for so long at most, if one has lately been silent.
    pub(crate) async fn try_again(
        &self,
        connection: &mut PgConnection,
        limit: Duration,
    ) -> Result<(), sqlx::Error> {
        let is_recent = |at: Instant| at.elapsed() < SUSPICION;
        if !self.given_up_at().is_some_and(is_recent) {
            return Ok(());
        }
        let answered = timeout(limit, connection.ping()).await;
        answered.unwrap_or(Err(sqlx::Error::PoolTimedOut))
    }
}

/// A question that is given up if it is dropped before its answer is there.
struct Question<'a> {
    silence: &'a Silence,
    is_answered: bool,
}

impl Drop for Question<'_> {
    fn drop(&mut self) {
        if !self.is_answered {
            *self.silence.given_up_at() = Some(Instant::now());
        }
    }
}

/// A connection that is watched.
#[derive(Debug, Clone)]
pub(crate) struct Watched<C> {
    pub(crate) connection: C,
    pub(crate) watch: Watch,
}

impl<C> Watched<C> {
    /// The same, whose answers are waited for so long at most, if not shorter already.
    pub(crate) fn within(mut self, limit: Duration) -> Self {
        let limit = self.watch.limit.map_or(limit, |other| other.min(limit));
        self.watch.limit = Some(limit);
        self
    }

    /// The same, whose answers are waited for as long as they take.
    pub(crate) fn without_limit(mut self) -> Self {
        self.watch.limit = None;
        self
    }
}

#[async_trait]
impl<C: ConnectionTrait> ConnectionTrait for Watched<C> {
    fn get_database_backend(&self) -> DbBackend {
        self.connection.get_database_backend()
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        let answer = self.connection.execute_raw(statement);
        self.watch.answer(answer).await
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        let answer = self.connection.execute_unprepared(sql);
        self.watch.answer(answer).await
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        let answer = self.connection.query_one_raw(statement);
        self.watch.answer(answer).await
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        let answer = self.connection.query_all_raw(statement);
        self.watch.answer(answer).await
    }
}
