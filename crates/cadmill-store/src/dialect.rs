//! Where SQLite and PostgreSQL speak differently.

use sea_orm::DbBackend;

/// The parts of a statement that depend on the database.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Dialect {
    pub(crate) backend: DbBackend,
    /// Locks the file that is read until the transaction ends; its key stays.
    pub(crate) lock_file: &'static str,
    /// Locks the rows that are read until the transaction ends.
    pub(crate) lock_rows: &'static str,
    /// Locks the rows that are read, and leaves out those that somebody else has locked.
    pub(crate) skip_locked: &'static str,
    /// Keeps the files that are read from changing until the transaction ends.
    pub(crate) share_files: &'static str,
    /// Finds a text in another.
    pub(crate) position: &'static str,
    /// Makes `lower` change only ASCII letters, as SQLite does.
    pub(crate) ascii: &'static str,
}

const POSTGRES: Dialect = Dialect {
    backend: DbBackend::Postgres,
    lock_file: "FOR NO KEY UPDATE",
    lock_rows: "FOR UPDATE",
    skip_locked: "FOR UPDATE SKIP LOCKED",
    share_files: "FOR SHARE OF f",
    position: "strpos",
    ascii: "COLLATE \"C\"",
};

/// A transaction that may write is alone, so there is nothing to lock.
const SQLITE: Dialect = Dialect {
    backend: DbBackend::Sqlite,
    lock_file: "",
    lock_rows: "",
    skip_locked: "",
    share_files: "",
    position: "instr",
    ascii: "",
};

impl Dialect {
    pub(crate) const fn of(backend: DbBackend) -> Self {
        match backend {
            DbBackend::Postgres => POSTGRES,
            _ => SQLITE,
        }
    }
}
