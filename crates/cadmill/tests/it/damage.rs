//! A database file whose pages were overwritten.

use std::fs;

use serde_json::Value;

use crate::{
    server::Server,
    test_dir::{CommandOutput, TestDir, step},
};

const DATABASE: &str = "cadmill-data/cadmill.db";
const PAGE: usize = 4096;
/// The first byte of a page with rows of a table.
const TABLE_LEAF: u8 = 13;
const OPEN: [(&str, &str); 1] = [("CADMILL_ACCESS", "open")];

#[test]
fn readiness_lists_doctor_and_the_next_start_report_damage() {
    let dir = TestDir::new();
    for number in 0..60 {
        dir.write(&format!("parts/rare-name-{number}.step"), &step(""));
    }
    dir.run(&["import", "parts"]).expect_exit(0);
    let server = Server::start(&dir, &OPEN);
    assert_eq!(status(&server, "GET /readyz").0, 200);
    server.stop();
    let log = dir.path("cadmill-data/cadmill.db-wal");
    assert!(!log.exists(), "a clean end leaves one file");

    assert!(overwrite_pages_with(&dir, b"rare-name-") > 0);
    let server = Server::start(&dir, &OPEN);
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

    let doctor = dir.run(&["doctor"]).expect_exit(1);
    let lines: Vec<_> = doctor.stdout.lines().collect();
    let found = lines
        .iter()
        .position(|line| line.starts_with("failed  database"));
    let remedy = lines[found.unwrap() + 1];
    assert!(remedy.contains("restore the last backup"), "{lines:?}");

    // This write succeeds, so the log is not empty when the server is killed.
    dir.run(&["token", "create", "--name", "eve"])
        .expect_exit(0);
    server.kill();
    assert!(log.metadata().unwrap().len() > 0);
    let output = dir.command(&["serve"]).envs(OPEN).output();
    let ended = CommandOutput::from(output.unwrap()).expect_exit(1);
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
fn a_file_that_is_no_database_counts_as_damaged() {
    let dir = TestDir::new();
    dir.write(DATABASE, &"no database ".repeat(2 * PAGE));
    let ended = dir.run(&["status"]).expect_exit(1);
    assert!(
        ended.stderr.contains("the database is damaged"),
        "{}",
        ended.stderr
    );
}

/// Overwrites each page with a row that contains this text, and returns how many there are.
fn overwrite_pages_with(dir: &TestDir, text: &[u8]) -> usize {
    let path = dir.path(DATABASE);
    let mut file = fs::read(&path).unwrap();
    let mut overwritten = 0;
    for page in file.chunks_exact_mut(PAGE) {
        let has_text = page.windows(text.len()).any(|part| part == text);
        if page[0] == TABLE_LEAF && has_text {
            page.fill(0xA5);
            overwritten += 1;
        }
    }
    fs::write(&path, file).unwrap();
    overwritten
}

fn status(server: &Server, request: &str) -> (u16, Value) {
    let (status, _, body) = server.send(request, &[], b"");
    (status, serde_json::from_slice(&body).unwrap())
}
