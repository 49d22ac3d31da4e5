//! `cadmill-tessellate`, which `cadmill` runs as a child process for each file.

use std::process::{ExitCode, exit};

use cadmill_occt::{kernel, tessellate};
use clap::{CommandFactory as _, FromArgMatches as _, Parser as _};

// Open CASCADE allocates millions of small objects, for which this allocator is faster.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The command that checks the sandbox instead of reading a file.
const CHECK: &str = "check-sandbox";

fn main() -> ExitCode {
    let mut arguments = std::env::args_os();
    if arguments.nth(1).is_some_and(|first| first == CHECK) {
        let program = std::iter::once(CHECK.into());
        let options = tessellate::CheckOptions::parse_from(program.chain(arguments));
        return tessellate::check_sandbox(&options)
            .map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS);
    }
    let version = format!("{} ({})", env!("CARGO_PKG_VERSION"), kernel::version());
    let version: &'static str = version.leak();
    let matches = tessellate::Options::command()
        .version(version)
        .get_matches();
    let options = match tessellate::Options::from_arg_matches(&matches) {
        Ok(options) => options,
        Err(error) => error.exit(),
    };
    let code = match tessellate::run(options) {
        Ok(true) => 0,
        Ok(false) | Err(_) => 1,
    };
    // Exits without the cleanup of the kernel's libraries.
    exit(code)
}
