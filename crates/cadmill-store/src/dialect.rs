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
    /// Makes all who would be the first to add a token take turns until they commit.
    pub(crate) first_token: Option<&'static str>,
    /// Keeps the files that are read from changing until the transaction ends.
    pub(crate) share_files: &'static str,
    /// Locks the events `e` that are read, as a reference to them would.
    pub(crate) share_events: &'static str,
    /// What is written before an insertion to make all of its kind take turns until they commit.
    pub(crate) turn: &'static str,
    /// A column of a subquery that makes the database work out the others once for each row, and not
    /// wherever they are named.
    pub(crate) once: &'static str,
    /// The end of such a subquery that is about all rows.
    pub(crate) all: &'static str,
    /// How a text is compared byte by byte.
    pub(crate) bytes: &'static str,
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
    first_token: Some("SELECT pg_advisory_xact_lock(13285139)"),
    share_files: "FOR SHARE OF f",
    share_events: "FOR KEY SHARE OF e",
    turn: "WITH turn AS MATERIALIZED (SELECT pg_advisory_xact_lock(13285138))",
    // What is volatile is not pulled up into the question around it, and processes still share it.
    once: ", clock_timestamp()",
    all: "",
    bytes: "COLLATE \"C\"",
    position: "strpos",
    ascii: "COLLATE \"C\"",
};

/// A transaction that may write is alone, so there is nothing to lock.
const SQLITE: Dialect = Dialect {
    backend: DbBackend::Sqlite,
    lock_file: "",
    lock_rows: "",
    skip_locked: "",
    first_token: None,
    share_files: "",
    share_events: "",
    turn: "WITH turn AS MATERIALIZED (SELECT 1)",
    // A subquery with a limit is not flattened; this limit, 2⁶³ − 1, is none.
    once: "",
    all: "LIMIT 9223372036854775807",
    bytes: "",
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

    /// Whether the name of the file `f` contains the text at this place, which is in lower case.
    pub(crate) fn is_named(self, place: &str) -> String {
        let Self {
            position, ascii, ..
        } = self;
        format!("{position}(lower(f.name {ascii}), {place}) > 0")
    }
}
