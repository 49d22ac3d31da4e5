//! Completions for shells, and the man pages.

use std::{fs, path::Path};

use anyhow::Context as _;
use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::{cli::Cli, exit::Exit, output};

/// The completions for `shell`, to be put where it looks for them.
pub(crate) fn completions(shell: Shell) -> anyhow::Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "cadmill", &mut script);
    output::bytes(&script)?;
    Ok(Exit::Ok)
}

/// A page for each command, as a file in `folder`.
pub(crate) fn man_pages(folder: &Path) -> anyhow::Result<Exit> {
    let written = fs::create_dir_all(folder).and_then(|()| {
        clap_mangen::generate_to(Cli::command().disable_help_subcommand(true), folder)
    });
    written.with_context(|| format!("`{}` cannot be written", folder.display()))?;
    Ok(Exit::Ok)
}

/// One man page, with a part for each command.
pub(crate) fn man() -> anyhow::Result<Exit> {
    let mut root = Cli::command();
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
    output::bytes(&page)?;
    Ok(Exit::Ok)
}
