//! `cadmill completions`: completions for a shell.

use anyhow::Result;
use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::{exit::Exit, terminal::output};

#[derive(Debug, Args)]
pub(crate) struct CompletionsArguments {
    /// The shell.
    shell: Shell,
}

/// Prints the completions of the command line `C`.
pub(crate) fn run<C: CommandFactory>(arguments: &CompletionsArguments) -> Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut C::command(), "cadmill", &mut script);
    output::bytes(&script)?;
    Ok(Exit::Ok)
}
