//! Questions to the database, none of which waits for ever, and some of which are asked again.

use std::time::Duration;

use cadmill_domain::StoreError;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::backoff;

/// The database did not answer in time.
#[derive(Debug, thiserror::Error)]
#[error("there was no answer within {0:?}")]
struct NoAnswer(Duration);

/// Waits for an answer of the database for so long at most.
pub(crate) async fn within<T>(
    limit: Duration,
    answer: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    let waited = timeout(limit, answer).await;
    waited.unwrap_or_else(|_| Err(StoreError::Unavailable(NoAnswer(limit).into())))
}

/// Asks the database again while it is away or its disk is full: neither costs what was made, nor
/// looks like a crash. Gives up when `stop` is cancelled.
pub(crate) async fn retry_while_unavailable<T, F>(
    limit: Duration,
    stop: &CancellationToken,
    ask: impl Fn() -> F,
) -> Result<T, StoreError>
where
    F: Future<Output = Result<T, StoreError>>,
{
    let may_pass =
        |error: &StoreError| matches!(error, StoreError::Unavailable(_) | StoreError::Full(_));
    insist_while(limit, stop, may_pass, ask).await
}

/// Asks the database again after each error that `may_pass`.
pub(crate) async fn insist_while<T, F>(
    limit: Duration,
    stop: &CancellationToken,
    may_pass: impl Fn(&StoreError) -> bool,
    ask: impl Fn() -> F,
) -> Result<T, StoreError>
where
    F: Future<Output = Result<T, StoreError>>,
{
    let mut tries = 0;
    loop {
        let error = match within(limit, ask()).await {
            Err(error) if may_pass(&error) => error,
            answer => return answer,
        };
        warn!(
            error = &error as &dyn std::error::Error,
            "The database is away; it is asked again."
        );
        tokio::select! {
            biased;
            () = stop.cancelled() => return Err(error),
            () = sleep(backoff::short(tries)) => tries += 1,
        }
    }
}
