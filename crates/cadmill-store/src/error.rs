//! Errors of the databases, told apart by what can be done about them.

use cadmill_domain::StoreError;
use sea_orm::{DbErr, RuntimeErr, sqlx, sqlx::error::DatabaseError};

/// The database cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The URL is none, or of another database.
    #[error("the database URL cannot be used: {0}; it begins with `postgres://`")]
    Url(String),
    /// There is no answer.
    #[error(
        "the database cannot be reached at {place}; check that it runs and that the address is right"
    )]
    Unreachable {
        /// Host and port, or the path; without a password.
        place: String,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// User or password are wrong, or the user may not use that database.
    #[error(
        "the database at {place} does not let the user in; check user, password and database name"
    )]
    Denied {
        /// Host and port.
        place: String,
        /// What it says.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Tables are missing.
    #[error("the database lacks {0} migration(s); run `cadmill migrate`")]
    Behind(usize),
    /// The tables are those of a newer version.
    #[error("the database was migrated by a newer version of Cadmill (`{0}`); install that one")]
    Newer(String),
    /// It answers with another error.
    #[error("the database cannot be prepared")]
    Failed(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Sorts an error of the database.
pub(crate) fn store_error(error: DbErr) -> StoreError {
    match underlying(&error) {
        Some(found) if is_unavailable(found) => StoreError::Unavailable(error.into()),
        Some(found) if is_full(found) => StoreError::Full(error.into()),
        None if matches!(error, DbErr::ConnectionAcquire(_) | DbErr::Conn(_)) => {
            StoreError::Unavailable(error.into())
        }
        _ => StoreError::Refused(error.into()),
    }
}

/// Whether somebody else has written the same rows at the same time, so that another try may succeed.
pub(crate) fn is_conflict(error: &StoreError) -> bool {
    let StoreError::Refused(error) = error else {
        return false;
    };
    let error = error.downcast_ref().and_then(underlying);
    let code = error.and_then(sqlx::Error::as_database_error);
    // PostgreSQL's `serialization_failure`, `deadlock_detected` and `unique_violation`.
    let conflicts = ["40001", "40P01", "23505"];
    code.and_then(DatabaseError::code)
        .is_some_and(|code| conflicts.contains(&&*code))
}

fn underlying(error: &DbErr) -> Option<&sqlx::Error> {
    match error {
        DbErr::Conn(RuntimeErr::SqlxError(error))
        | DbErr::Exec(RuntimeErr::SqlxError(error))
        | DbErr::Query(RuntimeErr::SqlxError(error)) => Some(error),
        _ => None,
    }
}

fn is_unavailable(error: &sqlx::Error) -> bool {
    use sqlx::Error::{Io, PoolClosed, PoolTimedOut, Protocol, Tls, WorkerCrashed};
    match error {
        Io(_) | PoolClosed | PoolTimedOut | Protocol(_) | Tls(_) | WorkerCrashed => true,
        // Class 57 of PostgreSQL: an operator intervened; 08: the connection; 53300: too many.
        sqlx::Error::Database(error) => error.code().is_some_and(|code| {
            code.starts_with("57") || code.starts_with("08") || code == "53300"
        }),
        _ => false,
    }
}

fn is_full(error: &sqlx::Error) -> bool {
    // SQLITE_FULL, and `disk_full` of PostgreSQL.
    let code = error.as_database_error().and_then(DatabaseError::code);
    code.is_some_and(|code| code == "13" || code == "53100")
}

/// Sorts an error of connecting to PostgreSQL.
pub(crate) fn open_error(place: String, error: sqlx::Error) -> OpenError {
    // Class 28: no such user or a wrong password; 3D000: no such database; 42501: not allowed.
    let denied = ["28000", "28P01", "3D000", "42501"];
    let code = error.as_database_error().and_then(DatabaseError::code);
    match code {
        Some(code) if denied.contains(&&*code) => OpenError::Denied {
            place,
            source: error.into(),
        },
        _ if is_unavailable(&error) => OpenError::Unreachable {
            place,
            source: error.into(),
        },
        _ => OpenError::Failed(error.into()),
    }
}
