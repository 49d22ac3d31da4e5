//! Notifications of new work.

use std::fmt;

use async_trait::async_trait;

/// Wakes workers when there is work. A notification may be lost, so workers also poll.
#[async_trait]
pub trait WorkNotifier: Send + Sync + fmt::Debug {
    /// Wakes all waiting workers. A failure is only logged, since workers also poll.
    async fn notify(&self);

    /// Waits for the next notification.
    async fn wait(&self);
}
