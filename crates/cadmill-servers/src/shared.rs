//! The servers that all tests of a process share.
//!
//! A variable names each of them; where it is not set, a private server is started when a test first
//! asks for it. That server and its folder go with this process, however it ends.

use std::{
    env,
    error::Error as _,
    io,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::LazyLock,
};

use nix::{sys::signal::Signal, unistd::Pid};

use crate::{Postgres, Redis, S3, error::ServerError};

/// The variable with the URL of a PostgreSQL database whose user may make further databases.
pub const POSTGRES_URL: &str = "CADMILL_TEST_POSTGRES_URL";
/// The variable with the URL of a Redis server.
pub const REDIS_URL: &str = "CADMILL_TEST_REDIS_URL";
/// The variable with the URL of an S3 server that lets everybody in.
pub const S3_ENDPOINT: &str = "CADMILL_TEST_S3_ENDPOINT";

/// Where `cargo xtask test` installs the S3 server, below the folder that cargo builds in.
const MOTO_SERVER: &str = "servers/s3/bin/moto_server";

/// Waits for the end of standard input, ends process `$1` by the signal `$2`, and removes folder `$3`.
const CLEAN_UP: &str = r#"
cat >/dev/null
kill -s "$2" "$1" 2>/dev/null
for try in 1 2 3 4 5 6 7 8 9; do
    rm -rf -- "$3" 2>/dev/null && break
    sleep 0.2
done
"#;

/// A server in a `static`, which is never dropped: a process of its own cleans up behind it.
#[derive(Debug)]
struct Kept<T> {
    server: T,
    _cleaner: Child,
}

static POSTGRES: LazyLock<Result<Kept<Postgres>, ServerError>> =
    LazyLock::new(|| keep(Postgres::start()?, Postgres::quit));
static REDIS: LazyLock<Result<Kept<Redis>, ServerError>> =
    LazyLock::new(|| keep(Redis::start()?, Redis::quit));
static S3: LazyLock<Result<Kept<S3>, ServerError>> =
    LazyLock::new(|| keep(S3::start(&moto_server()?)?, S3::quit));

/// The URL of a PostgreSQL database whose user may make further databases.
///
/// # Panics
/// If no server is named and none can be started; the message says what is missing.
#[must_use]
pub fn postgres_url() -> String {
    url(POSTGRES_URL, &POSTGRES, Postgres::url)
}

/// The URL of a Redis server. Other tests use it, too.
///
/// # Panics
/// If no server is named and none can be started; the message says what is missing.
#[must_use]
pub fn redis_url() -> String {
    url(REDIS_URL, &REDIS, Redis::url)
}

/// The URL of an S3 server that lets everybody in.
///
/// # Panics
/// If no server is named and none can be started; the message says what is missing.
#[must_use]
pub fn s3_endpoint() -> String {
    url(S3_ENDPOINT, &S3, S3::endpoint)
}

fn url<T>(
    variable: &str,
    server: &'static LazyLock<Result<Kept<T>, ServerError>>,
    url: fn(&T) -> String,
) -> String {
    if let Ok(url) = env::var(variable) {
        return url;
    }
    match &**server {
        Ok(kept) => url(&kept.server),
        Err(error) => {
            let cause = error.source().map(|cause| format!(": {cause}"));
            panic!("{error}{}", cause.unwrap_or_default())
        }
    }
}

/// What ends a server at once: its process, a signal, and the folder that it leaves.
pub(crate) type Quit<'a> = (Pid, Signal, &'a Path);

fn keep<T>(server: T, quit: fn(&T) -> Option<Quit<'_>>) -> Result<Kept<T>, ServerError> {
    let (pid, signal, folder) = quit(&server).ok_or(ServerError::NotRunning {
        server: "the server that was just started",
    })?;
    let signal = signal.as_str().trim_start_matches("SIG");
    let cleaner = Command::new("sh")
        .args(["-c", CLEAN_UP, "sh", &pid.to_string(), signal])
        .arg(folder)
        // Only our end of the pipe is open, so that its end is ours.
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .current_dir("/")
        // A Ctrl-C for this process is none for it.
        .process_group(0)
        .spawn();
    let cleaner = cleaner.map_err(|source| ServerError::Spawn {
        program: PathBuf::from("sh"),
        source,
    })?;
    Ok(Kept {
        server,
        _cleaner: cleaner,
    })
}

/// The S3 server that `cargo xtask test` has installed where this program was built.
fn moto_server() -> Result<PathBuf, ServerError> {
    let program = env::current_exe().map_err(|source: io::Error| ServerError::System {
        what: "path of this program",
        source,
    })?;
    program
        .ancestors()
        .map(|folder| folder.join(MOTO_SERVER))
        .find(|file| file.is_file())
        .ok_or(ServerError::NoS3Server)
}
