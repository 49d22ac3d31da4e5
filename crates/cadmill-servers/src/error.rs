//! What can go wrong with a server.

use std::{io, path::PathBuf};

/// Why a server could not be started, asked, stopped or signalled.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// The system lacks a program.
    #[error(
        "`{program}` is not on this machine; it comes with Debian's package `{package}`, which \
         `cargo xtask test` installs"
    )]
    Missing {
        /// The program that was looked for.
        program: &'static str,
        /// The Debian package that brings it.
        package: &'static str,
    },
    /// The S3 server is not where `cargo xtask test` installs it.
    #[error(
        "there is no S3 server for tests; run `cargo xtask test` once, which installs `moto` below \
         `target/servers`, or name a server by `CADMILL_TEST_S3_ENDPOINT`"
    )]
    NoS3Server,
    /// The server's folder cannot be made, or not be given to the user that it runs as.
    #[error("no private folder can be made for {server}")]
    Folder {
        /// The server's name.
        server: &'static str,
        /// What the operating system says.
        source: io::Error,
    },
    /// What a server gets anew, or who it runs as, cannot be found out.
    #[error("the operating system gives no {what}")]
    System {
        /// What was asked for.
        what: &'static str,
        /// What the operating system says.
        source: io::Error,
    },
    /// A program is there but cannot be started.
    #[error("`{}` cannot be started", program.display())]
    Spawn {
        /// The program.
        program: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// A program that sets up or asks a server has failed.
    #[error("`{}` failed:\n{output}", program.display())]
    Failed {
        /// The program.
        program: PathBuf,
        /// What it printed on its standard error.
        output: String,
    },
    /// Another process listens on the port.
    #[error("port {port} of 127.0.0.1, which is for {server}, is in use")]
    PortInUse {
        /// The server's name.
        server: &'static str,
        /// The port.
        port: u16,
    },
    /// The server has ended by itself before it was ready.
    #[error("{server} ended before it was ready:\n{log}")]
    Ended {
        /// The server's name.
        server: &'static str,
        /// The last lines that it logged.
        log: String,
    },
    /// The server takes too long.
    #[error("{server} is not {state} after {seconds} s:\n{log}")]
    TooSlow {
        /// The server's name.
        server: &'static str,
        /// What was waited for: that it is ready, or gone.
        state: &'static str,
        /// How long was waited.
        seconds: u64,
        /// The last lines that it logged.
        log: String,
    },
    /// A proxy was wanted in front of a URL without host and port.
    #[error("the URL names no host and port, as `redis://127.0.0.1:6379` does")]
    NoAddress,
    /// Only a running server can be paused or resumed.
    #[error("{server} is not running")]
    NotRunning {
        /// The server's name.
        server: &'static str,
    },
}
