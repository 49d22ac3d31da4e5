//! The `cadmill` command.

mod api;
mod checks;
mod cli;
mod config;
mod convert;
mod deployment;
mod doctor;
mod exit;
mod gc;
mod health;
mod import;
mod inspect;
mod interrupt;
mod listener;
mod logging;
mod machine;
mod maintenance;
mod materials;
mod metrics;
mod missing;
mod output;
mod quantity;
mod retry;
mod run;
mod scrub;
mod serve;
mod shell;
mod status;
mod tessellator;
mod token;
mod traces;
mod verify;
mod waiting;

use std::process::ExitCode;

use clap::Parser as _;

use crate::{cli::Cli, exit::Exit, logging::Logging};

/// SQLite, whose memory comes from here as well, spent a fifth of its time in the system's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let logging = Logging {
        verbosity: cli.verbose + cli.command.verbosity(),
        as_json: cli.log_json,
    };
    Exit::of(run::command(&cli.command, logging)).into()
}
