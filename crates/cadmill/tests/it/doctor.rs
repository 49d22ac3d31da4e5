//! `cadmill doctor`.

use std::{fs, os::unix::fs::PermissionsExt as _};

use crate::test_dir::{CommandOutput, TestDir};

#[test]
fn a_missing_program_is_reported_with_its_remedy() {
    let dir = TestDir::new();
    let mut command = dir.command(&["doctor"]);
    let output = command
        .env("CADMILL_TESSELLATOR", "/no/such/program")
        .output();
    let ended = CommandOutput::from(output.unwrap()).expect_exit(1);
    let lines: Vec<_> = ended.stdout.lines().collect();
    assert!(lines[0].starts_with("failed  tessellator"), "{lines:?}");
    assert!(lines[1].contains("CADMILL_TESSELLATOR"), "{lines:?}");
    assert!(
        lines.iter().any(|line| line.starts_with("ok      scratch")),
        "{lines:?}"
    );
}

#[test]
fn a_program_that_is_no_tessellator_is_reported() {
    let dir = TestDir::new();
    let program = dir.write("broken", "#!/bin/sh\nexit 3\n");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = dir.command(&["doctor"]);
    let output = command.env("CADMILL_TESSELLATOR", program).output();
    let ended = CommandOutput::from(output.unwrap()).expect_exit(1);
    let lines: Vec<_> = ended.stdout.lines().collect();
    assert!(
        lines[0].contains("cannot be started. It ended with exit code 3"),
        "{lines:?}"
    );
    assert!(lines[1].contains("CADMILL_TESSELLATOR"), "{lines:?}");
    // The remedy is not to repair the model, since the cube is valid.
    assert!(
        lines[3].contains("Install `cadmill-tessellate` again"),
        "{lines:?}"
    );
}

#[test]
fn a_kernel_with_a_wrong_result_is_reported() {
    // The result of the fake tessellator is always a cube of 100 mm.
    let ended = TestDir::new().run(&["doctor"]).expect_exit(1);
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
fn a_missing_output_folder_is_reported() {
    let ended = TestDir::new()
        .run(&["doctor", "-o", "missing"])
        .expect_exit(1);
    let failed = ended
        .stdout
        .lines()
        .find(|line| line.starts_with("failed  output"));
    assert!(failed.unwrap().contains("missing"), "{}", ended.stdout);
}

#[test]
fn the_deployment_is_checked() {
    let dir = TestDir::new();
    let doctor = |arguments: &[&str]| {
        dir.run(&[&["doctor"], arguments].concat())
            .expect_exit(1)
            .stdout
    };
    assert!(doctor(&[]).contains("none in ./cadmill-data yet"));
    dir.run(&["token", "list"]).expect_exit(0);
    let works = doctor(&[]);
    for what in ["database", "lock", "blobs"] {
        assert!(
            works.contains(&format!("ok      {what:<12} works")),
            "{works}"
        );
    }
    fs::remove_dir_all(dir.path("cadmill-data/blobs")).unwrap();
    dir.write("cadmill-data/blobs", "in the way");
    let broken = doctor(&[]);
    for line in [
        "ok      database",
        "ok      lock",
        "failed  blobs",
        "Check `blobs` in the data folder",
    ] {
        assert!(broken.contains(line), "{broken}");
    }
}

#[test]
fn each_unavailable_server_is_reported_with_its_remedy() {
    let dir = TestDir::new();
    let mut command = dir.command(&["doctor"]);
    let unavailable = command
        .env(
            "CADMILL_DATABASE_URL",
            "postgres://us:hunter2@127.0.0.1:1/cadmill",
        )
        .env("CADMILL_REDIS_URL", "redis://:hunter2@127.0.0.1:1");
    let output = CommandOutput::from(unavailable.output().unwrap())
        .expect_exit(1)
        .stdout;
    for found in [
        "failed  database",
        "Check `database_url`",
        "failed  lock",
        "Check `redis_url`",
        "ok      blobs",
    ] {
        assert!(output.contains(found), "{output}");
    }
    assert!(!output.contains("hunter2"), "{output}");
}

#[test]
fn an_incomplete_sandbox_is_a_warning_unless_it_is_required() {
    let dir = TestDir::new();
    let mut command = dir.command(&["doctor"]);
    let ended = CommandOutput::from(command.output().unwrap()).expect_exit(1);
    let warning = "warning sandbox      It lacks a sandbox: this is a stand-in.";
    assert!(ended.stdout.contains(warning), "{}", ended.stdout);
    let mut command = dir.command(&["doctor"]);
    let required = command.env("CADMILL_REQUIRE_SANDBOX", "true");
    let ended = CommandOutput::from(required.output().unwrap()).expect_exit(1);
    let failed = "failed  sandbox      It lacks a sandbox: this is a stand-in.";
    assert!(ended.stdout.contains(failed), "{}", ended.stdout);
    assert!(
        ended.stdout.contains("Landlock and seccomp"),
        "{}",
        ended.stdout
    );
}

#[test]
fn nothing_is_converted_without_a_required_sandbox() {
    let dir = TestDir::new();
    dir.step("part.step", "");
    let ended = dir.run(&["convert", "--require-sandbox", "--json", "part.step"]);
    let lines = ended.expect_exit(1).objects();
    assert_eq!(lines[0]["failure"]["code"], "sandbox_missing");
    let mut command = dir.command(&["serve"]);
    let refused = command.env("CADMILL_REQUIRE_SANDBOX", "true").output();
    let ended = CommandOutput::from(refused.unwrap()).expect_exit(1);
    let why = "`require_sandbox` is set, but the sandbox lacks a sandbox";
    assert!(ended.stderr.contains(why), "{}", ended.stderr);
}
