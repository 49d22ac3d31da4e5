//! Stored bytes that are missing or damaged, in one folder.

use std::{fs, path::PathBuf};

use crate::{
    bench::Bench,
    pipeline::{part, serve, stop},
    uploads::eventually,
};

/// A deployment with one file whose media are made, and the blob of its thumbnail.
fn with_media(scrub_rate: &str) -> (Bench, PathBuf) {
    let bench = Bench::new();
    bench.write("cadmill.toml", &format!("scrub_rate = \"{scrub_rate}\"\n"));
    part(&bench, "in/a.step", "a");
    bench.run(&["import", "in", "--wait"]).with(0);
    let folder = "cadmill-data/blobs/sha256";
    let blobs = bench.names(folder);
    let mut blobs = blobs.iter().map(|name| bench.path(folder).join(name));
    let is_picture = |path: &PathBuf| fs::read(path).unwrap().starts_with(b"\x89PNG");
    let picture = blobs.find(is_picture).unwrap();
    (bench, picture)
}

#[test]
fn verify_repairs_with_and_without_a_server() {
    let (bench, picture) = with_media("off");
    let bytes = fs::read(&picture).unwrap();
    bench.run(&["verify"]).with(0);
    for has_server in [false, true] {
        let server = has_server.then(|| serve(&bench));
        fs::write(&picture, "no picture").unwrap();
        let report = bench.run(&["verify"]).with(1).stdout;
        assert!(
            report.contains("missing 0, damaged 1, unreadable 0"),
            "{report}"
        );
        assert!(report.contains("cadmill verify --repair"), "{report}");
        let report = bench.run(&["verify", "--repair"]).with(0).stdout;
        assert!(report.contains("media made again 1"), "{report}");
        if !has_server {
            // It waits for all that is under way, and does it.
            bench.run(&["import", "in", "--wait"]).with(0);
        }
        eventually(|| fs::read(&picture).unwrap() == bytes);
        eventually(|| {
            bench
                .command(&["verify"])
                .output()
                .unwrap()
                .status
                .success()
        });
        server.into_iter().for_each(stop);
    }
}

#[test]
fn a_server_finds_what_is_damaged_by_itself() {
    let (bench, picture) = with_media("64MiB");
    let bytes = fs::read(&picture).unwrap();
    fs::write(&picture, "no picture").unwrap();
    let server = serve(&bench);
    eventually(|| fs::read(&picture).unwrap() == bytes);
    stop(server);
}
