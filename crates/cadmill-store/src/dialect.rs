//! Where SQLite and PostgreSQL speak differently.

use sea_orm::{DbBackend, prelude::Uuid};

/// The parts of a statement that depend on the database.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Dialect {
    pub(crate) backend: DbBackend,
    /// Locks the file that is read until the transaction ends; its key stays.
    pub(crate) lock_file: &'static str,
    /// Locks the rows `l` of the ledger that are read until the transaction ends.
    pub(crate) lock_rows: &'static str,
    /// Locks the rows that are read, and leaves out those that somebody else has locked.
    pub(crate) skip_locked: &'static str,
    /// Added to a lock: fails where it would wait.
    pub(crate) at_once: &'static str,
    /// Makes all who would be the first to add a token take turns until they commit.
    pub(crate) first_token: Option<&'static str>,
    /// Lets others record intents to refer to blobs, and none decide to remove any, until the
    /// transaction ends. A crash of the database may undo the transaction: losing an intent is safe.
    pub(crate) share_removals: Option<&'static str>,
    /// Lets no one record an intent to refer to a blob until the transaction ends.
    pub(crate) own_removals: Option<&'static str>,
    /// Keeps the files that are read from changing until the transaction ends.
    pub(crate) share_files: &'static str,
    /// Keeps the file `f` that is read from being deleted until the transaction ends.
    pub(crate) keep_file: &'static str,
    /// Locks the events `e` that are read, as a reference to them would.
    pub(crate) share_events: &'static str,
    /// The number of the first event that a transaction writes; the next has the next number. The
    /// number is that of the transaction, so events have the order of their transactions.
    pub(crate) first_event: &'static str,
    /// All events whose number is lower are visible: no transaction that could still add one is
    /// running.
    pub(crate) event_horizon: &'static str,
    /// A column of a subquery that makes the database work out the others once for each row, and not
    /// wherever they are named.
    pub(crate) once: &'static str,
    /// The end of such a subquery that is about all rows.
    pub(crate) all: &'static str,
    /// The function that makes a JSON object of names and values.
    pub(crate) json_object: &'static str,
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
    lock_rows: "FOR UPDATE OF l",
    skip_locked: "FOR UPDATE SKIP LOCKED",
    at_once: "NOWAIT",
    first_token: Some("SELECT pg_advisory_xact_lock(13285139)"),
    share_removals: Some(
        "SELECT pg_advisory_xact_lock_shared(13285140), \
         set_config('synchronous_commit', 'off', true)",
    ),
    own_removals: Some("SELECT pg_advisory_xact_lock(13285140)"),
    share_files: "FOR SHARE OF f",
    keep_file: "FOR KEY SHARE OF f",
    share_events: "FOR KEY SHARE OF e",
    // Two hundred and fifty-six events to a transaction: its number has 45 bits until the sum leaves
    // what a JSON number holds exactly.
    first_event: "(SELECT base + (pg_current_xact_id()::text::bigint << 8) FROM event_base)",
    event_horizon: "(SELECT base + (pg_snapshot_xmin(pg_current_snapshot())::text::bigint << 8) \
                    FROM event_base)",
    // What is volatile is not pulled up into the question around it, and processes still share it.
    once: ", clock_timestamp()",
    all: "",
    json_object: "jsonb_build_object",
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
    at_once: "",
    first_token: None,
    share_removals: None,
    own_removals: None,
    share_files: "",
    keep_file: "",
    share_events: "",
    // Drawn by SQLite. The one writer commits before the next draws a number, so all are visible.
    first_event: "NULL",
    event_horizon: "9223372036854775807",
    // A subquery with a limit is not flattened; this limit, 2⁶³ − 1, is none.
    once: "",
    all: "LIMIT 9223372036854775807",
    json_object: "json_object",
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

    /// A UUID as it is written in a statement.
    pub(crate) fn uuid(self, uuid: Uuid) -> String {
        match self.backend {
            DbBackend::Postgres => format!("'{uuid}'::uuid"),
            _ => format!("X'{}'", uuid.simple()),
        }
    }

    /// Joins to each row of `outer` the first rows `l` of the ledger that fit it, as `c`.
    pub(crate) fn first_of_each(
        self,
        outer: &str,
        columns: &str,
        filter: &str,
        order: &str,
        limit: i64,
    ) -> String {
        match self.backend {
            DbBackend::Postgres => format!(
                "{outer} CROSS JOIN LATERAL (SELECT {columns} FROM ledger l WHERE {filter} \
                 ORDER BY {order} LIMIT {limit}) AS c"
            ),
            // SQLite knows no LATERAL; `CROSS` keeps the order of the join.
            _ => format!(
                "{outer} CROSS JOIN ledger c ON c.rowid IN (SELECT l.rowid FROM ledger l \
                 WHERE {filter} ORDER BY {order} LIMIT {limit})"
            ),
        }
    }

    /// A bound value that is a UUID, where the database cannot know it.
    pub(crate) fn bound_uuid(self, place: usize) -> String {
        match self.backend {
            DbBackend::Postgres => format!("${place}::uuid"),
            _ => format!("${place}"),
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
