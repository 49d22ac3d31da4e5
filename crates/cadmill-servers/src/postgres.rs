//! A private PostgreSQL server.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
};

use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::{
    account::Account,
    error::ServerError,
    fresh,
    process::Process,
    programs::{self, PostgresPrograms},
    shared::Quit,
};

const NAME: &str = "PostgreSQL";
const USER: &str = "cadmill";
/// An immediate shutdown, after which no shared memory is left.
const QUIT: Signal = Signal::SIGQUIT;

/// A private PostgreSQL server with one superuser, `cadmill`, who has a password.
///
/// Dropping it ends the server and removes its folder.
#[derive(Debug)]
pub struct Postgres {
    programs: PostgresPrograms,
    account: Option<Account>,
    options: PostgresOptions,
    password: String,
    port: u16,
    databases: AtomicU32,
    // Dropped before the folder that it works in.
    process: Process,
    folder: TempDir,
}

/// How a private PostgreSQL server differs from one that is for tests alone.
#[derive(Debug, Clone, Default)]
pub struct PostgresOptions {
    /// Waits for the disk at each commit, as in production. Without it commits survive
    /// [`Postgres::kill`] all the same, but not the end of the operating system.
    pub durable: bool,
    /// Takes the memory that PostgreSQL takes by itself, as in production. Without it there are few
    /// buffers, and what its processes share lies in files, which slows down parallel queries.
    pub stock_memory: bool,
    /// Variables of the environment that the server is started with beside those of this process.
    pub variables: Vec<(String, OsString)>,
}

impl Postgres {
    /// Whether the programs are on this machine.
    #[must_use]
    pub fn is_installed() -> bool {
        PostgresPrograms::find().is_ok()
    }

    /// Starts a server that does not wait for the disk.
    ///
    /// # Errors
    /// If the programs are missing or fail, with what they said.
    pub fn start() -> Result<Self, ServerError> {
        Self::start_with(PostgresOptions::default())
    }

    /// Starts a server.
    ///
    /// # Errors
    /// If the programs are missing or fail, with what they said.
    pub fn start_with(options: PostgresOptions) -> Result<Self, ServerError> {
        let programs = PostgresPrograms::find()?;
        let account = Account::instead_of_root()?;
        let folder = fresh::folder(NAME, account)?;
        let password = fresh::secret()?;
        init(&programs, account, folder.path(), &password)?;
        let start = |port| run(&programs, account, &options, folder.path(), port);
        let (port, process) = fresh::on_a_free_port(start)?;
        Ok(Self {
            programs,
            account,
            options,
            password,
            port,
            databases: AtomicU32::new(0),
            process,
            folder,
        })
    }

    /// The URL of the database `postgres`, which is empty at first, with user and password.
    #[must_use]
    pub fn url(&self) -> String {
        self.url_of("postgres")
    }

    /// Makes an empty database of a name that no other has, and gives its URL.
    ///
    /// # Errors
    /// If the server does not do it.
    pub fn create_database(&self) -> Result<String, ServerError> {
        let number = self.databases.fetch_add(1, Ordering::Relaxed);
        let name = format!("cadmill_fresh_{number}");
        self.query(&self.url(), &format!("create database {name}"))?;
        Ok(self.url_of(&name))
    }

    /// What `psql` prints for `sql` on the database at `url`, without headers and alignment.
    ///
    /// # Errors
    /// If the server cannot be reached or refuses, with what `psql` said.
    pub fn query(&self, url: &str, sql: &str) -> Result<String, ServerError> {
        let mut psql = programs::command(&self.programs.psql, Signal::SIGKILL);
        psql.args(["--no-psqlrc", "--no-password", "--quiet", "--tuples-only"]);
        psql.args(["--no-align", "--set=ON_ERROR_STOP=1", "--command", sql]);
        psql.args(["--dbname", url]);
        let output = finish(&self.programs.psql, &mut psql)?;
        Ok(output.trim_end().to_owned())
    }

    /// The folder with all that the server writes.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Stops the server as its administrator would: sessions are broken off, and what was committed
    /// is written. Does nothing if it is stopped or killed already.
    ///
    /// # Errors
    /// If it takes more than 20 seconds.
    pub fn stop(&mut self) -> Result<(), ServerError> {
        self.process.end(Signal::SIGINT)
    }

    /// Kills the server with all its sessions, as a crash would. Does nothing if it is stopped or
    /// killed already.
    ///
    /// # Errors
    /// If it takes more than 20 seconds.
    pub fn kill(&mut self) -> Result<(), ServerError> {
        self.process.kill()
    }

    /// Starts the server again on the same port and data, after it was stopped if it still runs.
    ///
    /// # Errors
    /// If it does not start, for example because another process has taken the port.
    pub fn restart(&mut self) -> Result<(), ServerError> {
        self.stop()?;
        self.process = run(
            &self.programs,
            self.account,
            &self.options,
            self.folder.path(),
            self.port,
        )?;
        Ok(())
    }

    /// Stops all its processes where they are: connections stay, and nobody answers. A paused
    /// server outlives this process if that is killed.
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

    fn url_of(&self, database: &str) -> String {
        let (password, port) = (&self.password, self.port);
        format!("postgres://{USER}:{password}@127.0.0.1:{port}/{database}")
    }

    /// What ends it at once, while it runs.
    pub(crate) fn quit(&self) -> Option<Quit<'_>> {
        let (pid, signal) = self.process.quit()?;
        Some((pid, signal, self.folder.path()))
    }
}

/// Where in the server's folder its data are.
fn data(folder: &Path) -> PathBuf {
    folder.join("data")
}

fn command(program: &Path, account: Option<Account>, folder: &Path, death: Signal) -> Command {
    let mut command = programs::command(program, death);
    if let Some(account) = account {
        account.run(&mut command);
    }
    // It may not be allowed to enter the folder that this process is in.
    command.current_dir(folder);
    command
}

fn init(
    programs: &PostgresPrograms,
    account: Option<Account>,
    folder: &Path,
    password: &str,
) -> Result<(), ServerError> {
    let password_file = folder.join("password");
    let written = fs::write(&password_file, password);
    let owned = written.and_then(|()| account.map_or(Ok(()), |it| it.own(&password_file)));
    owned.map_err(|source| ServerError::Folder {
        server: NAME,
        source,
    })?;
    let mut initdb = command(&programs.initdb, account, folder, Signal::SIGKILL);
    initdb.args(["--no-sync", "--encoding=UTF8", "--locale=C"]);
    initdb.args(["--auth=scram-sha-256", "--username", USER]);
    initdb.arg("--pwfile").arg(&password_file);
    initdb.arg("--pgdata").arg(data(folder));
    finish(&programs.initdb, &mut initdb)?;
    Ok(())
}

fn run(
    programs: &PostgresPrograms,
    account: Option<Account>,
    options: &PostgresOptions,
    folder: &Path,
    port: u16,
) -> Result<Process, ServerError> {
    let mut postgres = command(&programs.postgres, account, folder, QUIT);
    postgres.arg("-D").arg(data(folder));
    postgres.envs(options.variables.iter().cloned());
    let mut set = |name: &str, value: &str| {
        postgres.arg("-c").arg(format!("{name}={value}"));
    };
    set("port", &port.to_string());
    set("listen_addresses", "127.0.0.1");
    // A socket's path may have 107 bytes at most, and nobody needs one.
    set("unix_socket_directories", "");
    set("max_connections", "200");
    if !options.stock_memory {
        set("shared_buffers", "64MB");
        // Files in the folder, which are removed with it even after a kill.
        set("dynamic_shared_memory_type", "mmap");
    }
    if !options.durable {
        // Only this: without `synchronous_commit` a kill would lose what was committed.
        set("fsync", "off");
    }
    Process::start(NAME, postgres, port, QUIT)
}

/// What `command`, which runs `program`, prints on its standard output.
fn finish(program: &Path, command: &mut Command) -> Result<String, ServerError> {
    let output = command.output().map_err(|source| ServerError::Spawn {
        program: program.to_owned(),
        source,
    })?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if !output.status.success() {
        return Err(ServerError::Failed {
            program: program.to_owned(),
            output: text(&output.stderr),
        });
    }
    Ok(text(&output.stdout))
}
