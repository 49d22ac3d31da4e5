//! A private S3 server: Moto, which answers as S3 does and keeps everything in memory.

use std::{
    io::{self, Read as _, Write as _},
    net::TcpStream,
    path::Path,
};

use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::{error::ServerError, fresh, process::Process, programs, shared::Quit};

const NAME: &str = "S3";

/// A private S3 server. Dropping it ends the server; its buckets are gone.
#[derive(Debug)]
pub struct S3 {
    port: u16,
    // Dropped before the folder that it works in.
    process: Process,
    folder: TempDir,
}

impl S3 {
    /// Starts a server without buckets, which lets everybody in.
    ///
    /// `moto_server` is the program of the Python packages in `requirements-s3.txt`.
    ///
    /// # Errors
    /// If the program is missing or fails, with what it said.
    pub fn start(moto_server: &Path) -> Result<Self, ServerError> {
        let folder = fresh::folder(NAME, None)?;
        let (port, process) = fresh::on_a_free_port(|port| {
            // It has nothing to save that a quick end would spoil.
            let quit = Signal::SIGKILL;
            let mut command = programs::command(moto_server, quit);
            command
                .args(["--host", "127.0.0.1", "--port", &port.to_string()])
                .env("PYTHONUNBUFFERED", "1")
                .current_dir(folder.path());
            Process::start(NAME, command, port, quit)
        })?;
        Ok(Self {
            port,
            process,
            folder,
        })
    }

    /// Its URL, `http://127.0.0.1:port`.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// What ends it at once, while it runs.
    pub(crate) fn quit(&self) -> Option<Quit<'_>> {
        let (pid, signal) = self.process.quit()?;
        Some((pid, signal, self.folder.path()))
    }
}

/// Makes a bucket on the S3 server at `endpoint`, which lets everybody in.
///
/// # Errors
/// If it does not answer, or refuses.
pub fn create_bucket(endpoint: &str, bucket: &str) -> io::Result<()> {
    let address = endpoint.trim_start_matches("http://").trim_end_matches('/');
    let mut server = TcpStream::connect(address)?;
    write!(
        server,
        "PUT /{bucket} HTTP/1.1\r\nHost: {address}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    )?;
    let mut answer = String::new();
    server.read_to_string(&mut answer)?;
    match answer.lines().next() {
        Some(status) if status.contains(" 200 ") => Ok(()),
        _ => Err(io::Error::other(answer)),
    }
}
