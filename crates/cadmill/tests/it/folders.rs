//! Folders of files, good and bad.

use std::{collections::BTreeMap, fs};

use crate::test_dir::{CommandOutput, TestDir};

#[test]
fn thousands_of_bad_files_are_reported_and_stop_no_good_one() {
    const BAD: usize = 3000;
    let dir = TestDir::new();
    for index in 0..BAD {
        let folder = index % 7;
        dir.write(&format!("in/{folder}/bad{index}.step"), "not STEP");
    }
    dir.step("in/3/good.stp", "");
    let ended = dir.run(&["convert", "in", "-o", "out", "--json", "--kinds", "glb"]);
    let objects = ended.expect_exit(3).objects();
    assert_eq!(objects.len(), BAD + 2);
    let failed = objects
        .iter()
        .filter(|object| object["failure"]["code"] == "not_step");
    assert_eq!(failed.count(), BAD);
    let summary = objects.last().unwrap();
    assert_eq!(summary["event"], "summary");
    assert_eq!(summary["converted"], 1);
    assert_eq!(summary["failures"].as_array().unwrap().len(), BAD);
    assert_eq!(summary["exit_code"], 3);
    assert_eq!(dir.names("out"), ["good.glb", "good.json"]);
}

#[test]
fn the_summary_has_failures_and_remedies() {
    let dir = TestDir::new();
    dir.step("in/a.step", "");
    dir.step("in/b.step", "signal 11");
    dir.step("in/c.step", "silent");
    dir.write("in/d.step", "");
    let ended = dir.run(&[
        "convert", "in", "-o", "out", "--jobs", "1", "--kinds", "glb",
    ]);
    let ended = ended.expect_exit(3);
    insta::assert_snapshot!("summary", ended.stdout);
    insta::assert_snapshot!("progress", ended.stderr);
}

#[test]
fn inputs_that_share_a_stem_keep_their_folders() {
    let dir = TestDir::new();
    dir.step("in/left/bracket.step", "");
    dir.step("in/right/bracket.step", "");
    dir.step("in/right/plate.step", "");
    dir.run(&["convert", "in", "-o", "out", "--kinds", "glb"])
        .expect_exit(0);
    assert_eq!(
        dir.names("out"),
        [
            "left/bracket.glb",
            "left/bracket.json",
            "plate.glb",
            "plate.json",
            "right/bracket.glb",
            "right/bracket.json",
        ]
    );
}

#[test]
fn a_folder_without_step_files_is_a_failure() {
    let dir = TestDir::new();
    dir.write("in/readme.txt", "hello");
    let ended = dir.run(&["convert", "in"]).expect_exit(1);
    assert!(ended.stdout.contains("no *.step"), "{}", ended.stdout);
}

#[test]
fn a_missing_tessellator_is_reported_with_its_remedy() {
    let dir = TestDir::new();
    dir.step("a.step", "");
    let mut command = dir.command(&["convert", "a.step"]);
    let output = command
        .env("CADMILL_TESSELLATOR", "/no/such/program")
        .output();
    let ended = CommandOutput::from(output.unwrap()).expect_exit(1);
    assert!(
        ended.stdout.contains("tessellator_missing"),
        "{}",
        ended.stdout
    );
    assert!(
        ended.stdout.contains("CADMILL_TESSELLATOR"),
        "{}",
        ended.stdout
    );
}

#[test]
fn the_number_of_jobs_changes_no_byte() {
    let dir = TestDir::new();
    for index in 0..12 {
        dir.step(
            &format!("in/{index}.step"),
            &format!("first silent {index}"),
        );
    }
    let media = |jobs: &str| {
        let out = format!("out{jobs}");
        let kinds = "glb,usd,web-glb,thumbnail";
        let arguments = [
            "convert", "in", "-o", &out, "--jobs", jobs, "--kinds", kinds,
        ];
        dir.run(&arguments).expect_exit(0);
        let names = dir.names(&out).into_iter();
        let media = names.filter(|name| !name.contains(".json"));
        media
            .map(|name| (name.clone(), fs::read(dir.path(&out).join(name)).unwrap()))
            .collect::<BTreeMap<_, _>>()
    };
    let one = media("1");
    assert_eq!(one.len(), 48);
    assert!(one == media("8"));
}

#[test]
fn the_loose_layers_equal_those_of_the_package() {
    let dir = TestDir::new();
    dir.step("a.step", "");
    let arguments = [
        "convert",
        "a.step",
        "-o",
        "out",
        "--kinds",
        "usd",
        "--usd-layers",
    ];
    dir.run(&arguments).expect_exit(0);
    let package = fs::read(dir.path("out/a.usdz")).unwrap();
    let layers: Vec<_> = dir.names("out/a.usd");
    assert!(layers.len() > 1, "{layers:?}");
    for layer in layers {
        let bytes = fs::read(dir.path("out/a.usd").join(layer)).unwrap();
        assert!(package.windows(bytes.len()).any(|part| part == bytes));
    }
}
