//! Errors of the databases, told apart by what can be done about them.

use cadmill_domain::StoreError;
use sea_orm::{
    DbErr, RuntimeErr, sqlx,
    sqlx::{error::DatabaseError, sqlite::SqliteError},
};

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
    /// Its pages hold something else than what was written.
    #[error(
        "the database is damaged: {0}; keep a copy of it, check the disk, and restore the last backup"
    )]
    Damaged(String),
    /// It answers with another error.
    #[error("the database cannot be prepared")]
    Failed(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Sorts an error of the database.
pub(crate) fn store_error(error: DbErr) -> StoreError {
    match class_of(&error) {
        Class::Unavailable => StoreError::Unavailable(error.into()),
        Class::Full => StoreError::Full(error.into()),
        Class::Damaged => StoreError::Damaged(error.into()),
        Class::Other => StoreError::Refused(error.into()),
    }
}

/// Whether the database has answered that it is damaged.
pub(crate) fn is_damage(error: &DbErr) -> bool {
    class_of(error) == Class::Damaged
}

/// Whether another transaction has written the same rows at the same time, so that another try may
/// succeed.
pub(crate) fn is_conflict(error: &StoreError) -> bool {
    let (StoreError::Refused(error) | StoreError::Unavailable(error)) = error else {
        return false;
    };
    let error = error.downcast_ref().and_then(underlying);
    let code = error.and_then(sqlx::Error::as_database_error);
    // PostgreSQL's `serialization_failure`, `deadlock_detected` and `unique_violation`.
    let conflicts = ["40001", "40P01", "23505"];
    code.and_then(DatabaseError::code)
        .is_some_and(|code| conflicts.contains(&&*code))
}

/// Whether another transaction holds a row that was to be locked at once.
pub(crate) fn is_locked(error: &StoreError) -> bool {
    let (StoreError::Refused(error) | StoreError::Unavailable(error)) = error else {
        return false;
    };
    let error = error.downcast_ref().and_then(underlying);
    let code = error.and_then(sqlx::Error::as_database_error);
    // PostgreSQL's `lock_not_available`.
    code.and_then(DatabaseError::code)
        .is_some_and(|code| code == "55P03")
}

/// What can be done about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    /// The same statement may succeed later.
    Unavailable,
    /// The disk is full.
    Full,
    /// The database has to be restored.
    Damaged,
    /// The statement itself is refused.
    Other,
}

fn class_of(error: &DbErr) -> Class {
    match underlying(error) {
        Some(error) => class_of_sqlx(error),
        None if matches!(error, DbErr::ConnectionAcquire(_) | DbErr::Conn(_)) => Class::Unavailable,
        None => Class::Other,
    }
}

pub(crate) fn class_of_sqlx(error: &sqlx::Error) -> Class {
    use sqlx::Error::{Database, Io, PoolClosed, PoolTimedOut, Protocol, Tls, WorkerCrashed};
    match error {
        Io(_) | PoolClosed | PoolTimedOut | Protocol(_) | Tls(_) | WorkerCrashed => {
            Class::Unavailable
        }
        Database(error) => {
            let code = error.code().unwrap_or_default();
            if error.try_downcast_ref::<SqliteError>().is_some() {
                class_of_sqlite(code.parse().unwrap_or_default())
            } else {
                class_of_postgres(&code)
            }
        }
        _ => Class::Other,
    }
}

fn class_of_sqlite(code: u32) -> Class {
    // The lowest byte of an extended code is the code that it belongs to.
    match (code, code & 0xff) {
        // IOERR_DATA and IOERR_CORRUPTFS; CORRUPT and NOTADB.
        (8202 | 8458, _) | (_, 11 | 26) => Class::Damaged,
        (_, 13) => Class::Full,
        // BUSY, LOCKED, NOMEM, READONLY, INTERRUPT, IOERR, CANTOPEN, PROTOCOL.
        (_, 5 | 6 | 7 | 8 | 9 | 10 | 14 | 15) => Class::Unavailable,
        _ => Class::Other,
    }
}

fn class_of_postgres(code: &str) -> Class {
    match code {
        // `data_corrupted`, `index_corrupted`, and `undefined_file`: of the server's own files.
        "XX001" | "XX002" | "58P01" => Class::Damaged,
        "53100" => Class::Full,
        // `lock_not_available`, `read_only_sql_transaction`, the time-outs of an idle and of a long
        // transaction, `serialization_failure` and `deadlock_detected`, too little memory, too many
        // connections, and `io_error`.
        "55P03" | "25006" | "25P03" | "25P04" | "40001" | "40P01" | "53200" | "53300" | "58030" => {
            Class::Unavailable
        }
        // Class 57: an operator or a time-out intervened; 08: the connection.
        _ if code.starts_with("57") || code.starts_with("08") => Class::Unavailable,
        _ => Class::Other,
    }
}

fn underlying(error: &DbErr) -> Option<&sqlx::Error> {
    match error {
        DbErr::Conn(RuntimeErr::SqlxError(error))
        | DbErr::Exec(RuntimeErr::SqlxError(error))
        | DbErr::Query(RuntimeErr::SqlxError(error)) => Some(error),
        _ => None,
    }
}

impl From<DbErr> for OpenError {
    fn from(error: DbErr) -> Self {
        if is_damage(&error) {
            Self::Damaged(error.to_string())
        } else {
            Self::Failed(error.into())
        }
    }
}

/// Sorts an error of connecting.
pub(crate) fn open_error(place: String, error: sqlx::Error) -> OpenError {
    // Class 28: no such user or a wrong password; 3D000: no such database; 42501: not allowed.
    let denied = ["28000", "28P01", "3D000", "42501"];
    let code = error.as_database_error().and_then(DatabaseError::code);
    match code {
        Some(code) if denied.contains(&&*code) => OpenError::Denied {
            place,
            source: error.into(),
        },
        _ => match class_of_sqlx(&error) {
            Class::Unavailable => OpenError::Unreachable {
                place,
                source: error.into(),
            },
            Class::Damaged => OpenError::Damaged(error.to_string()),
            _ => OpenError::Failed(error.into()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passes_is_not_refused() {
        for code in [
            "55P03", "25006", "25P03", "57014", "57P01", "57P03", "08006", "40P01", "53300",
        ] {
            assert_eq!(class_of_postgres(code), Class::Unavailable, "{code}");
        }
        for code in ["23505", "42601", "22P02"] {
            assert_eq!(class_of_postgres(code), Class::Other, "{code}");
        }
        // SQLITE_BUSY, BUSY_SNAPSHOT, READONLY, IOERR_FSYNC; then CONSTRAINT_UNIQUE and ERROR.
        for code in [5, 517, 8, 1034] {
            assert_eq!(class_of_sqlite(code), Class::Unavailable, "{code}");
        }
        for code in [2067, 1] {
            assert_eq!(class_of_sqlite(code), Class::Other, "{code}");
        }
    }

    #[test]
    fn damage_and_a_full_disk_are_told_apart() {
        // CORRUPT, CORRUPT_INDEX, NOTADB, IOERR_CORRUPTFS.
        for code in [11, 779, 26, 8458] {
            assert_eq!(class_of_sqlite(code), Class::Damaged, "{code}");
        }
        for code in ["XX001", "XX002"] {
            assert_eq!(class_of_postgres(code), Class::Damaged, "{code}");
        }
        assert_eq!(class_of_sqlite(13), Class::Full);
        assert_eq!(class_of_postgres("53100"), Class::Full);
    }
}
