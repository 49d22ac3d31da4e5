//! Which command does what.

use anyhow::Result;

use crate::{
    cli::Command, convert, doctor, exit::Exit, gc, health, import, inspect, logging::Logging,
    materials, missing, retry, serve, shell, status, token, verify,
};

/// Runs a command.
pub(crate) fn command(command: &Command, logging: Logging) -> Result<Exit> {
    if !command.is_server() {
        // Servers log as soon as they know where their traces go.
        logging.start(None);
    }
    match command {
        Command::Serve(arguments) => serve::serve(arguments, logging),
        Command::Api(arguments) => serve::api(arguments, logging),
        Command::Worker(arguments) => serve::worker(arguments, logging),
        Command::Convert(arguments) => convert::run(arguments),
        Command::Inspect(arguments) => inspect::run(arguments),
        Command::Migrate(arguments) => serve::migrate(arguments),
        Command::Import(arguments) => import::run(arguments),
        Command::GenerateMissing(arguments) => missing::run(arguments),
        Command::Status(arguments) => status::run(arguments),
        Command::Retry(arguments) => retry::run(arguments),
        Command::Verify(arguments) => verify::run(arguments),
        Command::Gc(arguments) => gc::run(arguments),
        Command::Adopt(arguments) => gc::adopt(arguments),
        Command::Token(command) => token::run(command),
        Command::Health(arguments) => health::run(arguments),
        Command::Materials(command) => materials::run(command),
        Command::Doctor(arguments) => doctor::run(arguments),
        Command::Completions { shell } => shell::completions(*shell),
        Command::Man { output: None } => shell::man(),
        Command::Man {
            output: Some(folder),
        } => shell::man_pages(folder),
    }
}
