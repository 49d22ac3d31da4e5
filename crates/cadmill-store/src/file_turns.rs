//! Turns at one file within this process.
//!
//! PostgreSQL lets one transaction at a time change a file. Those that wait for it would each hold a
//! connection, and ten clicks on a file that a frozen process has locked would hold all of them. So
//! they wait here, and one of them in the database.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, Weak},
    time::Duration,
};

use sea_orm::prelude::Uuid;
use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};

/// The turns of all files. Clones share them.
#[derive(Debug, Clone, Default)]
pub(crate) struct FileTurns(Arc<std::sync::Mutex<HashMap<Uuid, Weak<RwLock<()>>>>>);

/// The right to wait for a file in the database.
#[derive(Debug)]
pub(crate) enum FileTurn {
    /// Alone.
    Alone { _guard: OwnedRwLockWriteGuard<()> },
    /// With others that share it.
    Shared { _guard: OwnedRwLockReadGuard<()> },
}

/// The turn did not come in time.
#[derive(Debug, thiserror::Error)]
#[error("others have waited for this file since {0:?} or longer")]
pub(crate) struct TurnTimedOut(Duration);

impl FileTurns {
    /// Waits for up to `limit`; without end if that is zero.
    pub(crate) async fn take(&self, file: Uuid, limit: Duration) -> Result<FileTurn, TurnTimedOut> {
        let turn = self.of(file).write_owned();
        let guard = within(limit, turn).await?;
        Ok(FileTurn::Alone { _guard: guard })
    }

    /// The same, for a turn that others may share.
    pub(crate) async fn share(
        &self,
        file: Uuid,
        limit: Duration,
    ) -> Result<FileTurn, TurnTimedOut> {
        let turn = self.of(file).read_owned();
        let guard = within(limit, turn).await?;
        Ok(FileTurn::Shared { _guard: guard })
    }

    fn of(&self, file: Uuid) -> Arc<RwLock<()>> {
        let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(turn) = turns.get(&file).and_then(Weak::upgrade) {
            return turn;
        }
        // Few files are changed at the same moment, so looking at all that were is cheap.
        turns.retain(|_, turn| turn.strong_count() > 0);
        let turn = Arc::new(RwLock::new(()));
        turns.insert(file, Arc::downgrade(&turn));
        turn
    }
}

async fn within<T>(limit: Duration, turn: impl Future<Output = T>) -> Result<T, TurnTimedOut> {
    if limit.is_zero() {
        return Ok(turn.await);
    }
    let turn = tokio::time::timeout(limit, turn).await;
    turn.map_err(|_| TurnTimedOut(limit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_at_a_time_and_none_waits_for_ever() {
        let (turns, limit) = (FileTurns::default(), Duration::from_secs(5));
        let (one, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let turn = turns.take(one, limit).await.unwrap();
        assert!(turns.take(one, limit).await.is_err());
        assert!(turns.take(other, limit).await.is_ok());
        drop(turn);
        let shared = turns.share(one, limit).await.unwrap();
        assert!(turns.share(one, limit).await.is_ok());
        assert!(turns.take(one, limit).await.is_err());
        drop(shared);
        assert!(turns.take(one, limit).await.is_ok());
    }

    #[tokio::test]
    async fn nothing_is_kept_of_files_that_were_changed() {
        let turns = FileTurns::default();
        for file in 0..100 {
            drop(turns.take(Uuid::from_u128(file), Duration::ZERO).await);
        }
        assert!(turns.0.lock().unwrap().len() <= 1);
    }
}
