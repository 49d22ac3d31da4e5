//! `cargo xtask bench dedup`: what it costs to do nothing twice, on each database and lock.

use std::{fmt, process::Command};

use anyhow::Result;
use clap::Args;

use super::figures::Figures;
use crate::{
    packages::{self, Consent},
    process::{self, cargo},
    servers::Servers,
    workspace::Workspace,
};

/// The ledger on both databases, and the locks.
#[derive(Debug, Args)]
pub(crate) struct DedupBench {
    #[command(flatten)]
    consent: Consent,
    /// Medians are taken over this many runs.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    runs: u16,
}

impl DedupBench {
    pub(crate) fn run(&self, workspace: &Workspace) -> Result<()> {
        packages::ensure(packages::SERVERS, self.consent)?;
        let build = |arguments: &[&str]| {
            let mut command = cargo(workspace);
            process::run(command.args(["build", "--release"]).args(arguments))
        };
        build(&["-p", "cadmill-store", "--example", "ledger_rates"])?;
        let lock = ["-p", "cadmill-lock", "--features", "redis"];
        build(&[&lock[..], &["--example", "lock_rates"]].concat())?;

        let servers = Servers::start_for_bench()?;
        let example =
            |name: &str| Command::new(workspace.target.join("release/examples").join(name));
        let mut report = Report::default();
        for run in 1..=self.runs {
            eprintln!("run {run} of {}", self.runs);
            let mut postgres = example("ledger_rates");
            postgres.arg(servers.postgres_url()?);
            let mut locks = example("lock_rates");
            locks.arg(servers.redis_url()?);
            report.postgres.add(&process::output(&mut postgres)?)?;
            report
                .sqlite
                .add(&process::output(&mut example("ledger_rates"))?)?;
            report.locks.add(&process::output(&mut locks)?)?;
        }
        println!("Medians of {} runs.\n\n{report}", self.runs);
        Ok(())
    }
}

/// All that was measured.
#[derive(Debug, Default)]
struct Report {
    postgres: Figures,
    sqlite: Figures,
    locks: Figures,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (postgres, sqlite, locks) = (&self.postgres, &self.sqlite, &self.locks);
        writeln!(
            f,
            "| the ledger | PostgreSQL | wanted | SQLite | wanted |\n|---|---:|---:|---:|---:|"
        )?;
        let rows = [
            (
                "first_click_s",
                3,
                "100 000 missing asked for in one go, s",
                "≤ 2",
                "≤ 1",
            ),
            ("second_click_s", 3, "the same again, s", "≤ 0.3", "≤ 0.3"),
            (
                "second_click_rows",
                0,
                "rows that the second click writes",
                "0",
                "0",
            ),
            (
                "duplicates_per_s",
                0,
                "duplicate requests merged per second",
                "≥ 10 000",
                "≥ 10 000",
            ),
            (
                "claims_and_publishes_per_s",
                0,
                "claimed and published per second",
                "≥ 1 000",
                "≥ 2 000",
            ),
            (
                "files_added_per_s",
                0,
                "files added per second, one by one",
                "–",
                "–",
            ),
        ];
        for (name, digits, what, wanted, wanted_of_sqlite) in rows {
            writeln!(
                f,
                "| {what} | {:.digits$} | {wanted} | {:.digits$} | {wanted_of_sqlite} |",
                postgres.of(name),
                sqlite.of(name)
            )?;
        }
        let ratio = locks.ratio("redis_lock_us", "redis_pings_us");
        let growth = locks.ratio("memory_end_mib", "memory_warm_mib");
        writeln!(f, "\n| the locks | measured | wanted |\n|---|---:|---:|")?;
        writeln!(
            f,
            "| Redis: acquire and release ({:.0} µs) against two bare round trips ({:.0} µs) | \
             {ratio:.2} | ≤ 1.5 |",
            locks.of("redis_lock_us"),
            locks.of("redis_pings_us")
        )?;
        writeln!(
            f,
            "| in memory: resident after 1 000 000 keys ({:.1} MiB) against after 100 000 | \
             {growth:.2} | ≤ 1.1 |",
            locks.of("memory_end_mib")
        )?;
        let rate = locks.of("memory_locks_per_s");
        writeln!(
            f,
            "| in memory: acquired and released per second | {rate:.0} | – |"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_medians_and_ratios_of_each_run() {
        let mut report = Report::default();
        for (lock, pings) in [(30, 20), (80, 40), (50, 50)] {
            let printed = format!("redis_lock_us {lock}\nredis_pings_us {pings}\n");
            report.locks.add(&printed).unwrap();
        }
        report.sqlite.add("second_click_rows 0\n").unwrap();
        let text = report.to_string();
        assert!(
            text.contains("(50 µs) against two bare round trips (40 µs) | 1.50 | ≤ 1.5 |"),
            "{text}"
        );
        assert!(
            text.contains("| NaN | 0 | 0 | 0 |"),
            "what was not measured is told: {text}"
        );
        assert!(report.locks.add("no figure").is_err());
    }
}
