//! The server under test, and what is asked of it one at a time, by `curl`.

use std::{
    path::Path,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use crate::{bench::measure, process, server::Server, workspace::Workspace};

/// How long two uploads may take to be read, so that their tessellation begins.
const PATIENCE: Duration = Duration::from_mins(1);

/// `cadmill serve` on a folder of its own, with a token for everything.
#[derive(Debug)]
pub(super) struct Site {
    server: Server,
    token: String,
}

/// What `generate-missing` answers.
#[derive(Debug, Deserialize)]
pub(super) struct Counts {
    pub(super) queued: usize,
    pub(super) in_flight: usize,
}

impl Site {
    /// Starts it with two slots, and with a tessellator other than its own if one is named.
    pub(super) fn start(
        workspace: &Workspace,
        folder: &Path,
        tessellator: Option<&Path>,
    ) -> Result<Self> {
        let cadmill = |arguments: &[&str]| {
            let mut command = Command::new(workspace.binary("release", "cadmill"));
            command.args(arguments).arg("--data-dir").arg(folder);
            command
        };
        let mut serve = cadmill(&["serve", "--listen", "127.0.0.1:0", "--slots", "2"]);
        if let Some(program) = tessellator {
            serve.env("CADMILL_TESSELLATOR", program);
        }
        let server = Server::start(serve)?;
        let token = ["token", "create", "--name", "bench", "--role", "admin"];
        let token = process::output(&mut cadmill(&token))?;
        let token = token.trim().to_owned();
        Ok(Self { server, token })
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.server.address)
    }

    /// The header that opens everything.
    pub(super) fn header(&self) -> String {
        format!("Authorization: Bearer {}", self.token)
    }

    fn curl(&self, arguments: &[&str], path: &str) -> Result<String> {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error", "--fail-with-body"]);
        curl.args(["--header", &self.header()]);
        process::output(curl.args(arguments).arg(self.url(path)))
    }

    pub(super) fn upload(&self, file: &Path) -> Result<()> {
        let form = format!("file=@{}", file.display());
        self.curl(&["--form", &form], "/api/cad").map(drop)
    }

    /// Asks for all scenes that are missing; how long that took, in seconds.
    pub(super) fn click(&self) -> Result<(Counts, f64)> {
        let arguments = ["--json", "{}", "--write-out", "\n%{time_total}"];
        let answer = self.curl(&arguments, "/api/admin/generate-missing-canonical-scenes")?;
        let (counts, seconds) = answer.rsplit_once('\n').context("the time is not told")?;
        Ok((serde_json::from_str(counts)?, seconds.parse()?))
    }

    /// Waits until both slots have a tessellator.
    pub(super) fn wait_for_tessellators(&self) -> Result<()> {
        let begin = Instant::now();
        while !self.is_tessellating() {
            ensure!(begin.elapsed() < PATIENCE, "two tessellators do not start");
            thread::park_timeout(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Whether two tessellators run now.
    pub(super) fn is_tessellating(&self) -> bool {
        measure::children(self.server.id()).len() == 2
    }
}
