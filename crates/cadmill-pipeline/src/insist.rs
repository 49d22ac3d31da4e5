//! What has to reach the database: a claim that is not closed is taken for that of a dead worker.

use cadmill_domain::StoreError;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::backoff;

/// Tries again and again while the database is away for a moment, until it is `hopeless`.
pub(crate) async fn insist<T, Fut>(
    what: &str,
    hopeless: &CancellationToken,
    mut attempt: impl FnMut() -> Fut,
) -> Result<T, StoreError>
where
    Fut: Future<Output = Result<T, StoreError>>,
{
    let mut tries = 0;
    loop {
        let error = match attempt().await {
            Err(error @ StoreError::Unavailable(_)) => error,
            ended => return ended,
        };
        warn!(
            error = &error as &dyn std::error::Error,
            "{what} is tried again."
        );
        tokio::select! {
            () = hopeless.cancelled() => return Err(error),
            () = tokio::time::sleep(backoff::short(tries)) => tries += 1,
        }
    }
}
