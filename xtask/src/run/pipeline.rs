//! The embedded pipeline on the samples: missing scenes are asked for twice and made once.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use super::{SAMPLES, cadmill};
use crate::{process, workspace::Workspace};

/// What `cadmill status --json` says of a file.
#[derive(Debug, Deserialize)]
struct Story {
    file: File,
    media: Vec<Medium>,
}

#[derive(Debug, Deserialize)]
struct File {
    name: String,
}

#[derive(Debug, Deserialize)]
struct Medium {
    kind: String,
    blob: Blob,
}

#[derive(Debug, Deserialize)]
struct Blob {
    bytes: u64,
}

pub(super) fn run(workspace: &Workspace) -> Result<()> {
    println!("\nThe same samples through the pipeline, which keeps everything in cadmill-data:");
    let show = |arguments: &[&str]| process::run(&mut cadmill(workspace, arguments));
    show(&["import", SAMPLES, "--later"])?;
    let server = Server::start(cadmill(workspace, &["serve"]))?;
    for _ in 0..2 {
        show(&["generate-missing", "canonical-scenes"])?;
    }
    show(&["generate-missing", "usd-masters", "--wait"])?;
    server.stop()?;
    let samples = workspace.root.join(SAMPLES);
    let mut names: Vec<_> = samples
        .read_dir()?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "step")
        })
        .filter_map(|path| Some(path.file_name()?.to_str()?.to_owned()))
        .collect();
    names.sort();
    for name in names {
        let status = process::output(&mut cadmill(workspace, &["status", &name, "--json"]))?;
        let story: Story =
            serde_json::from_str(&status).context("the status is not as expected")?;
        println!("  {}", story.in_words());
    }
    Ok(())
}

impl Story {
    fn in_words(&self) -> String {
        let media = self.media.iter().rev().map(|medium| {
            let kilobytes = medium.blob.bytes.div_ceil(1000);
            format!("{} {kilobytes} kB", medium.kind)
        });
        let media: Vec<String> = media.collect();
        format!("{}: {}", self.file.name, media.join(", "))
    }
}

/// `cadmill serve`, which is stopped when this is dropped.
struct Server(Child);

impl Server {
    /// Starts it and waits until it works.
    fn start(mut command: Command) -> Result<Self> {
        println!("$ cadmill serve &");
        command.stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command
            .spawn()
            .context("`cadmill serve` cannot be started")?;
        let output = child.stdout.take().context("it has no output")?;
        let server = Self(child);
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        ensure!(
            !line.is_empty(),
            "`cadmill serve` ended at once; run it by hand to see why"
        );
        print!("{line}");
        Ok(server)
    }

    fn stop(mut self) -> Result<()> {
        self.terminate();
        let status = self.0.wait()?;
        ensure!(status.success(), "`cadmill serve` ended with {status}");
        Ok(())
    }

    fn terminate(&self) {
        // If there is no `kill`, it is killed when this is dropped.
        process::succeeds(Command::new("kill").arg(self.0.id().to_string()));
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        if let Ok(None) = self.0.try_wait() {
            drop(self.0.kill());
            drop(self.0.wait());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_are_told_in_one_line() {
        let json = r#"{
            "file": {"name": "cube.step", "id": ""},
            "work": {},
            "media": [
                {"kind": "usd_master", "blob": {"bytes": 2000, "sha256": ""}},
                {"kind": "gltf_geometry", "blob": {"bytes": 1500, "sha256": ""}}
            ],
            "timeline": []
        }"#;
        let story: Story = serde_json::from_str(json).unwrap();
        assert_eq!(
            story.in_words(),
            "cube.step: gltf_geometry 2 kB, usd_master 2 kB"
        );
    }
}
