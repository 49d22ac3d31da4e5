//! The README shows what the command really prints.

use std::{fs, path::Path};

use crate::{
    milled::fresh_folder,
    program::{Ended, cadmill},
};

const SAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/samples");

/// What the README shows below `$ command`, without the lines of progress.
fn shown(command: &str) -> String {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md");
    let readme = fs::read_to_string(readme).unwrap();
    let prompt = format!("$ {command}\n");
    let start = readme.find(&prompt).expect("the README has it") + prompt.len();
    let (shown, _) = readme[start..].split_once("```").unwrap();
    let lines = shown.split_inclusive('\n');
    lines.filter(|line| !line.starts_with("[1/")).collect()
}

#[track_caller]
fn check(folder: &Path, arguments: &str) {
    let mut command = cadmill();
    command.args(arguments.split(' ')).current_dir(folder);
    let ended = Ended::from(command.output().unwrap()).succeeded();
    assert_eq!(ended.stdout, shown(&format!("cadmill {arguments}")));
}

#[test]
fn converting_prints_what_the_readme_shows() {
    let folder = fresh_folder("readme");
    fs::copy(
        Path::new(SAMPLES).join("gearbox.step"),
        folder.join("gearbox.step"),
    )
    .unwrap();
    check(
        &folder,
        "convert gearbox.step -o media --kinds glb,usd,web-glb,thumbnail",
    );
}

#[test]
fn inspecting_prints_what_the_readme_shows() {
    check(Path::new(SAMPLES), "inspect inch-cube.step");
}
