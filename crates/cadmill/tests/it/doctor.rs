//! `cadmill doctor`.

use std::{fs, os::unix::fs::PermissionsExt as _};

use crate::bench::{Bench, Ended};

#[test]
fn what_is_missing_is_told_with_its_remedy() {
    let bench = Bench::new();
    let mut command = bench.command(&["doctor"]);
    let output = command
        .env("CADMILL_TESSELLATOR", "/no/such/program")
        .output();
    let ended = Ended::from(output.unwrap()).with(1);
    let lines: Vec<_> = ended.stdout.lines().collect();
    assert!(lines[0].starts_with("failed  tessellator"), "{lines:?}");
    assert!(lines[1].contains("CADMILL_TESSELLATOR"), "{lines:?}");
    assert!(
        lines.iter().any(|line| line.starts_with("ok      scratch")),
        "{lines:?}"
    );
}

#[test]
fn a_program_that_is_no_tessellator_is_told_as_that() {
    let bench = Bench::new();
    let program = bench.write("broken", "#!/bin/sh\nexit 3\n");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = bench.command(&["doctor"]);
    let output = command.env("CADMILL_TESSELLATOR", program).output();
    let ended = Ended::from(output.unwrap()).with(1);
    let lines: Vec<_> = ended.stdout.lines().collect();
    assert!(
        lines[0].contains("cannot be started. It ended with exit code 3"),
        "{lines:?}"
    );
    assert!(lines[1].contains("CADMILL_TESSELLATOR"), "{lines:?}");
    // The cube is sound, so nobody is told to repair it.
    assert!(
        lines[3].contains("Install `cadmill-tessellate` again"),
        "{lines:?}"
    );
}

#[test]
fn a_kernel_that_gets_the_cube_wrong_is_told() {
    // The stand-in makes a cube of 100 mm of every file.
    let ended = Bench::new().run(&["doctor"]).with(1);
    assert!(
        ended
            .stdout
            .contains("ok      tessellator  fake-tessellator 0.1.0")
    );
    assert!(
        ended
            .stdout
            .contains("A cube of 1000 mm³ came out with 1000000 mm³.")
    );
}

#[test]
fn an_output_folder_that_is_not_there_is_told() {
    let ended = Bench::new().run(&["doctor", "-o", "missing"]).with(1);
    let failed = ended
        .stdout
        .lines()
        .find(|line| line.starts_with("failed  output"));
    assert!(failed.unwrap().contains("missing"), "{}", ended.stdout);
}

#[test]
fn what_the_pipeline_stands_on_is_looked_at() {
    let bench = Bench::new();
    let told = |arguments: &[&str]| bench.run(&[&["doctor"], arguments].concat()).with(1).stdout;
    assert!(told(&[]).contains("none in ./cadmill-data yet"));
    bench.run(&["token", "list"]).with(0);
    let works = told(&[]);
    for what in ["database", "lock", "blobs"] {
        assert!(
            works.contains(&format!("ok      {what:<12} works")),
            "{works}"
        );
    }
    fs::remove_dir_all(bench.path("cadmill-data/blobs")).unwrap();
    bench.write("cadmill-data/blobs", "in the way");
    let broken = told(&[]);
    for told in [
        "ok      database",
        "ok      lock",
        "failed  blobs",
        "Check `blobs` in the data folder",
    ] {
        assert!(broken.contains(told), "{broken}");
    }
}

#[test]
fn each_server_that_is_away_is_told_with_its_own_remedy() {
    let bench = Bench::new();
    let mut command = bench.command(&["doctor"]);
    let nowhere = command
        .env(
            "CADMILL_DATABASE_URL",
            "postgres://us:hunter2@127.0.0.1:1/cadmill",
        )
        .env("CADMILL_REDIS_URL", "redis://:hunter2@127.0.0.1:1");
    let told = Ended::from(nowhere.output().unwrap()).with(1).stdout;
    for found in [
        "failed  database",
        "Check `database_url`",
        "failed  lock",
        "Check `redis_url`",
        "ok      blobs",
    ] {
        assert!(told.contains(found), "{told}");
    }
    assert!(!told.contains("hunter2"), "{told}");
}

#[test]
fn a_sandbox_that_is_not_whole_is_a_warning_unless_it_is_required() {
    let bench = Bench::new();
    let mut command = bench.command(&["doctor"]);
    let ended = Ended::from(command.output().unwrap()).with(1);
    let warning = "warning sandbox      It lacks a sandbox: this is a stand-in.";
    assert!(ended.stdout.contains(warning), "{}", ended.stdout);
    let mut command = bench.command(&["doctor"]);
    let required = command.env("CADMILL_REQUIRE_SANDBOX", "true");
    let ended = Ended::from(required.output().unwrap()).with(1);
    let failed = "failed  sandbox      It lacks a sandbox: this is a stand-in.";
    assert!(ended.stdout.contains(failed), "{}", ended.stdout);
    assert!(
        ended.stdout.contains("Landlock and seccomp"),
        "{}",
        ended.stdout
    );
}

#[test]
fn nothing_is_converted_without_a_sandbox_that_is_required() {
    let bench = Bench::new();
    bench.step("part.step", "");
    let ended = bench.run(&["convert", "--require-sandbox", "--json", "part.step"]);
    let lines = ended.with(1).objects();
    assert_eq!(lines[0]["failure"]["code"], "sandbox_missing");
    let mut command = bench.command(&["serve"]);
    let refused = command.env("CADMILL_REQUIRE_SANDBOX", "true").output();
    let ended = Ended::from(refused.unwrap()).with(1);
    let why = "`require_sandbox` is set, but the sandbox lacks a sandbox";
    assert!(ended.stderr.contains(why), "{}", ended.stderr);
}
