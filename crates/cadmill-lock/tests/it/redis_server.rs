//! A Redis of our own, to be broken.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

/// A running `redis-server`, killed when dropped.
pub(crate) struct RedisServer {
    folder: TempDir,
    port: u16,
    password: &'static str,
    arguments: Vec<String>,
    process: Child,
}

impl RedisServer {
    pub(crate) fn start() -> Self {
        Self::with_password("")
    }

    pub(crate) fn with_password(password: &'static str) -> Self {
        let mut server = Self::start_with(|_, port| {
            let port = port.to_string();
            ["--port", &port, "--requirepass", password].map(str::to_owned)
        });
        server.password = password;
        server
    }

    /// Starts one with the arguments that are made for its folder and its port.
    pub(crate) fn start_with<const N: usize>(
        arguments: impl FnOnce(&Path, u16) -> [String; N],
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = free_port();
        let arguments = arguments(folder.path(), port).to_vec();
        let process = spawn(&folder, port, &arguments);
        Self {
            folder,
            port,
            password: "",
            arguments,
            process,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://:{}@127.0.0.1:{}", self.password, self.port)
    }

    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Kills it, and with it all it knew.
    pub(crate) fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Starts it again after it was killed.
    pub(crate) fn start_again(&mut self) {
        self.process = spawn(&self.folder, self.port, &self.arguments);
    }

    /// It still runs, but does nothing.
    pub(crate) fn freeze(&self) {
        self.send_signal("-STOP");
    }

    /// It goes on.
    pub(crate) fn thaw(&self) {
        self.send_signal("-CONT");
    }

    fn send_signal(&self, signal: &str) {
        let id = self.process.id().to_string();
        let status = Command::new("kill").args([signal, &id]).status().unwrap();
        assert!(status.success());
    }

    /// Sends one command as any other client would, and returns what it answers.
    pub(crate) fn command(&self, command: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        write!(stream, "{command}\r\n").unwrap();
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let line = line.trim_end().to_owned();
        match line.strip_prefix('$').map(str::parse::<usize>) {
            Some(Ok(length)) => {
                let mut text = vec![0; length];
                reader.read_exact(&mut text).unwrap();
                String::from_utf8(text).unwrap()
            }
            _ => line,
        }
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A port that nobody listens on.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

fn spawn(folder: &TempDir, port: u16, arguments: &[String]) -> Child {
    let process = Command::new("redis-server")
        .args(arguments)
        .args(["--save", "", "--appendonly", "no", "--dir"])
        .arg(folder.path())
        .stdout(Stdio::null())
        .spawn()
        .expect("`redis-server` is needed on the path");
    let started = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(
            started.elapsed() < Duration::from_secs(20),
            "it does not start"
        );
        thread::yield_now();
    }
    process
}
