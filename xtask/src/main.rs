//! `cargo xtask`: sets up, runs, tests, checks and measures Cadmill.

mod arrows;
mod bench;
mod book;
mod check;
mod docker;
mod house;
mod oracles;
mod packages;
mod process;
mod run;
mod server;
mod servers;
mod test;
mod test_summary;
mod venv;
mod workspace;

use clap::{Parser, Subcommand};

use crate::{
    bench::{ApiBench, ConvertBench, DedupBench},
    docker::Docker,
    packages::Consent,
    workspace::Workspace,
};

#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", about)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Installs what is missing, builds, and converts the samples.
    Run(Consent),
    /// Installs what is missing and the validators of the field, runs every test, then lists what failed.
    Test {
        #[command(flatten)]
        consent: Consent,
        /// Only tests whose path contains one of these.
        filters: Vec<String>,
    },
    /// Checks format, lints, documentation, deployment files, crate arrows, dependencies and house style.
    Check(Consent),
    /// Checks `docker/`, then builds the images in a chroot and runs them.
    Docker(Docker),
    /// Measures: against other programs in ratios, or against what is wanted.
    #[command(subcommand)]
    Bench(Bench),
}

#[derive(Debug, Subcommand)]
enum Bench {
    /// `cadmill convert` against `cascadio` and the old way.
    Convert(ConvertBench),
    /// The ledger on both databases, and the locks.
    Dedup(DedupBench),
    /// The API under load, and its downloads against nginx.
    Api(ApiBench),
}

fn main() -> anyhow::Result<()> {
    let task = Arguments::parse().task;
    let workspace = Workspace::find()?;
    match task {
        Task::Run(consent) => run::run(&workspace, consent),
        Task::Test { consent, filters } => test::test(&workspace, consent, &filters),
        Task::Check(consent) => check::check(&workspace, consent),
        Task::Docker(docker) => docker.run(&workspace),
        Task::Bench(Bench::Convert(bench)) => bench.run(&workspace),
        Task::Bench(Bench::Dedup(bench)) => bench.run(&workspace),
        Task::Bench(Bench::Api(bench)) => bench.run(&workspace),
    }
}
