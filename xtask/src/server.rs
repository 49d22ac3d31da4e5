//! `cadmill serve` beside us: started, asked where it listens, and stopped.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
};

use anyhow::{Context, Result, ensure};

use crate::process;

/// `cadmill serve`, which is stopped when this is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    /// Such as `http://127.0.0.1:8080`.
    pub(crate) address: String,
}

impl Server {
    /// Starts it and waits until it works.
    pub(crate) fn start(mut command: Command) -> Result<Self> {
        eprintln!("$ cadmill serve &");
        command.stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command
            .spawn()
            .context("`cadmill serve` cannot be started")?;
        let output = child.stdout.take().context("it has no output")?;
        let mut server = Self {
            child,
            address: String::new(),
        };
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        let address = line
            .split([' ', ';'])
            .find(|word| word.starts_with("http://"));
        let ended = "`cadmill serve` ended at once; run it by hand to see why";
        address.context(ended)?.clone_into(&mut server.address);
        eprint!("{line}");
        Ok(server)
    }

    /// The number of its process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Lets it end in good order.
    pub(crate) fn stop(self) -> Result<()> {
        self.terminate();
        self.wait()
    }

    /// Waits until it has ended by itself.
    pub(crate) fn wait(mut self) -> Result<()> {
        let status = self.child.wait()?;
        ensure!(status.success(), "`cadmill serve` ended with {status}");
        Ok(())
    }

    fn terminate(&self) {
        // If there is no `kill`, it is killed when this is dropped.
        process::succeeds(Command::new("kill").arg(self.child.id().to_string()));
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        if let Ok(None) = self.child.try_wait() {
            drop(self.child.kill());
            drop(self.child.wait());
        }
    }
}
