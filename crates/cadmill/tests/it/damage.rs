//! A database file whose pages were overwritten.

use std::fs;

use serde_json::Value;

use crate::{
    bench::{Bench, Ended, step},
    server::Server,
};

const DATABASE: &str = "cadmill-data/cadmill.db";
const PAGE: usize = 4096;
/// The first byte of a page with rows of a table.
const LEAF_OF_TABLE: u8 = 13;
const OPEN: [(&str, &str); 1] = [("CADMILL_ACCESS", "open")];

#[test]
fn damage_is_seen_by_readiness_lists_doctor_and_the_next_start() {
    let bench = Bench::new();
    for number in 0..60 {
        bench.write(&format!("parts/rare-name-{number}.step"), &step(""));
    }
    bench.run(&["import", "parts"]).with(0);
    let server = Server::start(&bench, &OPEN);
    assert_eq!(status(&server, "GET /readyz").0, 200);
    server.stop();
    let log = bench.path("cadmill-data/cadmill.db-wal");
    assert!(!log.exists(), "a clean end leaves all in one file");

    assert!(overwrite_pages_with(&bench, b"rare-name-") > 0);
    let server = Server::start(&bench, &OPEN);
    let (code, problem) = status(&server, "GET /api/cad");
    assert_eq!(
        (code, &problem["code"]),
        (503, &"database_damaged".into()),
        "{problem}"
    );
    let (code, problem) = status(&server, "GET /readyz");
    assert_eq!(code, 503, "{problem}");
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("database (database_damaged)"), "{detail}");

    let doctor = bench.run(&["doctor"]).with(1);
    let lines: Vec<_> = doctor.stdout.lines().collect();
    let found = lines
        .iter()
        .position(|line| line.starts_with("failed  database"));
    let remedy = lines[found.unwrap() + 1];
    assert!(remedy.contains("restore the last backup"), "{lines:?}");

    // Something that can still be written, so that the log is not empty when the server is killed.
    bench.run(&["token", "create", "--name", "eve"]).with(0);
    server.kill();
    assert!(log.metadata().unwrap().len() > 0);
    let output = bench.command(&["serve"]).envs(OPEN).output();
    let ended = Ended::from(output.unwrap()).with(1);
    assert!(
        ended.stderr.contains("the database is damaged"),
        "{}",
        ended.stderr
    );
    assert!(
        ended.stderr.contains("restore the last backup"),
        "{}",
        ended.stderr
    );
}

#[test]
fn a_file_that_is_no_database_is_called_damaged() {
    let bench = Bench::new();
    bench.write(DATABASE, &"no database ".repeat(2 * PAGE));
    let ended = bench.run(&["status"]).with(1);
    assert!(
        ended.stderr.contains("the database is damaged"),
        "{}",
        ended.stderr
    );
}

/// Overwrites each page with rows in which this text occurs: how many there are.
fn overwrite_pages_with(bench: &Bench, text: &[u8]) -> usize {
    let path = bench.path(DATABASE);
    let mut file = fs::read(&path).unwrap();
    let mut overwritten = 0;
    for page in file.chunks_exact_mut(PAGE) {
        let has_text = page.windows(text.len()).any(|part| part == text);
        if page[0] == LEAF_OF_TABLE && has_text {
            page.fill(0xA5);
            overwritten += 1;
        }
    }
    fs::write(&path, file).unwrap();
    overwritten
}

fn status(server: &Server, request: &str) -> (u16, Value) {
    let (status, _, body) = server.ask(request, &[], b"");
    (status, serde_json::from_slice(&body).unwrap())
}
