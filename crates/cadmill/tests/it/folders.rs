//! Folders of files, good and bad.

use std::{collections::BTreeMap, fs};

use crate::bench::{Bench, Ended};

#[test]
fn thousands_of_bad_files_are_each_told_and_stop_no_good_one() {
    const BAD: usize = 3000;
    let bench = Bench::new();
    for index in 0..BAD {
        let folder = index % 7;
        bench.write(&format!("in/{folder}/bad{index}.step"), "not STEP");
    }
    bench.step("in/3/good.stp", "");
    let ended = bench.run(&["convert", "in", "-o", "out", "--json", "--kinds", "glb"]);
    let objects = ended.with(3).objects();
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
    assert_eq!(bench.names("out"), ["good.glb", "good.json"]);
}

#[test]
fn the_summary_says_what_failed_and_what_to_do() {
    let bench = Bench::new();
    bench.step("in/a.step", "");
    bench.step("in/b.step", "signal 11");
    bench.step("in/c.step", "silent");
    bench.write("in/d.step", "");
    let ended = bench.run(&[
        "convert", "in", "-o", "out", "--jobs", "1", "--kinds", "glb",
    ]);
    let ended = ended.with(3);
    insta::assert_snapshot!("summary", ended.stdout);
    insta::assert_snapshot!("progress", ended.stderr);
}

#[test]
fn inputs_that_share_a_stem_keep_their_folders() {
    let bench = Bench::new();
    bench.step("in/left/bracket.step", "");
    bench.step("in/right/bracket.step", "");
    bench.step("in/right/plate.step", "");
    bench
        .run(&["convert", "in", "-o", "out", "--kinds", "glb"])
        .with(0);
    assert_eq!(
        bench.names("out"),
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
    let bench = Bench::new();
    bench.write("in/readme.txt", "hello");
    let ended = bench.run(&["convert", "in"]).with(1);
    assert!(ended.stdout.contains("no *.step"), "{}", ended.stdout);
}

#[test]
fn a_missing_tessellator_is_told_with_its_remedy() {
    let bench = Bench::new();
    bench.step("a.step", "");
    let mut command = bench.command(&["convert", "a.step"]);
    let output = command
        .env("CADMILL_TESSELLATOR", "/no/such/program")
        .output();
    let ended = Ended::from(output.unwrap()).with(1);
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
fn the_number_of_jobs_does_not_change_a_byte() {
    let bench = Bench::new();
    for index in 0..12 {
        bench.step(
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
        bench.run(&arguments).with(0);
        let names = bench.names(&out).into_iter();
        let media = names.filter(|name| !name.contains(".json"));
        media
            .map(|name| (name.clone(), fs::read(bench.path(&out).join(name)).unwrap()))
            .collect::<BTreeMap<_, _>>()
    };
    let one = media("1");
    assert_eq!(one.len(), 48);
    assert!(one == media("8"));
}

#[test]
fn the_loose_layers_are_those_of_the_package() {
    let bench = Bench::new();
    bench.step("a.step", "");
    let arguments = [
        "convert",
        "a.step",
        "-o",
        "out",
        "--kinds",
        "usd",
        "--usd-layers",
    ];
    bench.run(&arguments).with(0);
    let package = fs::read(bench.path("out/a.usdz")).unwrap();
    let layers: Vec<_> = bench.names("out/a.usd");
    assert!(layers.len() > 1, "{layers:?}");
    for layer in layers {
        let bytes = fs::read(bench.path("out/a.usd").join(layer)).unwrap();
        assert!(package.windows(bytes.len()).any(|part| part == bytes));
    }
}
