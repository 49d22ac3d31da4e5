//! The pipeline in one folder, as people run it.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Stdio},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::{Value, json};

use crate::bench::{Bench, Ended, step};

/// Runs a command of the pipeline and gives the one object that it prints.
#[track_caller]
fn json(bench: &Bench, arguments: &[&str]) -> Value {
    let arguments = [arguments, &["--json"]].concat();
    bench.run(&arguments).with(0).objects().remove(0)
}

/// A sound file whose bytes are those of no other.
pub(crate) fn part(bench: &Bench, path: &str, name: &str) {
    bench.write(path, &step("").replace("'Cube'", &format!("'{name}'")));
}

/// A server in the folder of `bench`, which has said that it works.
pub(crate) fn serve(bench: &Bench) -> Child {
    let mut server = bench.command(&["serve"]);
    server.stdout(Stdio::piped()).stderr(Stdio::null());
    let mut server = server.spawn().unwrap();
    let mut output = BufReader::new(server.stdout.as_mut().unwrap()).lines();
    let address = output.next().unwrap().unwrap();
    assert!(
        address.starts_with("Listening on http://127.0.0.1:"),
        "{address}"
    );
    assert!(output.any(|line| line.unwrap().starts_with("Milling with ")));
    server
}

#[track_caller]
pub(crate) fn stop(mut server: Child) {
    kill(Pid::from_raw(server.id() as i32), Signal::SIGTERM).unwrap();
    assert!(server.wait().unwrap().success());
}

#[test]
fn files_are_brought_in_once_and_made_once() {
    let bench = Bench::new();
    part(&bench, "in/a.step", "a");
    part(&bench, "in/deep/b.step", "b");
    let told = json(&bench, &["import", "in", "--wait"]);
    let expected = json!({"added": 2, "changed": 0, "unchanged": 0, "refused": 0, "failed": 0});
    assert_eq!(told, expected);
    let told = json(&bench, &["import", "in"]);
    let expected = json!({"added": 0, "changed": 0, "unchanged": 2, "refused": 0});
    assert_eq!(told, expected);
    for what in ["canonical-scenes", "usd-masters"] {
        let told = json(&bench, &["generate-missing", what]);
        let expected = json!({"queued": 0, "in_flight": 0, "present": 2, "failed": 0});
        assert_eq!(told, expected, "{what}");
    }
    let story = json(&bench, &["status", "deep/b.step"]);
    let kinds = story["media"].as_array().unwrap().len();
    assert_eq!(kinds, 4, "{story}");
    let steps: Vec<_> = story["timeline"].as_array().unwrap().iter().collect();
    assert_eq!(steps[0]["event"], "step_start");
    assert_eq!(steps[0]["task"], "process_step");

    part(&bench, "in/a.step", "other bytes");
    let told = json(&bench, &["import", "in", "--wait"]);
    assert_eq!(
        (&told["changed"], &told["unchanged"]),
        (&json!(1), &json!(1))
    );
}

#[test]
fn the_second_click_queues_nothing() {
    let bench = Bench::new();
    for name in ["a", "b", "c"] {
        part(&bench, &format!("in/{name}.step"), name);
    }
    bench.run(&["import", "in", "--later"]).with(0);
    let click = |more: &[&str]| {
        let arguments = [&["generate-missing", "canonical-scenes"], more].concat();
        json(&bench, &arguments)
    };
    let missing = json!({"queued": 3, "in_flight": 0, "present": 0, "failed": 0});
    assert_eq!(click(&["--dry-run"]), missing);
    assert_eq!(click(&["--dry-run"]), missing, "a dry run only counts");
    let one = json!({"queued": 1, "in_flight": 0, "present": 0, "failed": 0});
    assert_eq!(click(&["--name-contains", "B."]), one);
    let rest = json!({"queued": 2, "in_flight": 1, "present": 0, "failed": 0});
    assert_eq!(click(&[]), rest);
    let none = json!({"queued": 0, "in_flight": 3, "present": 0, "failed": 0});
    assert_eq!(click(&[]), none);
    let masters = ["generate-missing", "usd-masters", "--wait", "--json"];
    let told = bench.run(&masters).with(0).objects();
    let made = json!({"queued": 0, "in_flight": 0, "present": 3, "failed": 0});
    assert_eq!(told, [none, made]);
}

#[test]
fn failures_are_told_left_alone_and_tried_again() {
    let bench = Bench::new();
    bench.step("in/good.step", "");
    bench.step("in/bad.step", "failed kernel_error");
    bench.write("in/text.step", "no STEP at all");
    let told = bench.run(&["import", "in", "--wait", "--json"]).with(3);
    assert_eq!(told.objects()[0]["failed"], 2);
    let told = json(&bench, &["generate-missing", "usd-masters"]);
    let expected = json!({"queued": 0, "in_flight": 0, "present": 1, "failed": 2});
    assert_eq!(told, expected);
    let status = bench.run(&["status"]).with(0).stdout;
    for told in ["process_step", "ISO-10303-21", "Repair the model"] {
        assert!(status.contains(told), "{status}");
    }
    let story = bench.run(&["status", "text.step"]).with(0).stdout;
    assert!(story.contains("not_step"), "{story}");
    assert_eq!(
        bench.run(&["retry", "text.step"]).with(0).stdout,
        "queued 1\n"
    );
    assert_eq!(bench.run(&["retry", "--wait"]).with(0).stdout, "queued 1\n");
    let told = json(&bench, &["generate-missing", "canonical-scenes"]);
    assert_eq!(told["failed"], 2);
    let arguments = ["generate-missing", "canonical-scenes", "--include-failed"];
    assert_eq!(json(&bench, &arguments)["queued"], 2);
}

#[test]
fn materials_are_replaced_without_tessellating() {
    let bench = Bench::new();
    bench.step("in/a.step", "");
    bench.run(&["import", "in", "--wait"]).with(0);
    let before = json(&bench, &["status", "a.step"]);
    let map = r##"{"*": {"color": "#ff0000"}}"##;
    bench.write("map.json", map);
    bench
        .run(&["materials", "set", "a.step", "map.json"])
        .with(0);
    let shown = bench.run(&["materials", "show", "a.step"]).with(0).stdout;
    assert!(shown.contains("#ff0000"), "{shown}");
    bench.write("parts.json", r#"{"part_materials": {}}"#);
    bench
        .run(&["materials", "set", "a.step", "parts.json"])
        .with(0);
    let shown = bench.run(&["materials", "show", "a.step"]).with(0).stdout;
    assert!(shown.contains("#ff0000"), "the overrides stay: {shown}");
    bench
        .run(&["generate-missing", "usd-masters", "--wait"])
        .with(0);
    let after = json(&bench, &["status", "a.step"]);
    assert_ne!(after["file"]["updated_at"], before["file"]["updated_at"]);
    let (scene, master) = ("gltf_geometry", "usd_master");
    assert_eq!(after["work"][scene], before["work"][scene]);
    assert_ne!(
        after["work"][master]["asset"],
        before["work"][master]["asset"]
    );
}

#[test]
fn beside_a_server_the_command_never_works() {
    let bench = Bench::new();
    bench.step("in/a.step", "");
    let server = serve(&bench);
    bench.run(&["import", "in", "--wait"]).with(0);
    bench.run(&["retry", "--wait"]).with(0);
    bench
        .run(&["generate-missing", "usd-masters", "--wait"])
        .with(0);
    let story: Ended = bench
        .command(&["status", "a.step", "--json"])
        .output()
        .unwrap()
        .into();
    let story = story.with(0).objects().remove(0);
    let number = format!(":{}", server.id());
    let timeline = story["timeline"].as_array().unwrap();
    assert!(timeline.len() >= 6, "three steps: {timeline:?}");
    for event in timeline {
        let worker = event["worker"].as_str().unwrap();
        assert!(worker.ends_with(&number), "{event}");
    }
    let second: Ended = bench.command(&["serve"]).output().unwrap().into();
    let told = second.with(1).stderr;
    assert!(told.contains("is in use by `cadmill serve`"), "{told}");
    assert!(told.contains(&number), "{told}");
    stop(server);
    let scratch = bench.names("cadmill-data/scratch");
    assert_eq!(scratch, [".lock"], "a server leaves nothing");
}

#[track_caller]
fn check_refused(bench: &Bench, variables: &[(&str, &str)], arguments: &[&str], told: &str) {
    let mut command = bench.command(arguments);
    command.envs(variables.iter().copied());
    let ended = Ended::from(command.output().unwrap()).with(1);
    assert!(ended.stderr.contains(told), "{}", ended.stderr);
    assert_eq!(
        ended.stderr.trim_end().lines().count(),
        1,
        "{}",
        ended.stderr
    );
    assert!(!ended.stderr.contains("s3cret"), "{}", ended.stderr);
}

#[test]
fn a_configuration_that_cannot_be_used_is_told_in_one_sentence() {
    let bench = Bench::new();
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
    for (variables, told) in cases {
        check_refused(&bench, variables, &["status"], told);
    }
    bench.write("cadmill.toml", "slots = 2\nredis = \"x\"\n");
    check_refused(&bench, &[], &["serve"], "unknown field `redis`");
    bench.write("other.toml", "slots = 0\n");
    check_refused(
        &bench,
        &[],
        &["serve", "--config", "other.toml"],
        "at least 1",
    );
    check_refused(&bench, &[], &["serve", "--config", "no.toml"], "no.toml");
    check_refused(
        &bench,
        &[],
        &["worker", "--config", "other.toml", "--slots", "1"],
        "start `cadmill serve`",
    );
}

#[test]
fn an_unknown_file_is_told() {
    let bench = Bench::new();
    check_refused(
        &bench,
        &[],
        &["status", "no.step"],
        "there is no CAD file `no.step`",
    );
}
