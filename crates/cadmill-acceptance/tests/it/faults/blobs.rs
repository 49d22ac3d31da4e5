//! Blobs that nothing refers to for a while, beside sweeps; and whose blobs they are.

use std::{
    fs::File,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, SystemTime},
};

use cadmill_domain::ContentHash;
use nix::sys::signal::Signal;
use serde_json::Value;

use super::{
    api::Api,
    check::{files_in, settle_and_check},
    eventually,
    site::{Site, step},
    workers::Worker,
};

/// How many clients upload and delete at once, and how many files each.
const CLIENTS: usize = 4;
const FILES: usize = 6;
/// How many sweeps there are meanwhile.
const SWEEPS: usize = 3;

#[test]
fn what_is_uploaded_again_while_a_sweep_removes_it_is_kept() {
    let site = Site::new("blobs-again");
    let server = Api::start(&site, &[]);
    let (folder, is_over) = (blobs_of(&site), AtomicBool::new(false));
    let (folder, api, is_over) = (&*folder, &server, &is_over);
    let (removed, uploads) = thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| scope.spawn(move || come_and_go(folder, api, client, is_over)))
            .collect();
        scope.spawn(|| {
            while !is_over.load(Ordering::SeqCst) {
                date_back(folder);
                #[expect(clippy::disallowed_methods, reason = "dates are set back all the time")]
                thread::sleep(Duration::from_millis(5));
            }
        });
        let end = End(is_over);
        let swept = (0..SWEEPS).map(|_| gc(&site)["removed"].as_u64().unwrap());
        let removed: u64 = swept.sum();
        drop(end);
        let uploads = clients.into_iter().map(|client| client.join().unwrap());
        (removed, uploads.sum::<usize>())
    });
    println!("{removed} blobs were removed during {uploads} uploads");
    assert!(removed > 0, "nothing was swept, so there was no race");
    server.stop();
}

#[test]
fn what_a_frozen_worker_has_stored_is_kept_until_it_goes_on() {
    let site = Site::new("blobs-frozen");
    site.import(1);
    let frozen = frozen_after_its_blob(&site);
    let stored = blobs(&site);
    date_back(&blobs_of(&site));
    let swept = gc(&site);
    assert_eq!(swept["removed"], 0, "{swept}");
    assert_eq!(blobs(&site), stored);
    finish(&site, frozen);
}

#[test]
fn what_a_worker_has_stored_that_was_frozen_for_days_is_swept_and_made_again() {
    let site = Site::new("blobs-frozen-for-days");
    site.import(1);
    let frozen = frozen_after_its_blob(&site);
    date_back(&blobs_of(&site));
    site.sql("update blob_intent set created_at = created_at - interval '3 days'");
    let swept = gc(&site);
    assert_eq!(swept["removed"], 1, "{swept}");
    finish(&site, frozen);
}

#[test]
fn a_worker_beside_the_wrong_database_removes_nothing() {
    let site = Site::new("blobs-wrong-database");
    site.import(3);
    settle_and_check(&site, vec![site.worker(&[])]);
    date_back(&blobs_of(&site));
    let stored = blobs(&site);
    let empty = site.postgres.read().unwrap().create_database().unwrap();
    let with_empty = |arguments: &[&str]| {
        let mut command = site.command(arguments);
        command.env("CADMILL_DATABASE_URL", &empty);
        command.output().unwrap()
    };
    assert!(with_empty(&["migrate"]).status.success());
    for command in [&["worker"][..], &["gc", "--yes"]] {
        let refused = with_empty(command);
        let stderr = String::from_utf8_lossy(&refused.stderr);
        assert_eq!(refused.status.code(), Some(1), "{stderr}");
        assert!(stderr.contains("cadmill adopt"), "{stderr}");
    }
    assert_eq!(blobs(&site), stored);
    settle_and_check(&site, vec![site.worker(&[])]);
}

/// A worker that has stored a medium, and is frozen before it can publish it.
fn frozen_after_its_blob(site: &Site) -> Worker {
    let frozen = site.worker(&[
        ("CADMILL_FAILPOINT", "after_blob=stop"),
        ("CADMILL_SLOTS", "1"),
    ]);
    frozen.is_frozen();
    assert_eq!(site.count("blob_intent"), 1);
    frozen
}

/// Lets the frozen worker go on as often as it freezes, until everything is made.
fn finish(site: &Site, frozen: Worker) {
    let other = site.worker(&[]);
    eventually("everything is made", || {
        frozen.signal(Signal::SIGCONT);
        site.count("ledger where kind = 'usd_master' and state = 'idle'") == 1
    });
    settle_and_check(site, vec![frozen, other]);
}

/// Sweeps; a worker does it, or the command itself.
fn gc(site: &Site) -> Value {
    let swept = site.run(&["gc", "--yes", "--json"]).succeeded();
    serde_json::from_str(&swept.stdout).unwrap()
}

/// Uploads the same files again and again, looks whether they are stored, and deletes them; how often.
fn come_and_go(blobs: &Path, api: &Api, client: usize, is_over: &AtomicBool) -> usize {
    let mut uploads = 0;
    while !is_over.load(Ordering::SeqCst) {
        let content = step(&format!("{client} {}", uploads % FILES));
        let uploaded = api.upload("part.step", &content);
        assert_eq!(uploaded.status, 201, "{uploaded:?}");
        uploads += 1;
        #[expect(clippy::disallowed_methods, reason = "the sweeps go on meanwhile")]
        thread::sleep(Duration::from_millis(10));
        let hash = ContentHash::of(content.as_bytes()).to_string();
        assert!(is_stored(blobs, &hash), "upload {uploads} is lost");
        let id = uploaded.body["id"].as_str().unwrap();
        let deleted = api.json("DELETE", &format!("/api/cad/{id}"), &Value::Null);
        assert_eq!(deleted.status, 204, "{deleted:?}");
    }
    uploads
}

/// Makes all blobs older than what may still be being stored. Some may be removed meanwhile.
pub(super) fn date_back(blobs: &Path) {
    let days_ago = SystemTime::now() - Duration::from_hours(50);
    let folders = ["sha256", "sha256-copies"].map(|name| blobs.join(name));
    let folders = folders.iter().filter(|folder| folder.exists());
    for path in folders.flat_map(|folder| files_in(folder)) {
        if let Ok(file) = File::options().write(true).open(path) {
            file.set_modified(days_ago).unwrap();
        }
    }
}

/// Ends the uploads, also when a test fails.
struct End<'a>(&'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

pub(super) fn blobs_of(site: &Site) -> PathBuf {
    site.data().join("blobs")
}

/// All blobs but further copies of them.
pub(super) fn blobs(site: &Site) -> Vec<PathBuf> {
    let mut found = files_in(&blobs_of(site).join("sha256"));
    found.sort();
    found
}

/// Whether there is a copy of a blob.
fn is_stored(blobs: &Path, hash: &str) -> bool {
    let first = blobs.join("sha256").join(&hash[..2]).join(hash);
    let copies = blobs.join("sha256-copies").join(hash);
    first.is_file() || copies.is_dir() && !files_in(&copies).is_empty()
}
