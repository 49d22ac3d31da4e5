//! A private Redis server.

use std::path::{Path, PathBuf};

use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::{error::ServerError, fresh, process::Process, programs, shared::Quit};

const NAME: &str = "Redis";

/// A private Redis server. Dropping it ends the server and removes its folder.
#[derive(Debug)]
pub struct Redis {
    program: PathBuf,
    append_only: bool,
    password: Option<String>,
    port: u16,
    // Dropped before the folder that it works in.
    process: Process,
    folder: TempDir,
}

/// How a private Redis server differs from one without password and memory.
#[derive(Debug, Clone, Copy, Default)]
pub struct RedisOptions {
    /// Keeps each write in a file, so that it survives a restart and [`Redis::kill`]. Without it a
    /// server that starts again is empty.
    pub append_only: bool,
    /// Asks for a password, which the URL then has.
    pub password: bool,
}

impl Redis {
    /// Whether the program is on this machine.
    #[must_use]
    pub fn is_installed() -> bool {
        programs::redis().is_ok()
    }

    /// Starts a server without password that keeps nothing.
    ///
    /// # Errors
    /// If the program is missing or fails, with what it said.
    pub fn start() -> Result<Self, ServerError> {
        Self::start_with(RedisOptions::default())
    }

    /// Starts a server.
    ///
    /// # Errors
    /// If the program is missing or fails, with what it said.
    pub fn start_with(options: RedisOptions) -> Result<Self, ServerError> {
        let program = programs::redis()?;
        let folder = fresh::folder(NAME, None)?;
        let password = options.password.then(fresh::secret).transpose()?;
        let append_only = options.append_only;
        let start = |port| {
            run(
                &program,
                append_only,
                password.as_deref(),
                folder.path(),
                port,
            )
        };
        let (port, process) = fresh::on_a_free_port(start)?;
        Ok(Self {
            program,
            append_only,
            password,
            port,
            process,
            folder,
        })
    }

    /// Its URL, with the password if there is one.
    #[must_use]
    pub fn url(&self) -> String {
        let port = self.port;
        match &self.password {
            Some(password) => format!("redis://:{password}@127.0.0.1:{port}"),
            None => format!("redis://127.0.0.1:{port}"),
        }
    }

    /// The folder with all that the server writes.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Stops the server as its administrator would. Does nothing if it is stopped or killed
    /// already.
    ///
    /// # Errors
    /// If it takes more than 20 seconds.
    pub fn stop(&mut self) -> Result<(), ServerError> {
        self.process.end(Signal::SIGTERM)
    }

    /// Kills the server, as a crash would. Does nothing if it is stopped or killed already.
    ///
    /// # Errors
    /// If it takes more than 20 seconds.
    pub fn kill(&mut self) -> Result<(), ServerError> {
        self.process.kill()
    }

    /// Starts the server again on the same port and folder, after it was stopped if it still runs.
    ///
    /// # Errors
    /// If it does not start, for example because another process has taken the port.
    pub fn restart(&mut self) -> Result<(), ServerError> {
        self.stop()?;
        self.process = run(
            &self.program,
            self.append_only,
            self.password.as_deref(),
            self.folder.path(),
            self.port,
        )?;
        Ok(())
    }

    /// Stops the server where it is: connections stay, and nobody answers.
    ///
    /// # Errors
    /// If it is not running.
    pub fn pause(&self) -> Result<(), ServerError> {
        self.process.pause()
    }

    /// Lets a paused server go on.
    ///
    /// # Errors
    /// If it is not running.
    pub fn resume(&self) -> Result<(), ServerError> {
        self.process.resume()
    }

    /// What ends it at once, while it runs.
    pub(crate) fn quit(&self) -> Option<Quit<'_>> {
        let (pid, signal) = self.process.quit()?;
        Some((pid, signal, self.folder.path()))
    }
}

fn run(
    program: &Path,
    append_only: bool,
    password: Option<&str>,
    folder: &Path,
    port: u16,
) -> Result<Process, ServerError> {
    // A server without snapshots has nothing to save that a quick end would spoil.
    let quit = Signal::SIGKILL;
    let mut redis = programs::command(program, quit);
    redis.args(["--bind", "127.0.0.1", "--port", &port.to_string()]);
    redis.arg("--dir").arg(folder);
    redis.args(["--save", ""]);
    redis.args(["--appendonly", if append_only { "yes" } else { "no" }]);
    if let Some(password) = password {
        redis.args(["--requirepass", password]);
    }
    redis.current_dir(folder);
    Process::start(NAME, redis, port, quit)
}
