//! Materials from a document.

use std::fs;

use crate::test_dir::TestDir;

#[track_caller]
fn check(materials: &str, expected: &str) {
    let dir = TestDir::new();
    dir.step("a.step", "");
    dir.write("m.json", materials);
    let ended = dir.run(&["convert", "a.step", "-o", "out", "--materials", "m.json"]);
    assert_eq!(ended.expect_exit(2).stderr, format!("error: {expected}\n"));
    assert!(!dir.path("out").exists());
}

#[test]
fn an_error_has_file_line_and_key() {
    check(
        "{\n  \"bolt\": {\n    \"color\": \"red\"\n  }\n}",
        "the materials cannot be used: m.json, line 3, key `bolt.color`: `red` is not a colour: \
         write it as #rrggbb",
    );
    check(
        "{\"manual_overrides\": {\n\"bolt\": {\"color\": \"#ff0000\", \"roughness\": 7}}}",
        "the materials cannot be used: m.json, line 2: `roughness` of `bolt` must lie between 0 \
         and 1, not 7",
    );
}

#[test]
fn new_materials_need_no_tessellator() {
    let dir = TestDir::new();
    dir.step("a.step", "");
    dir.run(&["convert", "a.step"]).expect_exit(0);
    let plain = fs::read(dir.path("a.glb")).unwrap();
    dir.write(
        "m.json",
        r##"{"cube": {"color": "#00ff00"}, "nut": {"color": "#ff0000"}}"##,
    );

    let mut command = dir.command(&["convert", "a.step", "--materials", "m.json"]);
    let without = command
        .env("CADMILL_TESSELLATOR", "/no/such/program")
        .output();
    let ended = crate::test_dir::CommandOutput::from(without.unwrap()).expect_exit(0);
    assert!(
        ended.stdout.contains("note: no part is named `nut`"),
        "{}",
        ended.stdout
    );
    assert_ne!(fs::read(dir.path("a.glb")).unwrap(), plain);

    dir.run(&["convert", "a.step"]).expect_exit(0);
    assert_eq!(fs::read(dir.path("a.glb")).unwrap(), plain);
}
