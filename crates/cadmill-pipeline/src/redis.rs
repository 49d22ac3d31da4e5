//! Notifies the workers of all processes through Redis.

use async_trait::async_trait;
use cadmill_domain::WorkNotifier;
use cadmill_lock::{
    LockError,
    redis::{RedisWorkNotifier, Waiter},
};
use tokio::sync::Mutex;
use tracing::warn;

/// The [`WorkNotifier`] over Redis pub/sub.
///
/// A notification that arrives between two calls of `wait` ends the second one at once.
#[derive(Debug)]
pub struct RedisNotifier {
    notifier: RedisWorkNotifier,
    waiter: Mutex<Waiter>,
}

impl RedisNotifier {
    /// The channel on which the processes of a Cadmill deployment notify each other.
    pub const DEFAULT_CHANNEL: &str = "cadmill:work";

    /// Connects to the Redis at `url` and subscribes to `channel`.
    ///
    /// # Errors
    /// As for [`RedisWorkNotifier::connect`].
    pub async fn connect(url: &str, channel: &str) -> Result<Self, LockError> {
        let notifier = RedisWorkNotifier::connect(url, channel).await?;
        let waiter = Mutex::new(notifier.waiter());
        Ok(Self { notifier, waiter })
    }
}

#[async_trait]
impl WorkNotifier for RedisNotifier {
    async fn notify(&self) {
        if let Err(error) = self.notifier.notify().await {
            let error: &dyn std::error::Error = &error;
            warn!(error, "workers not notified, they poll for work instead");
        }
    }

    async fn wait(&self) {
        self.waiter.lock().await.wait().await;
    }
}
