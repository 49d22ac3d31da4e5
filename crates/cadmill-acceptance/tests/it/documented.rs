//! Whatever it is asked, the server answers as its OpenAPI document says: schemathesis makes up
//! thousands of requests, good ones and bad ones.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    process::Command,
    thread,
};

use serde::Deserialize;
use serde_json::Value;

use crate::{
    program::{Ended, given},
    service::{SAMPLES, Service},
};

const ORACLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/oracles");
const CONFIG: &str = "schemathesis.toml";
/// How many requests are made at least, by all clients together.
const MIN_CASES: u64 = 2000;

/// What schemathesis says of a run.
#[derive(Debug, Deserialize)]
struct Report {
    complete: bool,
    operations: Operations,
    test_cases: Cases,
    failures: Vec<Value>,
    errors: Vec<Value>,
}

#[derive(Debug, Deserialize)]
struct Operations {
    total: u64,
    tested: u64,
}

#[derive(Debug, Deserialize)]
struct Cases {
    generated: u64,
    with_failures: u64,
    errored: u64,
}

/// A run, the operations of the document, and the statuses of all that was answered to each.
#[derive(Debug)]
struct Tried {
    report: Report,
    operations: BTreeSet<String>,
    statuses: BTreeMap<String, BTreeSet<u64>>,
}

/// Tries every operation, with this token or none.
fn tried(service: &Service, token: Option<&str>) -> Tried {
    let folder = service.folder.join("report");
    let config = Path::new(ORACLES).join(CONFIG);
    fs::copy(config, service.folder.join(CONFIG)).unwrap();
    fs::write(service.folder.join("assets.txt"), assets(service)).unwrap();
    let mut st = Command::new(given("CADMILL_ORACLES").join("schemathesis/bin/st"));
    st.current_dir(&service.folder)
        .env("PYTHONPATH", ORACLES)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .args(["--config-file", CONFIG])
        .args(["run", "--checks", "all", "--report", "json,ndjson"])
        .arg("--report-json-path")
        .arg(folder.join("report.json"))
        .arg("--report-ndjson-path")
        .arg(folder.join("events.ndjson"));
    if let Some(token) = token {
        let header = format!("Authorization: Bearer {token}");
        st.args(["--header", &header]);
    }
    let url = format!("{}/openapi.json", service.url);
    let ended = Ended::from(st.arg(url).output().unwrap()).succeeded();
    let report = fs::read(folder.join("report.json")).unwrap();
    let report = serde_json::from_slice(&report).unwrap_or_else(|_| panic!("{}", ended.stdout));
    let events = fs::read_to_string(folder.join("events.ndjson")).unwrap();
    Tried {
        report,
        operations: operations(&service.json("/openapi.json")),
        statuses: statuses(&events),
    }
}

fn operations(document: &Value) -> BTreeSet<String> {
    let paths = document["paths"].as_object().unwrap().iter();
    let operations = paths.flat_map(|(path, item)| {
        let methods = item.as_object().unwrap().keys();
        methods.map(move |method| format!("{} {path}", method.to_uppercase()))
    });
    operations.collect()
}

/// The ids of all assets, each in quotes on a line of its own.
fn assets(service: &Service) -> String {
    let files = service.json("/api/cad");
    let files = files["files"].as_array().unwrap().iter();
    let media = files.flat_map(|file| file["media"].as_array().unwrap());
    let ids = media.map(|medium| &medium["asset_id"]);
    ids.filter(|id| !id.is_null())
        .fold(String::new(), |lines, id| format!("{lines}{id}\n"))
}

/// The statuses that were answered to each operation, as the events of a run tell.
fn statuses(events: &str) -> BTreeMap<String, BTreeSet<u64>> {
    let mut statuses: BTreeMap<String, BTreeSet<u64>> = BTreeMap::new();
    for line in events.lines() {
        let event: Value = serde_json::from_str(line).unwrap();
        let recorder = &event["ScenarioFinished"]["recorder"];
        let interactions = recorder["interactions"].as_object().into_iter().flatten();
        for (id, interaction) in interactions {
            let case = &recorder["cases"][id]["value"];
            let (method, path) = (case["method"].as_str(), case["path"].as_str());
            let status = interaction["response"]["status_code"].as_u64();
            let operation = format!("{} {}", method.unwrap(), path.unwrap());
            let known = statuses.entry(operation).or_default();
            known.extend(status);
        }
    }
    statuses
}

impl Tried {
    /// Checks that every operation was tried and nothing was wrong.
    #[track_caller]
    fn is_faultless(&self, who: &str) {
        let Report {
            complete,
            operations,
            test_cases,
            failures,
            errors,
        } = &self.report;
        assert!(*complete, "{who}: {:#?}", self.report);
        assert_eq!(operations.tested, operations.total, "{who}");
        assert!(failures.is_empty(), "{who}: {failures:#?}");
        assert!(errors.is_empty(), "{who}: {errors:#?}");
        assert_eq!((test_cases.with_failures, test_cases.errored), (0, 0));
        let broken = self.answered(500..600);
        assert!(broken.is_empty(), "{who}: {broken:?}");
    }

    /// The operations that were answered like that at least once.
    fn answered(&self, statuses: std::ops::Range<u64>) -> BTreeSet<&str> {
        let answered = self.statuses.iter();
        let answered = answered.filter(|(_, known)| known.range(statuses.clone()).next().is_some());
        answered.map(|(operation, _)| operation.as_str()).collect()
    }
}

/// A server with some files, of which one is broken, and all their media.
fn service(name: &str) -> Service {
    let variables = [
        ("CADMILL_BEHIND_PROXY", "true"),
        ("CADMILL_EVENTS_LONGEST", "100ms"),
        ("CADMILL_WEBHOOK_NETWORKS", "127.0.0.0/8"),
    ];
    let service = Service::start(name, &variables);
    let broken = service.folder.join("broken.step");
    fs::write(&broken, "ISO-10303-21;").unwrap();
    service.run(&[Path::new("import"), Path::new(SAMPLES), &broken]);
    service.settles();
    service
}

#[test]
fn every_answer_is_as_documented_whoever_asks() {
    let clients = [None, Some("viewer"), Some("admin")];
    let runs = thread::scope(|scope| {
        let runs = clients.map(|role| scope.spawn(move || tried_as(role)));
        runs.map(|run| run.join().unwrap())
    });
    let cases: u64 = runs.iter().map(|run| run.report.test_cases.generated).sum();
    assert!(cases >= MIN_CASES, "{cases}");
    let [nobody, viewer, admin] = &runs;
    assert_eq!(
        nobody.answered(200..400),
        BTreeSet::from(["GET /healthz", "GET /readyz"])
    );
    // What was never done was not tried, whatever else was.
    let done = &viewer.answered(200..400) | &admin.answered(200..400);
    let all = admin.operations.iter().map(String::as_str).collect();
    assert_eq!(done, all);
}

/// Tries a server of its own as a client with this role, or without a token.
fn tried_as(role: Option<&str>) -> Tried {
    let who = role.unwrap_or("nobody");
    let service = service(&format!("documented-{who}"));
    let token = role.map(|role| {
        let create = ["token", "create", "--name", "tester", "--role", role];
        service.run(&create).stdout.trim().to_owned()
    });
    let tried = tried(&service, token.as_deref());
    tried.is_faultless(who);
    let said = service.said();
    assert!(!said.contains("panicked"), "{who}: {said}");
    service.stop();
    tried
}
