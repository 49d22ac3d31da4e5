//! The server on the samples: missing scenes are asked for twice and made once.

use std::io::{IsTerminal as _, stdin};

use anyhow::{Context, Result};
use serde::Deserialize;

use super::{SAMPLES, cadmill};
use crate::{process, server::Server, workspace::Workspace};

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
    let server = Server::start(cadmill(workspace, &["serve", "--listen", "127.0.0.1:0"]))?;
    for _ in 0..2 {
        show(&["generate-missing", "canonical-scenes"])?;
    }
    show(&["generate-missing", "usd-masters", "--wait"])?;
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
    let token = process::output(&mut cadmill(workspace, TOKEN))?;
    println!("\n{}", guide(&server.address, token.trim()));
    // Nobody who is not there can stop it.
    if stdin().is_terminal() {
        println!("The server goes on until Ctrl-C.");
        return server.wait();
    }
    server.stop()
}

/// A token to try the API with.
const TOKEN: &[&str] = &[
    "token",
    "create",
    "--name",
    "to try",
    "--role",
    "admin",
    "--expires-in",
    "1d",
];

/// What one can try.
fn guide(address: &str, token: &str) -> String {
    let curl = format!("curl -sS -H 'Authorization: Bearer {token}'");
    format!(
        "{address}/docs shows what can be asked. The token, good for a day, is {token}. Try:\n\n\
         {curl} '{address}/api/cad?limit=2'\n\
         {curl} -F 'file=@{SAMPLES}/gearbox.step' {address}/api/cad\n\
         {curl} -X POST {address}/api/admin/generate-missing-usd-masters"
    )
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
