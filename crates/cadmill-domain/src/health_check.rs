//! Health checks of what the program depends on.

use std::fmt;

use async_trait::async_trait;

use crate::Failure;

/// A check of a dependency without which the program cannot work.
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait HealthCheck: Send + Sync + fmt::Debug {
    /// The name of the dependency, in one word.
    fn name(&self) -> &'static str;

    /// Checks the dependency.
    ///
    /// # Errors
    /// If the dependency does not work.
    async fn check(&self) -> Result<(), Failure>;
}
