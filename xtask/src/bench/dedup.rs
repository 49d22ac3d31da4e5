//! `cargo xtask bench dedup`: what it costs to do nothing twice, on each database and lock.

use std::{fmt, fs, process::Command};

use anyhow::Result;
use cadmill_servers::{Postgres, PostgresOptions};
use clap::Args;

use super::{figures::Figures, slow_sync::SlowSync};
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

        let slow = SlowSync::build(workspace)?;
        let servers = Servers::start_for_bench()?;
        let slow_postgres = Postgres::start_with(PostgresOptions {
            durable: true,
            stock_memory: true,
            variables: slow.variables(),
        })?;
        let example =
            |name: &str| Command::new(workspace.target.join("release/examples").join(name));
        let mut report = Report::default();
        for run in 1..=self.runs {
            eprintln!("run {run} of {}", self.runs);
            let mut postgres = example("ledger_rates");
            postgres.arg(servers.postgres_url()?);
            let mut locks = example("lock_rates");
            locks.arg(servers.redis_url()?);
            measure(&mut report.postgres, &mut postgres)?;
            measure(&mut report.sqlite, &mut example("ledger_rates"))?;
            measure(&mut report.locks, &mut locks)?;
            let slowly = || {
                let mut rates = example("ledger_rates");
                rates.arg("published").envs(slow.variables());
                rates
            };
            let mut postgres = slowly();
            postgres.arg(slow_postgres.url());
            measure(&mut report.slow_postgres, &mut postgres)?;
            measure(&mut report.slow_sqlite, &mut slowly())?;
        }
        println!("Medians of {} runs.\n\n{report}", self.runs);
        Ok(())
    }
}

/// Adds what a program prints, and how much of the processors' time went to others meanwhile.
fn measure(figures: &mut Figures, program: &mut Command) -> Result<()> {
    let before = ProcessorTime::now();
    figures.add(&process::output(program)?)?;
    if let (Some(before), Some(now)) = (before, ProcessorTime::now()) {
        figures.note(STOLEN, now.stolen_since(&before));
    }
    Ok(())
}

/// Names of figures.
const STOLEN: &str = "stolen_percent";
const SYNC_MS: &str = "sync_ms";
const PUBLISHED: &str = "claims_and_publishes_per_s";

/// The time of all processors since the machine was started, in ticks of its clock.
#[derive(Debug)]
struct ProcessorTime {
    total: f64,
    /// What the host gave to other machines while this one had something to do.
    stolen: f64,
}

impl ProcessorTime {
    /// None where Linux does not tell it.
    fn now() -> Option<Self> {
        Self::of(&fs::read_to_string("/proc/stat").ok()?)
    }

    /// Of the first line: user, nice, system, idle, waiting for the disk, interrupts of hardware and
    /// software, and stolen; what follows is part of those.
    fn of(stat: &str) -> Option<Self> {
        let ticks = stat.lines().next()?.strip_prefix("cpu")?;
        let ticks = ticks.split_whitespace().take(8).map(str::parse);
        let ticks: Vec<f64> = ticks.collect::<Result<_, _>>().ok()?;
        Some(Self {
            total: ticks.iter().sum(),
            stolen: *ticks.get(7)?,
        })
    }

    fn stolen_since(&self, before: &Self) -> f64 {
        100.0 * (self.stolen - before.stolen) / (self.total - before.total)
    }
}

/// All that was measured.
#[derive(Debug, Default)]
struct Report {
    postgres: Figures,
    sqlite: Figures,
    locks: Figures,
    /// The same with slower syncs.
    slow_postgres: Figures,
    slow_sqlite: Figures,
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
                PUBLISHED,
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
            (SYNC_MS, 2, "a sync of the disk, ms", "–", "–"),
            (
                STOLEN,
                0,
                "of the processors' time, what the host gave to others, %",
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
        self.write_slow(f)?;
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

impl Report {
    fn write_slow(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "\n| each sync takes 5 ms longer | measured | wanted |\n|---|---:|---:|"
        )?;
        for (name, figures) in [
            ("PostgreSQL", &self.slow_postgres),
            ("SQLite", &self.slow_sqlite),
        ] {
            let sync_ms = figures.of(SYNC_MS);
            let published = figures.of(PUBLISHED);
            // The rate of syncs is one by the time of each.
            let ratio = figures.product(PUBLISHED, SYNC_MS) / 1e3;
            writeln!(
                f,
                "| {name}: published per second ({published:.0}) against syncs of {sync_ms:.2} ms | \
                 {ratio:.2} | ≥ 4 |"
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stolen_time_is_told_of_all() {
        let before = ProcessorTime::of("cpu  10 0 10 70 0 0 5 5 0 0\ncpu0 1 2\n").unwrap();
        let now = ProcessorTime::of("cpu  50 0 30 80 0 0 10 30 9 9\n").unwrap();
        assert_eq!(now.stolen_since(&before), 25.0);
        assert!(ProcessorTime::of("cpu 1 2 3\n").is_none(), "an old kernel");
        assert!(ProcessorTime::of("intr 1\n").is_none());
    }

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
