//! The command line: global options and one variant per command.

use anyhow::Result;
use clap::{ArgAction, Parser, Subcommand};

use crate::{
    commands::{
        adopt::{self, AdoptArguments},
        api::{self, ApiArguments},
        completions::{self, CompletionsArguments},
        convert::{self, ConvertArguments},
        doctor::{self, DoctorArguments},
        gc::{self, GcArguments},
        generate_missing::{self, GenerateMissingArguments},
        health::{self, HealthArguments},
        import::{self, ImportArguments},
        inspect::{self, InspectArguments},
        man::{self, ManArguments},
        materials::{self, MaterialsCommand},
        migrate::{self, MigrateArguments},
        retry::{self, RetryArguments},
        serve::{self, ServeArguments},
        status::{self, StatusArguments},
        token::{self, TokenCommand},
        verify::{self, VerifyArguments},
        worker::{self, WorkerArguments},
    },
    exit::Exit,
    wiring::logging::Logging,
};

const AFTER_HELP: &str = "\
Exit codes: 0 success, 1 failure, 2 wrong usage, 3 some files failed, 130 interrupted.

Environment:
  CADMILL_TESSELLATOR  the program `cadmill-tessellate`, if neither beside this one nor on PATH
  CADMILL_…            the keys of the configuration, for example CADMILL_DATA_DIR
  CADMILL_LOG          what is logged on standard error, for example `debug`
  TMPDIR               where the tessellator's private folders are created
  NO_COLOR             disables colours";

/// Converts STEP files to GLB scenes and USD masters.
#[derive(Debug, Parser)]
#[command(name = "cadmill", version, after_help = AFTER_HELP, max_term_width = 100)]
pub(crate) struct Cli {
    /// Logs more on standard error; -vv and -vvv log even more.
    #[arg(short, long, global = true, action = ArgAction::Count)]
    verbose: u8,
    /// Logs one JSON object per line.
    #[arg(long, global = true)]
    log_json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Converts STEP files to media.
    Convert(Box<ConvertArguments>),
    /// Shows what STEP files contain, without a geometry kernel.
    Inspect(InspectArguments),
    /// Runs the API and the pipeline in one process, with all data in one folder.
    Serve(ServeArguments),
    /// Runs only the API, on PostgreSQL and Redis.
    Api(ApiArguments),
    /// Runs one of several workers, on PostgreSQL and Redis.
    Worker(WorkerArguments),
    /// Migrates the database to this version.
    Migrate(MigrateArguments),
    /// Imports STEP files into the pipeline, each once.
    Import(ImportArguments),
    /// Queues all missing media of a kind.
    GenerateMissing(GenerateMissingArguments),
    /// Shows what is queued, running, idle and failed, or the details of one file.
    Status(StatusArguments),
    /// Queues failed work again.
    Retry(RetryArguments),
    /// Compares all stored bytes with their hashes.
    Verify(VerifyArguments),
    /// Removes unreferenced blobs, which a server also does once an hour.
    Gc(GcArguments),
    /// Assigns the blobs to this database, after a restore or a copy.
    Adopt(AdoptArguments),
    /// Creates, lists and revokes access tokens of the API.
    #[command(subcommand)]
    Token(TokenCommand),
    /// Checks that a server is alive, and fails if it is not.
    Health(HealthArguments),
    /// Shows or replaces the materials of a file.
    #[command(subcommand)]
    Materials(MaterialsCommand),
    /// Checks that everything that a conversion needs is in place.
    Doctor(DoctorArguments),
    /// Prints completions for a shell.
    Completions(CompletionsArguments),
    /// Prints the man page.
    Man(ManArguments),
}

impl Cli {
    /// Runs the command.
    pub(crate) fn run(&self) -> Result<Exit> {
        let logging = Logging {
            verbosity: self.verbose + u8::from(self.command.is_server()),
            as_json: self.log_json,
        };
        if !self.command.is_server() {
            // A server starts logging once it has read from its configuration where traces go.
            logging.start(None);
        }
        match &self.command {
            Command::Convert(arguments) => convert::run(arguments),
            Command::Inspect(arguments) => inspect::run(arguments),
            Command::Serve(arguments) => serve::run(arguments, logging),
            Command::Api(arguments) => api::run(arguments, logging),
            Command::Worker(arguments) => worker::run(arguments, logging),
            Command::Migrate(arguments) => migrate::run(arguments),
            Command::Import(arguments) => import::run(arguments),
            Command::GenerateMissing(arguments) => generate_missing::run(arguments),
            Command::Status(arguments) => status::run(arguments),
            Command::Retry(arguments) => retry::run(arguments),
            Command::Verify(arguments) => verify::run(arguments),
            Command::Gc(arguments) => gc::run(arguments),
            Command::Adopt(arguments) => adopt::run(arguments),
            Command::Token(command) => token::run(command),
            Command::Health(arguments) => health::run(arguments),
            Command::Materials(command) => materials::run(command),
            Command::Doctor(arguments) => doctor::run(arguments),
            Command::Completions(arguments) => completions::run::<Self>(arguments),
            Command::Man(arguments) => man::run::<Self>(arguments),
        }
    }
}

impl Command {
    /// Whether it runs until it is stopped.
    const fn is_server(&self) -> bool {
        matches!(self, Self::Serve(_) | Self::Api(_) | Self::Worker(_))
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
