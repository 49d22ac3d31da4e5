//! The `cadmill` command.

mod cli;
mod commands;
mod exit;
mod inputs;
mod material_maps;
mod quantity;
mod terminal;
mod wiring;

use std::process::ExitCode;

use clap::Parser as _;

use crate::{cli::Cli, exit::Exit};

/// SQLite allocates through it too, and spent a fifth of its time in the allocator of the system.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    Exit::report(Cli::parse().run()).into()
}
