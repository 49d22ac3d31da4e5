//! `cadmill-tessellate`: run by `cadmill` as a child process, one file each.

use std::process::{ExitCode, exit};

use cadmill_occt::{kernel, tessellate};
use clap::{CommandFactory as _, FromArgMatches as _};

/// Open CASCADE allocates millions of small objects.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
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
    // Leaves out what the kernel's libraries would clean up.
    exit(code)
}
