//! Materials that are laid over the parts.

use std::fs;

use crate::bench::Bench;

#[track_caller]
fn check(materials: &str, expected: &str) {
    let bench = Bench::new();
    bench.step("a.step", "");
    bench.write("m.json", materials);
    let ended = bench.run(&["convert", "a.step", "-o", "out", "--materials", "m.json"]);
    assert_eq!(ended.with(2).stderr, format!("error: {expected}\n"));
    assert!(!bench.path("out").exists());
}

#[test]
fn a_mistake_is_told_with_its_file_line_and_key() {
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
    let bench = Bench::new();
    bench.step("a.step", "");
    bench.run(&["convert", "a.step"]).with(0);
    let plain = fs::read(bench.path("a.glb")).unwrap();
    bench.write(
        "m.json",
        r##"{"cube": {"color": "#00ff00"}, "nut": {"color": "#ff0000"}}"##,
    );

    let mut command = bench.command(&["convert", "a.step", "--materials", "m.json"]);
    let without = command
        .env("CADMILL_TESSELLATOR", "/no/such/program")
        .output();
    let ended = crate::bench::Ended::from(without.unwrap()).with(0);
    assert!(
        ended.stdout.contains("note: no part is named `nut`"),
        "{}",
        ended.stdout
    );
    assert_ne!(fs::read(bench.path("a.glb")).unwrap(), plain);

    bench.run(&["convert", "a.step"]).with(0);
    assert_eq!(fs::read(bench.path("a.glb")).unwrap(), plain);
}
