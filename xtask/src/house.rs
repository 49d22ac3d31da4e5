//! House rules that the compiler cannot see: what lies where, and words that do not belong.

use std::{collections::BTreeSet, fs, path::Path, process::Command};

use anyhow::Result;

use crate::{process, workspace::Workspace};

/// What may lie at the top, besides dot-files.
const TOP: &[&str] = &[
    "CHANGELOG.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
    "crates",
    "docker",
    "docs",
    "migrations",
    "rust-toolchain.toml",
    "xtask",
];

/// Parts of a path that only generated files have.
const GENERATED: &[&str] = &[
    "__pycache__",
    "cadmill-data",
    "cadmill-media",
    "node_modules",
    "target",
];

/// Ends of the names of generated files.
const GENERATED_ENDS: &[&str] = &[".o", ".pyc", ".rlib", ".snap.new", ".so"];

/// Rust that leaves something undone, skipped or silenced; split, so that this list does not find
/// itself.
const UNWANTED: &[&str] = &[
    concat!("to", "do!("),
    concat!("unimple", "mented!("),
    concat!("#[ig", "nore"),
    concat!("#[should_", "panic"),
    concat!("#[al", "low("),
    concat!("#![al", "low("),
];

/// The files that git knows, or would know if they were added.
pub(crate) fn files(workspace: &Workspace) -> Result<BTreeSet<String>> {
    let mut git = Command::new("git");
    let list = [
        "ls-files",
        "-z",
        "--cached",
        "--others",
        "--exclude-standard",
    ];
    let listed = process::output(git.args(list).current_dir(&workspace.root))?;
    Ok(listed.split_terminator('\0').map(str::to_owned).collect())
}

/// What breaks a house rule among the files that git knows, each in one line.
pub(crate) fn broken(workspace: &Workspace) -> Result<Vec<String>> {
    let paths = files(workspace)?;
    let mut broken: BTreeSet<String> = paths.iter().filter_map(|path| misplaced(path)).collect();
    for path in &paths {
        // A file that git knows may have been deleted, and pictures are no text.
        if let Ok(text) = fs::read_to_string(workspace.root.join(path)) {
            broken.extend(unwanted(path, &text));
        }
    }
    Ok(broken.into_iter().collect())
}

/// What is wrong with the place of the file at `path`.
fn misplaced(path: &str) -> Option<String> {
    let mut parts = path.split('/');
    let top = parts.next()?;
    if !top.starts_with('.') && !TOP.contains(&top) {
        return Some(format!("{top}: does not belong at the top"));
    }
    let is_generated = path.split('/').any(|part| GENERATED.contains(&part))
        || GENERATED_ENDS.iter().any(|end| path.ends_with(end));
    is_generated.then(|| format!("{path}: is generated, so it is not committed"))
}

/// What does not belong into the `text` of the file at `path`.
fn unwanted(path: &str, text: &str) -> Vec<String> {
    let is = |extension: &str| Path::new(path).extension().is_some_and(|e| e == extension);
    if path.ends_with("package-lock.json") && text.contains("\"resolved\"") {
        return vec![format!("{path}: names the registry that it was made with")];
    }
    if !is("rs") {
        return Vec::new();
    }
    let mut found = Vec::new();
    if !text.trim_start().starts_with("//!") && !path.ends_with("build.rs") {
        found.push(format!(
            "{path}:1: has no `//!` line that says what lives there"
        ));
    }
    for (number, line) in text.lines().enumerate() {
        for word in UNWANTED.iter().filter(|word| line.contains(**word)) {
            found.push(format!("{path}:{}: has `{word}`", number + 1));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_belong_is_found() {
        for path in [
            "clippy.toml",
            "src/lib.rs",
            "crates/a/node_modules/b.js",
            "docs/a.pyc",
            "xtask/target/debug/xtask",
        ] {
            assert!(misplaced(path).is_some(), "{path}");
        }
        for path in [
            ".clippy.toml",
            "crates/a/src/lib.rs",
            "docs/samples/cube.step",
        ] {
            assert_eq!(misplaced(path), None);
        }
    }

    #[test]
    fn unwanted_words_are_found_with_their_line() {
        for word in UNWANTED {
            let text = format!("//! Head.\n\n    {word}x)]\n");
            let found = unwanted("crates/a/src/lib.rs", &text);
            assert_eq!(found, [format!("crates/a/src/lib.rs:3: has `{word}`")]);
        }
        assert_eq!(unwanted("a.rs", "fn main() {}").len(), 1);
        assert_eq!(unwanted("a.rs", "//! Head.\nfn main() {}").len(), 0);
        assert_eq!(unwanted("a/package-lock.json", "\"resolved\": 1").len(), 1);
    }
}
