//! The guide to the API, held to a real server: each command is run as it stands there.

use std::{env, fs, path::Path, process::Command};

use serde_json::Value;

use crate::{
    program::{Ended, given},
    service::{SAMPLES, Service, page},
};

/// Tells the status of each answer on standard error.
const TELLING: &str = "curl() { command curl -w '%{stderr}\n#answered %{http_code}\n' \"$@\"; }\n";

/// The shell commands of the guide, block by block.
fn blocks(guide: &str) -> Vec<&str> {
    let parts = guide.split("```sh\n").skip(1);
    parts
        .map(|part| part.split_once("```").unwrap().0)
        .collect()
}

/// The statuses that the guide notes behind the commands of a block.
fn noted(block: &str) -> Vec<&str> {
    let lines = block.lines();
    let noted = lines.filter_map(|line| line.rsplit_once(" # "));
    noted.map(|(_, status)| status).collect()
}

/// The statuses that were answered.
fn answered(stderr: &str) -> Vec<&str> {
    let lines = stderr.lines();
    lines
        .filter_map(|line| line.strip_prefix("#answered "))
        .collect()
}

/// What the guide calls by a name and readers put in.
fn names(service: &Service) -> Vec<(&'static str, String)> {
    let files = service.json("/api/cad?name_contains=gearbox");
    let Some(file) = files["files"].get(0) else {
        return Vec::new();
    };
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let id = text(&file["id"]);
    vec![
        ("WORK_ID", format!("{id}:usd_master")),
        ("ASSET_ID", text(&file["media"][0]["asset_id"])),
        ("ID", id),
    ]
}

/// A delivery as the guide's check of signatures takes it.
fn delivery() -> [(&'static str, String); 5] {
    let (secret, id, body) = (
        "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oDC2FVsBQIhrs=",
        "msg_1",
        r#"{"type": "step_done"}"#,
    );
    let webhook = standardwebhooks::Webhook::new(secret).unwrap();
    let signature = webhook.sign(id, 1_700_000_000, body.as_bytes()).unwrap();
    [
        ("SECRET", secret.to_owned()),
        ("webhook_id", id.to_owned()),
        ("webhook_timestamp", "1700000000".to_owned()),
        ("body", body.to_owned()),
        ("webhook_signature", signature),
    ]
}

/// The shell that runs one block.
fn shell(service: &Service, script: &str) -> Command {
    let cadmill = given("CADMILL_BIN").canonicalize().unwrap();
    let mut path = cadmill.parent().unwrap().as_os_str().to_owned();
    path.push(":");
    path.push(env::var_os("PATH").unwrap());
    let mut shell = Command::new("bash");
    shell.args(["-u", "-o", "pipefail", "-c", script]);
    shell.current_dir(&service.folder).env("PATH", path);
    shell.env("CADMILL_DATA_DIR", service.folder.join("data"));
    shell.env("CADMILL_URL", &service.url);
    shell.env("TOKEN", &service.token);
    shell.envs(names(service)).envs(delivery());
    shell
}

/// Checks that the guide shows this problem; each has an id of its own.
#[track_caller]
fn is_shown(problem: &str, guide: &str) {
    let (_, shown) = guide.split_once("```json\n").unwrap();
    let (shown, _) = shown.split_once("```").unwrap();
    let [told, shown] = [problem, shown].map(|json| {
        let mut problem: Value = serde_json::from_str(json).unwrap();
        assert!(problem["request_id"].take().is_string());
        problem
    });
    assert_eq!(told, shown);
}

#[test]
fn each_command_is_answered_as_the_guide_says() {
    let service = Service::start("guide", &[("CADMILL_EVENTS_LONGEST", "1s")]);
    for (sample, name) in [
        ("gearbox.step", "gearbox.step"),
        ("inch-cube.step", "inch-cube.step"),
        ("plate-instances.step", "gearbox-2.step"),
    ] {
        let sample = Path::new(SAMPLES).join(sample);
        fs::copy(sample, service.folder.join(name)).unwrap();
    }
    let created = service.run(&["token", "create", "--name", "other", "--json"]);
    let created: Value = serde_json::from_str(&created.stdout).unwrap();

    let guide = page("api.md");
    let blocks = blocks(&guide);
    let (calling, blocks) = blocks.split_first().unwrap();
    let mut commands = 0;
    for block in blocks {
        service.settles();
        let block = block.replace(
            "01a20fb9-dadc-7ebd-988b-6594c49030a8",
            created["id"].as_str().unwrap(),
        );
        let script = format!("{TELLING}{calling}{block}");
        let ended = Ended::from(shell(&service, &script).output().unwrap());
        let noted = noted(&block);
        assert_eq!(
            block.matches("cadmill_curl").count(),
            noted.len(),
            "each command has its status: {block}"
        );
        assert_eq!(
            answered(&ended.stderr),
            noted,
            "{block}{}\n{}",
            ended.stdout,
            ended.stderr
        );
        let is_refused = noted.iter().any(|status| *status >= "400");
        if is_refused {
            is_shown(&ended.stdout, &guide);
        } else {
            ended.succeeded();
        }
        commands += noted.len();
    }
    assert!(commands >= 25, "the guide shows {commands} commands");
    let glb = fs::read(service.folder.join("gearbox.glb")).unwrap();
    assert_eq!(&glb[..4], b"glTF");
    let head = fs::metadata(service.folder.join("head.bin")).unwrap();
    assert_eq!(head.len(), 1024);
    service.stop();
}
