//! The pipeline in one folder.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Stdio},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::{Value, json};

use crate::test_dir::{CommandOutput, TestDir, step};

/// Runs a command with `--json`, and returns the first object that it prints.
#[track_caller]
fn json(dir: &TestDir, arguments: &[&str]) -> Value {
    let arguments = [arguments, &["--json"]].concat();
    dir.run(&arguments).expect_exit(0).objects().remove(0)
}

/// Writes a valid file with unique bytes.
pub(crate) fn part(dir: &TestDir, path: &str, name: &str) {
    dir.write(path, &step("").replace("'Cube'", &format!("'{name}'")));
}

/// Starts a server in `dir`, and waits until it works.
pub(crate) fn serve(dir: &TestDir) -> Child {
    let mut server = dir.command(&["serve"]);
    server.stdout(Stdio::piped()).stderr(Stdio::null());
    let mut server = server.spawn().unwrap();
    let mut output = BufReader::new(server.stdout.as_mut().unwrap()).lines();
    let address = output.next().unwrap().unwrap();
    assert!(
        address.starts_with("Listening on http://127.0.0.1:"),
        "{address}"
    );
    assert!(output.any(|line| line.unwrap().starts_with("Working with ")));
    server
}

#[track_caller]
pub(crate) fn stop(mut server: Child) {
    kill(Pid::from_raw(server.id() as i32), Signal::SIGTERM).unwrap();
    assert!(server.wait().unwrap().success());
}

#[test]
fn files_are_imported_once_and_converted_once() {
    let dir = TestDir::new();
    part(&dir, "in/a.step", "a");
    part(&dir, "in/deep/b.step", "b");
    let printed = json(&dir, &["import", "in", "--wait"]);
    let expected = json!({"added": 2, "changed": 0, "unchanged": 0, "refused": 0, "failed": 0});
    assert_eq!(printed, expected);
    let printed = json(&dir, &["import", "in"]);
    let expected = json!({"added": 0, "changed": 0, "unchanged": 2, "refused": 0});
    assert_eq!(printed, expected);
    for what in ["canonical-scenes", "usd-masters"] {
        let printed = json(&dir, &["generate-missing", what]);
        let expected = json!({"queued": 0, "in_flight": 0, "present": 2, "failed": 0});
        assert_eq!(printed, expected, "{what}");
    }
    let details = json(&dir, &["status", "deep/b.step"]);
    let kinds = details["media"].as_array().unwrap().len();
    assert_eq!(kinds, 4, "{details}");
    let steps: Vec<_> = details["timeline"].as_array().unwrap().iter().collect();
    assert_eq!(steps[0]["event"], "step_start");
    assert_eq!(steps[0]["task"], "process_step");

    part(&dir, "in/a.step", "other bytes");
    let printed = json(&dir, &["import", "in", "--wait"]);
    assert_eq!(
        (&printed["changed"], &printed["unchanged"]),
        (&json!(1), &json!(1))
    );
}

#[test]
fn the_second_request_queues_nothing() {
    let dir = TestDir::new();
    for name in ["a", "b", "c"] {
        part(&dir, &format!("in/{name}.step"), name);
    }
    dir.run(&["import", "in", "--later"]).expect_exit(0);
    let request = |more: &[&str]| {
        let arguments = [&["generate-missing", "canonical-scenes"], more].concat();
        json(&dir, &arguments)
    };
    let missing = json!({"queued": 3, "in_flight": 0, "present": 0, "failed": 0});
    assert_eq!(request(&["--dry-run"]), missing);
    assert_eq!(request(&["--dry-run"]), missing, "a dry run only counts");
    let one = json!({"queued": 1, "in_flight": 0, "present": 0, "failed": 0});
    assert_eq!(request(&["--name-contains", "B."]), one);
    let rest = json!({"queued": 2, "in_flight": 1, "present": 0, "failed": 0});
    assert_eq!(request(&[]), rest);
    let none = json!({"queued": 0, "in_flight": 3, "present": 0, "failed": 0});
    assert_eq!(request(&[]), none);
    let masters = ["generate-missing", "usd-masters", "--wait", "--json"];
    let printed = dir.run(&masters).expect_exit(0).objects();
    let made = json!({"queued": 0, "in_flight": 0, "present": 3, "failed": 0});
    assert_eq!(printed, [none, made]);
}

#[test]
fn failures_are_reported_left_alone_and_retried() {
    let dir = TestDir::new();
    dir.step("in/good.step", "");
    dir.step("in/bad.step", "failed kernel_error");
    dir.write("in/text.step", "no STEP at all");
    let printed = dir
        .run(&["import", "in", "--wait", "--json"])
        .expect_exit(3);
    assert_eq!(printed.objects()[0]["failed"], 2);
    let printed = json(&dir, &["generate-missing", "usd-masters"]);
    let expected = json!({"queued": 0, "in_flight": 0, "present": 1, "failed": 2});
    assert_eq!(printed, expected);
    let status = dir.run(&["status"]).expect_exit(0).stdout;
    for text in ["process_step", "ISO-10303-21", "Repair the model"] {
        assert!(status.contains(text), "{status}");
    }
    let details = dir.run(&["status", "text.step"]).expect_exit(0).stdout;
    assert!(details.contains("not_step"), "{details}");
    assert_eq!(
        dir.run(&["retry", "text.step"]).expect_exit(0).stdout,
        "queued 1\n"
    );
    assert_eq!(
        dir.run(&["retry", "--wait"]).expect_exit(0).stdout,
        "queued 1\n"
    );
    let printed = json(&dir, &["generate-missing", "canonical-scenes"]);
    assert_eq!(printed["failed"], 2);
    let arguments = ["generate-missing", "canonical-scenes", "--include-failed"];
    assert_eq!(json(&dir, &arguments)["queued"], 2);
}

#[test]
fn materials_are_replaced_without_tessellating() {
    let dir = TestDir::new();
    dir.step("in/a.step", "");
    dir.run(&["import", "in", "--wait"]).expect_exit(0);
    let before = json(&dir, &["status", "a.step"]);
    let map = r##"{"*": {"color": "#ff0000"}}"##;
    dir.write("map.json", map);
    dir.run(&["materials", "set", "a.step", "map.json"])
        .expect_exit(0);
    let shown = dir
        .run(&["materials", "show", "a.step"])
        .expect_exit(0)
        .stdout;
    assert!(shown.contains("#ff0000"), "{shown}");
    dir.write("parts.json", r#"{"part_materials": {}}"#);
    dir.run(&["materials", "set", "a.step", "parts.json"])
        .expect_exit(0);
    let shown = dir
        .run(&["materials", "show", "a.step"])
        .expect_exit(0)
        .stdout;
    assert!(shown.contains("#ff0000"), "the overrides stay: {shown}");
    dir.run(&["generate-missing", "usd-masters", "--wait"])
        .expect_exit(0);
    let after = json(&dir, &["status", "a.step"]);
    assert_ne!(after["file"]["updated_at"], before["file"]["updated_at"]);
    let (scene, master) = ("gltf_geometry", "usd_master");
    assert_eq!(after["work"][scene], before["work"][scene]);
    assert_ne!(
        after["work"][master]["asset"],
        before["work"][master]["asset"]
    );
}

#[test]
fn a_command_beside_a_server_never_works() {
    let dir = TestDir::new();
    dir.step("in/a.step", "");
    let server = serve(&dir);
    dir.run(&["import", "in", "--wait"]).expect_exit(0);
    dir.run(&["retry", "--wait"]).expect_exit(0);
    dir.run(&["generate-missing", "usd-masters", "--wait"])
        .expect_exit(0);
    let details: CommandOutput = dir
        .command(&["status", "a.step", "--json"])
        .output()
        .unwrap()
        .into();
    let details = details.expect_exit(0).objects().remove(0);
    let number = format!(":{}", server.id());
    let timeline = details["timeline"].as_array().unwrap();
    assert!(timeline.len() >= 6, "three steps: {timeline:?}");
    for event in timeline {
        let worker = event["worker"].as_str().unwrap();
        assert!(worker.ends_with(&number), "{event}");
    }
    let second: CommandOutput = dir.command(&["serve"]).output().unwrap().into();
    let error = second.expect_exit(1).stderr;
    assert!(error.contains("is in use by `cadmill serve`"), "{error}");
    assert!(error.contains(&number), "{error}");
    stop(server);
    let scratch = dir.names("cadmill-data/scratch");
    assert_eq!(scratch, [".lock"], "a server removes its scratch files");
}

#[track_caller]
fn check_refused(dir: &TestDir, variables: &[(&str, &str)], arguments: &[&str], text: &str) {
    let mut command = dir.command(arguments);
    command.envs(variables.iter().copied());
    let ended = CommandOutput::from(command.output().unwrap()).expect_exit(1);
    assert!(ended.stderr.contains(text), "{}", ended.stderr);
    assert_eq!(
        ended.stderr.trim_end().lines().count(),
        1,
        "{}",
        ended.stderr
    );
    assert!(!ended.stderr.contains("s3cret"), "{}", ended.stderr);
}

#[test]
fn an_invalid_configuration_is_reported_in_one_sentence() {
    let dir = TestDir::new();
    let postgres = ("CADMILL_DATABASE_URL", "postgres://me:s3cret@127.0.0.1:1/x");
    let redis = ("CADMILL_REDIS_URL", "redis://:s3cret@127.0.0.1:1");
    let cases: [(&[(&str, &str)], &str); 10] = [
        (&[("CADMILL_SLOT", "2")], "unknown field `slot`"),
        (&[("CADMILL_SLOTS", "many")], "slots"),
        (&[("CADMILL_LEASE", "soon")], "`soon`"),
        (&[("CADMILL_RECIPE", "coarse")], "coarse"),
        (&[("CADMILL_EVENTS_LONGEST", "99ms")], "100ms and 24h"),
        (&[("CADMILL_EVENTS_LONGEST", "25h")], "100ms and 24h"),
        (&[postgres], "set `redis_url` too"),
        (&[redis], "of no use without `database_url`"),
        (&[postgres, redis], "cannot be reached at 127.0.0.1:1"),
        (
            &[("CADMILL_DATABASE_URL", "mysql://me:s3cret@x/y"), redis],
            "begins with `postgres://`",
        ),
    ];
    for (variables, text) in cases {
        check_refused(&dir, variables, &["status"], text);
    }
    dir.write("cadmill.toml", "slots = 2\nredis = \"x\"\n");
    check_refused(&dir, &[], &["serve"], "unknown field `redis`");
    dir.write("other.toml", "slots = 0\n");
    check_refused(
        &dir,
        &[],
        &["serve", "--config", "other.toml"],
        "at least 1",
    );
    check_refused(&dir, &[], &["serve", "--config", "no.toml"], "no.toml");
    check_refused(
        &dir,
        &[],
        &["worker", "--config", "other.toml", "--slots", "1"],
        "start `cadmill serve`",
    );
}

#[test]
fn an_unknown_file_is_reported() {
    let dir = TestDir::new();
    check_refused(
        &dir,
        &[],
        &["status", "no.step"],
        "there is no CAD file `no.step`",
    );
}
