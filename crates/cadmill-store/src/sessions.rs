//! The settings of each session of PostgreSQL: what ends one whose process is frozen or gone, and
//! that commits are durable.

use std::time::Duration;

use sea_orm::{
    DbErr, QueryResult,
    sqlx::{self, AssertSqlSafe, PgConnection, raw_sql},
};

/// How many probes of an idle connection may stay without an answer.
const KEEPALIVE_PROBES: u32 = 3;

/// How much later than PostgreSQL itself we give up a statement, so that its own answer comes first.
const LAG: Duration = Duration::from_secs(2);

/// After how long PostgreSQL ends what a session of ours does. A zero sets no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionTimeouts {
    /// Waiting for a row that another transaction has locked.
    pub lock: Duration,
    /// A statement.
    pub statement: Duration,
    /// A transaction whose process sends nothing, as one does that is frozen.
    pub idle_in_transaction: Duration,
    /// A connection whose other end does not answer, as a machine does that has lost its power.
    pub tcp: Duration,
}

impl SessionTimeouts {
    /// For what may take long, such as migrating.
    pub const UNLIMITED: Self = Self {
        lock: Duration::ZERO,
        statement: Duration::ZERO,
        idle_in_transaction: Duration::ZERO,
        tcp: Duration::ZERO,
    };

    /// How long an answer is waited for, which may never come.
    pub(crate) fn answer(&self) -> Option<Duration> {
        (!self.statement.is_zero()).then_some(self.statement + LAG)
    }

    /// What is run when a connection is opened.
    fn statements(&self) -> String {
        let Self {
            lock,
            statement,
            idle_in_transaction,
            tcp,
        } = self;
        // The first probe comes after half of the time, and the others share the rest.
        let keepalive_idle = tcp.as_secs().div_ceil(2);
        let keepalive_interval = (tcp.as_secs() - keepalive_idle).div_ceil(KEEPALIVE_PROBES.into());
        let settings = [
            ("lock_timeout", lock.as_millis()),
            ("statement_timeout", statement.as_millis()),
            (
                "idle_in_transaction_session_timeout",
                idle_in_transaction.as_millis(),
            ),
            ("tcp_user_timeout", tcp.as_millis()),
            ("tcp_keepalives_idle", keepalive_idle.into()),
            ("tcp_keepalives_interval", keepalive_interval.into()),
            (
                "tcp_keepalives_count",
                if tcp.is_zero() {
                    0
                } else {
                    KEEPALIVE_PROBES.into()
                },
            ),
        ];
        let settings = settings.map(|(name, value)| format!("SET {name} = {value};"));
        // Against all that the server, the database or the role say: what is answered is durable. Each other
        // value than `off` waits at least for the server's own disk.
        let durable = "SELECT set_config('synchronous_commit', 'on', false) \
                       WHERE current_setting('synchronous_commit') = 'off';";
        // A transaction that waits for a turn sees what was committed before it came.
        let isolation = "SET default_transaction_isolation = 'read committed'";
        format!("{} {durable} {isolation}", settings.join(" "))
    }

    pub(crate) async fn apply(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        let statements = raw_sql(AssertSqlSafe(self.statements()));
        statements.execute(connection).await.map(drop)
    }
}

/// Something for which PostgreSQL may lose what was committed, though we asked it not to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum DurabilityRisk {
    /// `fsync` is off: the server does not wait for the disk.
    FsyncOff,
    /// `full_page_writes` is off: a page that was half written cannot be repaired.
    FullPageWritesOff,
    /// `synchronous_commit` is off although it was switched on for our sessions.
    AsynchronousCommit,
    /// The server has found pages of this database with a wrong checksum.
    ChecksumFailures(u64),
}

impl DurabilityRisk {
    /// What it is, and what to do.
    #[must_use]
    pub fn description(self) -> (String, &'static str) {
        match self {
            Self::FsyncOff => (
                "`fsync` is off on the PostgreSQL server: after a power cut the database may be damaged."
                    .to_owned(),
                "Set `fsync = on` in `postgresql.conf`, and restart the server.",
            ),
            Self::FullPageWritesOff => (
                "`full_page_writes` is off on the PostgreSQL server: after a power cut pages may be damaged."
                    .to_owned(),
                "Set `full_page_writes = on` in `postgresql.conf`, and reload it.",
            ),
            Self::AsynchronousCommit => (
                "`synchronous_commit` is off in our sessions: a power cut loses what was committed."
                    .to_owned(),
                "Connect to PostgreSQL directly, or by a pooler that keeps the settings of a session.",
            ),
            Self::ChecksumFailures(pages) => (
                format!("PostgreSQL has found {pages} page(s) of this database with a wrong checksum."),
                "Check the disk, and restore the last backup.",
            ),
        }
    }
}

/// Asks for all risks at once.
pub(crate) const RISKS: &str = "SELECT current_setting('fsync') AS fsync, \
     current_setting('full_page_writes') AS full_page_writes, \
     current_setting('synchronous_commit') AS synchronous_commit, \
     (SELECT checksum_failures FROM pg_stat_database WHERE datname = current_database()) \
     AS checksum_failures";

/// The risks in an answer to [`RISKS`].
pub(crate) fn risks(answer: &QueryResult) -> Result<Vec<DurabilityRisk>, DbErr> {
    let is_off = |setting| Ok::<_, DbErr>(answer.try_get::<String>("", setting)? == "off");
    let mut risks = Vec::new();
    for (setting, risk) in [
        ("fsync", DurabilityRisk::FsyncOff),
        ("full_page_writes", DurabilityRisk::FullPageWritesOff),
        ("synchronous_commit", DurabilityRisk::AsynchronousCommit),
    ] {
        if is_off(setting)? {
            risks.push(risk);
        }
    }
    // There is no number where the server keeps no checksums.
    let failures = answer.try_get::<Option<i64>>("", "checksum_failures")?;
    let failures = failures.and_then(|failures| u64::try_from(failures).ok());
    risks.extend(
        failures
            .filter(|pages| *pages > 0)
            .map(DurabilityRisk::ChecksumFailures),
    );
    Ok(risks)
}

/// All of them end before a lease of 30 s does.
impl Default for SessionTimeouts {
    fn default() -> Self {
        Self {
            lock: Duration::from_secs(5),
            statement: Duration::from_secs(20),
            idle_in_transaction: Duration::from_secs(10),
            tcp: Duration::from_secs(15),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silent_connection_is_given_up_in_time() {
        let statements = SessionTimeouts::default().statements();
        for setting in [
            "lock_timeout = 5000;",
            "idle_in_transaction_session_timeout = 10000;",
            "tcp_keepalives_idle = 8;",
            "tcp_keepalives_interval = 3;",
            "tcp_keepalives_count = 3;",
        ] {
            assert!(statements.contains(setting), "{statements}");
        }
        let unlimited = SessionTimeouts::UNLIMITED.statements();
        assert_eq!(unlimited.matches(" = 0;").count(), 7, "{unlimited}");
    }
}
