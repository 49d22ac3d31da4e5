//! What may go wrong between a lock and its store.

use std::error::Error;

/// Why a lock gave no answer. That someone else holds a key is no error.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LockError {
    /// The store cannot be reached, or did not answer in time. Nothing may be taken as acquired;
    /// trying again later makes sense.
    #[error("the lock store does not answer")]
    Unavailable(#[source] Box<dyn Error + Send + Sync>),
    /// The store cannot be used as it is configured; trying again does not help. The text never
    /// shows a password.
    #[error("the lock store cannot be used: {0}")]
    Config(String),
    /// The store refused a command, or gave an answer that nobody understands.
    #[error("the lock store gave an answer that makes no sense: {0}")]
    Answer(String),
}

impl LockError {
    /// A store that does not answer, because of `source`.
    pub fn unavailable(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Unavailable(source.into())
    }
}
