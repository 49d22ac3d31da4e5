//! A running `cadmill serve`, and requests to it.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    process::{Child, ChildStdout, Command, Stdio},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;

use crate::test_dir::TestDir;

/// A running server.
pub(crate) struct Server {
    process: Child,
    pub(crate) output: BufReader<ChildStdout>,
    pub(crate) address: String,
}

impl Server {
    pub(crate) fn start(dir: &TestDir, variables: &[(&str, &str)]) -> Self {
        let mut command = dir.command(&["serve"]);
        command
            .envs(variables.iter().copied())
            .stderr(Stdio::null());
        Self::spawn(command)
    }

    /// Starts the server of this command.
    pub(crate) fn spawn(mut command: Command) -> Self {
        let mut process = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut output = BufReader::new(process.stdout.take().unwrap());
        let line = line(&mut output);
        let address = line.split_once("http://").unwrap().1;
        let address = address.split(';').next().unwrap().to_owned();
        Self {
            process,
            output,
            address,
        }
    }

    /// Sends a request, and returns status, headers and body of the response.
    pub(crate) fn send(
        &self,
        request: &str,
        headers: &[&str],
        body: &[u8],
    ) -> (u16, String, Vec<u8>) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let (address, length) = (&self.address, body.len());
        let mut head = format!(
            "{request} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {length}\r\n"
        );
        for header in headers {
            head.extend([header, "\r\n"]);
        }
        stream.write_all(format!("{head}\r\n").as_bytes()).unwrap();
        stream.write_all(body).unwrap();
        let mut response = Vec::new();
        stream.read_to_end(&mut response).unwrap();
        let end = response.windows(4).position(|four| four == b"\r\n\r\n");
        let (head, body) = response.split_at(end.unwrap() + 4);
        let head = String::from_utf8(head.to_vec()).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, head, body.to_vec())
    }

    pub(crate) fn json(&self, request: &str, token: &str, body: &Value) -> (u16, Value) {
        let bearer = format!("Authorization: Bearer {token}");
        let headers = [bearer.as_str(), "Content-Type: application/json"];
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let (status, head, body) = self.send(request, &headers, body.as_bytes());
        let body = serde_json::from_slice(&body).unwrap_or_else(|_| panic!("{head}"));
        (status, body)
    }

    /// The maximum resident memory so far, in KiB.
    #[cfg(target_os = "linux")]
    pub(crate) fn peak_kib(&self) -> u64 {
        let status = format!("/proc/{}/status", self.process.id());
        let status = std::fs::read_to_string(status).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.unwrap().trim().strip_suffix("kB").unwrap();
        kib.trim().parse().unwrap()
    }

    #[track_caller]
    pub(crate) fn stop(mut self) {
        kill(Pid::from_raw(self.process.id() as i32), Signal::SIGTERM).unwrap();
        assert!(self.process.wait().unwrap().success());
    }

    /// Kills it, like a crash.
    pub(crate) fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

/// Reads a line.
pub(crate) fn line(output: &mut BufReader<ChildStdout>) -> String {
    let mut line = String::new();
    output.read_line(&mut line).unwrap();
    line.trim_end().to_owned()
}

/// A multipart body with one file, and its media type.
pub(crate) fn multipart(name: &str, text: &str) -> (String, Vec<u8>) {
    let body = format!(
        "--cut\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\
         Content-Type: model/step\r\n\r\n{text}\r\n--cut--\r\n"
    );
    let kind = "Content-Type: multipart/form-data; boundary=cut".to_owned();
    (kind, body.into_bytes())
}
