//! Ownership of blobs, and garbage collection.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use cadmill_domain::ContentHash;
use serde_json::json;

use crate::{
    server::Server,
    test_dir::{CommandOutput, TestDir, step},
};

/// The age of blobs that are old enough to be removed.
const OLD: Duration = Duration::from_hours(50);

/// A deployment with one file and all its media.
fn with_a_file() -> TestDir {
    let dir = TestDir::new();
    dir.write("in/a.step", &step(""));
    dir.run(&["import", "in", "--wait"]).expect_exit(0);
    dir
}

/// Adds old blobs that nothing refers to.
fn add_unreferenced(dir: &TestDir, count: usize) {
    for number in 0..count {
        let text = format!("unreferenced {number}");
        let hash = ContentHash::of(text.as_bytes()).to_string();
        let name = format!("cadmill-data/blobs/sha256/{}/{hash}", &hash[..2]);
        date_back(&dir.write(&name, &text));
    }
}

fn date_back(path: &Path) {
    let file = File::options().write(true).open(path).unwrap();
    file.set_modified(SystemTime::now() - OLD).unwrap();
}

/// Removes the files of the database, and returns their bytes.
fn take_database(dir: &TestDir) -> Vec<(PathBuf, Vec<u8>)> {
    let files = fs::read_dir(dir.path("cadmill-data")).unwrap();
    let files = files.map(|file| file.unwrap().path());
    let files = files.filter(|path| path.to_string_lossy().contains("cadmill.db"));
    files
        .map(|path| {
            let bytes = fs::read(&path).unwrap();
            fs::remove_file(&path).unwrap();
            (path, bytes)
        })
        .collect()
}

fn blobs(dir: &TestDir) -> usize {
    dir.names("cadmill-data/blobs/sha256").len()
}

/// Asserts that a command is refused with this text, and with the remedy.
#[track_caller]
fn refused(ended: CommandOutput, text: &str) {
    let ended = ended.expect_exit(1);
    assert!(ended.stderr.contains(text), "{}", ended.stderr);
    assert!(ended.stderr.contains("cadmill adopt"), "{}", ended.stderr);
}

#[test]
fn gc_removes_unreferenced_blobs() {
    let dir = with_a_file();
    let made = blobs(&dir);
    add_unreferenced(&dir, 20);
    let printed = dir.run(&["gc", "--json"]).expect_exit(0).objects();
    let expected = json!({"seen": made + 20, "removed": 20, "unconfirmed": 0});
    assert_eq!(printed, [expected]);
    assert_eq!(blobs(&dir), made);
    let text = dir.run(&["gc"]).expect_exit(0).stdout;
    let expected = format!("removed 0 of {made} blobs; unreferenced ones are kept for 24 hours\n");
    assert_eq!(text, expected);
}

#[test]
fn gc_needs_confirmation_to_remove_many_unreleased_blobs() {
    let dir = with_a_file();
    let made = blobs(&dir);
    add_unreferenced(&dir, 150);
    let refused = dir.run(&["gc"]).expect_exit(1).stderr;
    for part in ["150 of", "cadmill gc --yes"] {
        assert!(refused.contains(part), "{refused}");
    }
    assert_eq!(blobs(&dir), made + 150);
    let status = dir.run(&["status"]).expect_exit(0).stdout;
    assert!(status.contains("cadmill gc --yes"), "{status}");
    let removed = dir.run(&["gc", "--yes"]).expect_exit(0).stdout;
    let expected = format!("removed 150 of {} blobs;", made + 150);
    assert!(removed.starts_with(&expected), "{removed}");
    assert_eq!(blobs(&dir), made);
    let status = dir.run(&["status"]).expect_exit(0).stdout;
    assert!(!status.contains("cadmill gc"), "{status}");
}

#[test]
fn a_running_server_sweeps_for_gc() {
    let dir = with_a_file();
    let made = blobs(&dir);
    // Added before the server starts, since a sweep in between may find few enough to remove them.
    add_unreferenced(&dir, 150);
    let server = Server::start(&dir, &[]);
    let refused = dir.command(&["gc", "--json"]).output().unwrap();
    let refused = CommandOutput::from(refused).expect_exit(1).objects();
    assert_eq!(refused[0]["unconfirmed"], 150);
    let removed = dir.command(&["gc", "--yes", "--json"]).output().unwrap();
    let removed = CommandOutput::from(removed).expect_exit(0).objects();
    assert_eq!(removed[0]["removed"], 150);
    assert_eq!(blobs(&dir), made);
    // The server holds the lock of the folder, so it has answered the requests.
    let adopted = dir.command(&["adopt"]).output().unwrap();
    let adopted = CommandOutput::from(adopted).expect_exit(1);
    assert!(
        adopted.stderr.contains("stop the server"),
        "{}",
        adopted.stderr
    );
    server.stop();
}

#[test]
fn an_empty_database_beside_blobs_is_refused_until_it_adopts_them() {
    let dir = with_a_file();
    let data = dir.path("cadmill-data");
    take_database(&dir);
    let before = dir.names("cadmill-data/blobs");
    for command in [&["serve"][..], &["import", "in"], &["gc", "--yes"]] {
        refused(dir.run(command), "belong to the deployment");
    }
    let marker = data.join("blobs/cadmill-owner.json");
    let marked = fs::read(&marker).unwrap();
    fs::remove_file(&marker).unwrap();
    refused(dir.run(&["serve"]), "has no CAD files");
    fs::write(&marker, marked).unwrap();
    assert_eq!(
        dir.names("cadmill-data/blobs"),
        before,
        "nothing was removed"
    );

    let adopted = dir.run(&["adopt"]).expect_exit(0).stdout;
    assert!(adopted.contains("generation 2"), "{adopted}");
    dir.run(&["import", "in", "--wait"]).expect_exit(0);
}

#[test]
fn an_older_copy_of_the_database_is_refused_after_another_has_adopted_the_blobs() {
    let dir = with_a_file();
    let copy = take_database(&dir);
    let put_back = || {
        take_database(&dir);
        for (path, bytes) in &copy {
            fs::write(path, bytes).unwrap();
        }
    };
    put_back();
    dir.run(&["adopt"]).expect_exit(0);
    dir.run(&["import", "in", "--wait"]).expect_exit(0);
    put_back();
    refused(dir.run(&["import", "in"]), "in its generation 2");
    dir.run(&["adopt"]).expect_exit(0);
    let imported = dir
        .run(&["import", "in", "--json"])
        .expect_exit(0)
        .objects();
    assert_eq!(imported[0]["unchanged"], 1);
}

#[test]
fn adopting_counts_unknown_blobs_and_the_next_sweep_needs_confirmation() {
    let dir = with_a_file();
    let made = blobs(&dir);
    add_unreferenced(&dir, 5);
    let adopted = dir.run(&["adopt"]).expect_exit(0).stdout;
    let expected = format!("5 of {} blobs belong to no file", made + 5);
    assert!(adopted.contains(&expected), "{adopted}");
    let refused = dir.run(&["gc"]).expect_exit(1).stderr;
    assert!(refused.contains("cadmill gc --yes"), "{refused}");
    assert_eq!(blobs(&dir), made + 5);
    for arguments in [&["gc", "--yes"][..], &["gc"]] {
        let removed = dir.run(arguments).expect_exit(0).stdout;
        let expected = format!("removed 5 of {} blobs", made + 5);
        assert!(removed.starts_with(&expected), "{removed}");
        add_unreferenced(&dir, 5);
    }
}

#[test]
fn adopting_needs_a_database() {
    let dir = with_a_file();
    let refused = dir.run(&["adopt", "--data-dir", "mistyped"]).expect_exit(1);
    assert!(refused.stderr.contains("no database"), "{}", refused.stderr);
    assert!(!dir.path("mistyped").exists());
}
