//! Whose the blobs are, and which of them are kept.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use cadmill_domain::ContentHash;
use serde_json::json;

use crate::{
    bench::{Bench, Ended, step},
    server::Server,
};

/// Blobs that are older than anything that is still being stored.
const DAYS: Duration = Duration::from_hours(50);

/// A deployment with one file and all its media.
fn with_a_file() -> Bench {
    let bench = Bench::new();
    bench.write("in/a.step", &step(""));
    bench.run(&["import", "in", "--wait"]).with(0);
    bench
}

/// Adds blobs that nothing refers to, as if they had been stored long ago.
fn add_strangers(bench: &Bench, count: usize) {
    for number in 0..count {
        let text = format!("stranger {number}");
        let hash = ContentHash::of(text.as_bytes()).to_string();
        let name = format!("cadmill-data/blobs/sha256/{}/{hash}", &hash[..2]);
        date_back(&bench.write(&name, &text));
    }
}

fn date_back(path: &Path) {
    let file = File::options().write(true).open(path).unwrap();
    file.set_modified(SystemTime::now() - DAYS).unwrap();
}

/// Removes the database, of which there are several files after an unclean end; gives their bytes.
fn take_database(bench: &Bench) -> Vec<(PathBuf, Vec<u8>)> {
    let files = fs::read_dir(bench.path("cadmill-data")).unwrap();
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

fn blobs(bench: &Bench) -> usize {
    bench.names("cadmill-data/blobs/sha256").len()
}

/// Checks that a command is refused, and says what to do.
#[track_caller]
fn refused(ended: Ended, says: &str) {
    let ended = ended.with(1);
    assert!(ended.stderr.contains(says), "{}", ended.stderr);
    assert!(ended.stderr.contains("cadmill adopt"), "{}", ended.stderr);
}

#[test]
fn gc_removes_what_nothing_refers_to() {
    let bench = with_a_file();
    let made = blobs(&bench);
    add_strangers(&bench, 20);
    let printed = bench.run(&["gc", "--json"]).with(0).objects();
    let expected = json!({"seen": made + 20, "removed": 20, "unconfirmed": 0});
    assert_eq!(printed, [expected]);
    assert_eq!(blobs(&bench), made);
    let text = bench.run(&["gc"]).with(0).stdout;
    let expected = format!("removed 0 of {made} blobs; unused ones are kept for 24 hours\n");
    assert_eq!(text, expected);
}

#[test]
fn gc_asks_before_it_removes_much_that_was_not_released() {
    let bench = with_a_file();
    let made = blobs(&bench);
    add_strangers(&bench, 150);
    let asked = bench.run(&["gc"]).with(1).stderr;
    for part in ["150 of", "cadmill gc --yes"] {
        assert!(asked.contains(part), "{asked}");
    }
    assert_eq!(blobs(&bench), made + 150);
    let status = bench.run(&["status"]).with(0).stdout;
    assert!(status.contains("cadmill gc --yes"), "{status}");
    let removed = bench.run(&["gc", "--yes"]).with(0).stdout;
    let expected = format!("removed 150 of {} blobs;", made + 150);
    assert!(removed.starts_with(&expected), "{removed}");
    assert_eq!(blobs(&bench), made);
    let status = bench.run(&["status"]).with(0).stdout;
    assert!(!status.contains("cadmill gc"), "{status}");
}

#[test]
fn a_running_server_sweeps_for_gc() {
    let bench = with_a_file();
    let made = blobs(&bench);
    // Those that a sweep of the server finds while they come may be few enough to be removed.
    add_strangers(&bench, 150);
    let server = Server::start(&bench, &[]);
    let asked = bench.command(&["gc", "--json"]).output().unwrap();
    let asked = Ended::from(asked).with(1).objects();
    assert_eq!(asked[0]["unconfirmed"], 150);
    let removed = bench.command(&["gc", "--yes", "--json"]).output().unwrap();
    let removed = Ended::from(removed).with(0).objects();
    assert_eq!(removed[0]["removed"], 150);
    assert_eq!(blobs(&bench), made);
    // The folder is the server's, so the command can have done nothing by itself.
    let adopted = bench.command(&["adopt"]).output().unwrap();
    let adopted = Ended::from(adopted).with(1);
    assert!(
        adopted.stderr.contains("stop the server"),
        "{}",
        adopted.stderr
    );
    server.stop();
}

#[test]
fn an_empty_database_beside_blobs_is_refused_until_it_adopts_them() {
    let bench = with_a_file();
    let data = bench.path("cadmill-data");
    take_database(&bench);
    let before = bench.names("cadmill-data/blobs");
    for command in [&["serve"][..], &["import", "in"], &["gc", "--yes"]] {
        refused(bench.run(command), "belong to the deployment");
    }
    let marker = data.join("blobs/cadmill-owner.json");
    let marked = fs::read(&marker).unwrap();
    fs::remove_file(&marker).unwrap();
    refused(bench.run(&["serve"]), "has no CAD files");
    fs::write(&marker, marked).unwrap();
    assert_eq!(
        bench.names("cadmill-data/blobs"),
        before,
        "nothing was removed"
    );

    let adopted = bench.run(&["adopt"]).with(0).stdout;
    assert!(adopted.contains("generation 2"), "{adopted}");
    bench.run(&["import", "in", "--wait"]).with(0);
}

#[test]
fn an_older_copy_of_the_database_is_refused_after_another_has_adopted_the_blobs() {
    let bench = with_a_file();
    let copy = take_database(&bench);
    let put_back = || {
        take_database(&bench);
        for (path, bytes) in &copy {
            fs::write(path, bytes).unwrap();
        }
    };
    put_back();
    bench.run(&["adopt"]).with(0);
    bench.run(&["import", "in", "--wait"]).with(0);
    put_back();
    refused(bench.run(&["import", "in"]), "in its generation 2");
    bench.run(&["adopt"]).with(0);
    let imported = bench.run(&["import", "in", "--json"]).with(0).objects();
    assert_eq!(imported[0]["unchanged"], 1);
}

#[test]
fn adopting_counts_what_the_database_does_not_know_and_the_next_sweep_asks() {
    let bench = with_a_file();
    let made = blobs(&bench);
    add_strangers(&bench, 5);
    let adopted = bench.run(&["adopt"]).with(0).stdout;
    let expected = format!("5 of {} blobs belong to no file", made + 5);
    assert!(adopted.contains(&expected), "{adopted}");
    let asked = bench.run(&["gc"]).with(1).stderr;
    assert!(asked.contains("cadmill gc --yes"), "{asked}");
    assert_eq!(blobs(&bench), made + 5);
    for arguments in [&["gc", "--yes"][..], &["gc"]] {
        let removed = bench.run(arguments).with(0).stdout;
        let expected = format!("removed 5 of {} blobs", made + 5);
        assert!(removed.starts_with(&expected), "{removed}");
        add_strangers(&bench, 5);
    }
}

#[test]
fn adopting_needs_a_database() {
    let bench = with_a_file();
    let refused = bench.run(&["adopt", "--data-dir", "mistyped"]).with(1);
    assert!(refused.stderr.contains("no database"), "{}", refused.stderr);
    assert!(!bench.path("mistyped").exists());
}
