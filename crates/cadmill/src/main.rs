//! The `cadmill` command.

mod cli;
mod convert;
mod doctor;
mod exit;
mod inspect;
mod interrupt;
mod logging;
mod machine;
mod materials;
mod output;
mod quantity;
mod shell;
mod tessellator;

use std::process::ExitCode;

use clap::Parser as _;

use crate::{
    cli::{Cli, Command},
    exit::Exit,
};

fn main() -> ExitCode {
    let cli = Cli::parse();
    logging::start(cli.verbose);
    let ended = match cli.command {
        Command::Convert(arguments) => convert::run(&arguments),
        Command::Inspect(arguments) => inspect::run(&arguments),
        Command::Doctor(arguments) => doctor::run(&arguments),
        Command::Completions { shell } => shell::completions(shell),
        Command::Man { output: None } => shell::man(),
        Command::Man {
            output: Some(folder),
        } => shell::man_pages(&folder),
    };
    Exit::of(ended).into()
}
