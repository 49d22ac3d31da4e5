//! The error of every port whose rows are in a database.

use crate::{ContentHash, Failure, FailureCode, sentence};

/// The database failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// It cannot be reached, or does not answer in time.
    #[error("the database cannot be reached")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Its disk is full.
    #[error("the disk of the database is full")]
    Full(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Its pages hold something else than what was written.
    #[error("the database is damaged")]
    Damaged(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// It answers with an error.
    #[error("the database refused")]
    Refused(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A blob may have been swept before a row referred to it: the intent to do so has ended.
    #[error("the blob {0} may have been removed before it was used; store it again")]
    BlobNotKept(ContentHash),
    /// It holds what this version does not understand.
    #[error("the database holds something that this version does not understand: {0}")]
    Unreadable(String),
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let code = match error {
            StoreError::Full(_) => FailureCode::DiskFull,
            StoreError::Damaged(_) => FailureCode::DatabaseDamaged,
            StoreError::BlobNotKept(_) => FailureCode::Storage,
            _ => FailureCode::Database,
        };
        Self::new(code, sentence(&error))
    }
}
