//! `wrk`, which asks again and again from a process of its own.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};

use crate::{process, workspace::Workspace};

/// A round of questions.
#[derive(Debug, Clone, Copy)]
pub(super) struct Load<'a> {
    pub(super) url: &'a str,
    /// A header that is sent along.
    pub(super) header: &'a str,
    pub(super) seconds: u32,
    /// How many clients there are; each asks anew when it has its answer.
    pub(super) clients: u32,
    /// How many files are asked for in turn, if the URL is not all of it.
    pub(super) files: Option<usize>,
}

/// What a round came to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Answers {
    pub(super) per_s: f64,
    pub(super) bytes_per_s: f64,
    pub(super) p50_ms: f64,
    pub(super) p99_ms: f64,
}

impl Load<'_> {
    /// Asks, and tells how it was answered.
    ///
    /// # Errors
    /// If a single question was not answered well.
    pub(super) fn run(&self, workspace: &Workspace) -> Result<Answers> {
        let printed = process::output(&mut self.command(&script(workspace)))?;
        Answers::read(&printed).with_context(|| format!("of {}", self.url))
    }

    fn command(&self, script: &Path) -> Command {
        let mut command = Command::new("wrk");
        command.args(["--threads", "1", "--timeout", "60s"]);
        command.args(["--connections", &self.clients.to_string()]);
        command.args(["--duration", &format!("{}s", self.seconds)]);
        command.args(["--header", self.header]);
        command.arg("--script").arg(script).arg(self.url);
        if let Some(files) = self.files {
            command.args(["--", &files.to_string()]);
        }
        command
    }
}

fn script(workspace: &Workspace) -> PathBuf {
    workspace.root.join("xtask/bench/load.lua")
}

impl Answers {
    fn read(printed: &str) -> Result<Self> {
        let figure = |name: &str| -> Result<f64> {
            let mut lines = printed.lines();
            let found = lines.find_map(|line| line.strip_prefix(&format!("figure {name} ")));
            let found = found.with_context(|| format!("`wrk` tells no `{name}`:\n{printed}"))?;
            Ok(found.parse()?)
        };
        let failed = figure("failed")?;
        ensure!(
            failed == 0.0,
            "{failed} questions were not answered:\n{printed}"
        );
        Ok(Self {
            per_s: figure("answers_per_s")?,
            bytes_per_s: figure("bytes_per_s")?,
            p50_ms: figure("p50_ms")?,
            p99_ms: figure("p99_ms")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_found_among_what_wrk_prints() {
        let printed = |failed: u32| {
            format!(
                "Running 1s test\n  2 requests in 1s\nfigure failed {failed}\n\
                 figure answers_per_s 2.5\nfigure bytes_per_s 100\nfigure p50_ms 1\n\
                 figure p99_ms 7.25\n"
            )
        };
        let expected = Answers {
            per_s: 2.5,
            bytes_per_s: 100.0,
            p50_ms: 1.0,
            p99_ms: 7.25,
        };
        assert_eq!(Answers::read(&printed(0)).unwrap(), expected);
        assert!(Answers::read(&printed(1)).is_err());
        assert!(Answers::read("Running 1s test\n").is_err());
    }
}
