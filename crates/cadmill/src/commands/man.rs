//! `cadmill man`: man pages.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use clap::{Args, CommandFactory};

use crate::{exit::Exit, terminal::output};

#[derive(Debug, Args)]
pub(crate) struct ManArguments {
    /// Writes one page per command into this folder instead.
    #[arg(short, long, value_name = "DIR")]
    output: Option<PathBuf>,
}

/// Prints or writes the man pages of the command line `C`.
pub(crate) fn run<C: CommandFactory>(arguments: &ManArguments) -> Result<Exit> {
    match &arguments.output {
        None => print_page(C::command())?,
        Some(folder) => write_pages(C::command(), folder)?,
    }
    Ok(Exit::Ok)
}

/// Prints one page with a part for each command.
fn print_page(mut root: clap::Command) -> Result<()> {
    root.build();
    let mut page = Vec::new();
    clap_mangen::Man::new(root.clone()).render(&mut page)?;
    for command in root
        .get_subcommands()
        .filter(|command| command.get_name() != "help")
    {
        let man = clap_mangen::Man::new(command.clone());
        man.render_name_section(&mut page)?;
        man.render_synopsis_section(&mut page)?;
        man.render_description_section(&mut page)?;
        man.render_options_section(&mut page)?;
    }
    output::bytes(&page)
}

/// Writes one page per command.
fn write_pages(root: clap::Command, folder: &Path) -> Result<()> {
    fs::create_dir_all(folder)
        .and_then(|()| clap_mangen::generate_to(root.disable_help_subcommand(true), folder))
        .with_context(|| format!("`{}` cannot be written", folder.display()))
}
