//! `cargo xtask run`: from nothing to media that one can look at.

mod pipeline;

use std::{fs, path::Path, process::Command};

use anyhow::{Context, Result};
use serde::Deserialize;
use walkdir::WalkDir;

use crate::{
    packages::{self, Consent},
    process,
    workspace::Workspace,
};

pub(crate) fn run(workspace: &Workspace, consent: Consent) -> Result<()> {
    packages::ensure(packages::BUILD, consent)?;
    build_release(workspace)?;
    let media = workspace.root.join("cadmill-media");
    let mut convert = cadmill(workspace, &["convert", SAMPLES, "-o"]);
    convert
        .arg(&media)
        .args(["--kinds", "glb,usd,web-glb,thumbnail"]);
    process::run(&mut convert)?;
    println!("\nThe media are in {}:", media.display());
    for record in records(&media) {
        println!("  {}", summary(&record)?);
    }
    pipeline::run(workspace)
}

/// The samples, seen from the root.
const SAMPLES: &str = "docs/samples";

/// The command as it was built, in the root of the workspace.
fn cadmill(workspace: &Workspace, arguments: &[&str]) -> Command {
    let mut command = Command::new(workspace.binary("release", "cadmill"));
    command.args(arguments).current_dir(&workspace.root);
    command
}

/// Builds `cadmill` and its tessellator as they are shipped.
pub(crate) fn build_release(workspace: &Workspace) -> Result<()> {
    let packages = ["--release", "-p", "cadmill", "-p", "cadmill-occt"];
    process::run(process::cargo(workspace).arg("build").args(packages))
}

fn records(media: &Path) -> Vec<std::path::PathBuf> {
    WalkDir::new(media)
        .sort_by_file_name()
        .into_iter()
        .filter_map(Result::ok)
        .map(walkdir::DirEntry::into_path)
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "json")
        })
        .collect()
}

/// What a summary says of a record that `cadmill convert` wrote.
#[derive(Debug, Deserialize)]
struct Record {
    media: Vec<Medium>,
    tessellation: Tessellation,
}

#[derive(Debug, Deserialize)]
struct Medium {
    file: String,
    bytes: u64,
}

#[derive(Debug, Deserialize)]
struct Tessellation {
    parts: u64,
    occurrences: u64,
    triangles: u64,
}

/// One line about the record in `file`.
fn summary(file: &Path) -> Result<String> {
    let text =
        fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))?;
    let record: Record =
        serde_json::from_str(&text).with_context(|| format!("{} is no record", file.display()))?;
    let name = file.file_stem().unwrap_or_default().display();
    Ok(format!("{name}: {}", record.in_words()))
}

impl Record {
    fn in_words(&self) -> String {
        let found = &self.tessellation;
        let counts = [
            counted(found.parts, "part"),
            counted(found.occurrences, "occurrence"),
            counted(found.triangles, "triangle"),
        ];
        let media = self.media.iter().map(|medium| {
            let kilobytes = medium.bytes.div_ceil(1000);
            format!("{} {kilobytes} kB", medium.file)
        });
        let media: Vec<String> = media.collect();
        format!("{}; {}", counts.join(", "), media.join(", "))
    }
}

fn counted(count: u64, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_told_in_one_line() {
        let json = r#"{
            "media": [
                {"kind": "gltf_geometry", "file": "cube.glb", "bytes": 1500, "sha256": ""},
                {"kind": "usd_master", "file": "cube.usdz", "bytes": 2000, "sha256": ""}
            ],
            "tessellation": {"parts": 1, "occurrences": 2, "triangles": 12, "kernel": ""}
        }"#;
        let record: Record = serde_json::from_str(json).unwrap();
        assert_eq!(
            record.in_words(),
            "1 part, 2 occurrences, 12 triangles; cube.glb 2 kB, cube.usdz 2 kB"
        );
    }
}
