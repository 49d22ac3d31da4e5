//! Work that is done while its key is held, and by one worker at a time.

use std::{
    panic::{AssertUnwindSafe, resume_unwind},
    pin::pin,
    sync::Arc,
    time::Duration,
};

use futures_util::FutureExt as _;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::{DedupLock, Held, Holder, LockError, LockKey, Renewal};

/// What became of work that only one may do at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "the work may not have been done"]
pub enum Exclusive<T> {
    /// It was done, and no other worker was known to have the key when it ended.
    Ran(T),
    /// Someone else has the key; who, if that could be found out.
    Skipped(Option<Holder>),
    /// Another worker got the key on the way, and the work was cancelled.
    Lost,
}

/// Runs `body` while the key is held, or not at all if someone else holds it.
///
/// The lease is renewed every third of `ttl`. If the store loses it, or cannot be reached for so long
/// that it runs out, the body goes on and the key is taken again. Only if another worker has the key
/// by then, and keeps it, is the token cancelled that the body was given; the body then has one more
/// `ttl` to wind up before it is dropped. The key is released when the body ends, also by a panic
/// (which goes on to the caller after that), and when the returned future is dropped.
///
/// # Errors
/// The store gave no answer; `body` did not run.
pub async fn run_exclusive<T, Fut>(
    lock: &Arc<dyn DedupLock>,
    key: &LockKey,
    ttl: Duration,
    body: impl FnOnce(CancellationToken) -> Fut,
) -> Result<Exclusive<T>, LockError>
where
    Fut: Future<Output = T>,
{
    run_exclusive_while(lock, key, ttl, &Renewal::default(), body).await
}

/// The same, but the lease is renewed only as long as `renewal` allows it.
///
/// # Errors
/// The store gave no answer; `body` did not run.
pub async fn run_exclusive_while<T, Fut>(
    lock: &Arc<dyn DedupLock>,
    key: &LockKey,
    ttl: Duration,
    renewal: &Renewal,
    body: impl FnOnce(CancellationToken) -> Fut,
) -> Result<Exclusive<T>, LockError>
where
    Fut: Future<Output = T>,
{
    let Some(held) = Held::try_acquire_while(lock, key, ttl, renewal).await? else {
        // Its holder may have released it by now, and a store that fails only now does not
        // change that the work was skipped.
        return Ok(Exclusive::Skipped(lock.holder(key).await.ok().flatten()));
    };
    let lost = held.lost().clone();
    let body = async { body(lost.child_token()).await };
    let mut body = pin!(AssertUnwindSafe(body).catch_unwind());
    let ended = tokio::select! {
        ended = &mut body => Some(ended),
        () = lost.cancelled() => timeout(ttl, &mut body).await.ok(),
    };
    // The body may have ended just because it was told of the loss.
    let is_lost = lost.is_cancelled();
    match ended {
        Some(Err(panic)) => {
            held.release().await;
            resume_unwind(panic)
        }
        Some(Ok(result)) if !is_lost => {
            held.release().await;
            Ok(Exclusive::Ran(result))
        }
        Some(Ok(_)) | None => Ok(Exclusive::Lost),
    }
}
