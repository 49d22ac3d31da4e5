//! Missing or damaged blobs.

use std::{fs, path::PathBuf};

use crate::{
    pipeline::{part, serve, stop},
    test_dir::TestDir,
    uploads::eventually,
};

/// A deployment with one file and its media, and the path of the thumbnail.
fn with_media(scrub_rate: &str) -> (TestDir, PathBuf) {
    let dir = TestDir::new();
    dir.write("cadmill.toml", &format!("scrub_rate = \"{scrub_rate}\"\n"));
    part(&dir, "in/a.step", "a");
    dir.run(&["import", "in", "--wait"]).expect_exit(0);
    let folder = "cadmill-data/blobs/sha256";
    let blobs = dir.names(folder);
    let mut blobs = blobs.iter().map(|name| dir.path(folder).join(name));
    let is_picture = |path: &PathBuf| fs::read(path).unwrap().starts_with(b"\x89PNG");
    let picture = blobs.find(is_picture).unwrap();
    (dir, picture)
}

#[test]
fn verify_repairs_with_and_without_a_server() {
    let (dir, picture) = with_media("off");
    let bytes = fs::read(&picture).unwrap();
    dir.run(&["verify"]).expect_exit(0);
    for has_server in [false, true] {
        let server = has_server.then(|| serve(&dir));
        fs::write(&picture, "no picture").unwrap();
        let report = dir.run(&["verify"]).expect_exit(1).stdout;
        assert!(
            report.contains("missing 0, damaged 1, unreadable 0"),
            "{report}"
        );
        assert!(report.contains("cadmill verify --repair"), "{report}");
        let report = dir.run(&["verify", "--repair"]).expect_exit(0).stdout;
        assert!(report.contains("media queued again 1"), "{report}");
        if !has_server {
            // It waits for the queue, and works.
            dir.run(&["import", "in", "--wait"]).expect_exit(0);
        }
        eventually(|| fs::read(&picture).unwrap() == bytes);
        eventually(|| dir.command(&["verify"]).output().unwrap().status.success());
        server.into_iter().for_each(stop);
    }
}

#[test]
fn a_server_finds_and_repairs_damaged_blobs() {
    let (dir, picture) = with_media("64MiB");
    let bytes = fs::read(&picture).unwrap();
    fs::write(&picture, "no picture").unwrap();
    let server = serve(&dir);
    eventually(|| fs::read(&picture).unwrap() == bytes);
    stop(server);
}
