//! A sweeper that freezes between its decision and its deletions, and goes on after the same bytes
//! have come again.

use std::ops::Range;

use nix::sys::signal::Signal;
use serde_json::Value;

use super::{
    api::Api,
    blobs::{blobs, blobs_of, date_back},
    check::settle,
    eventually,
    site::{Site, step},
    syscalls::frozen_at_deletion,
};

/// More than are deleted at once.
const FILES: usize = 40;
const REMOVALS: &str = "blob_removal";
const ASSETS: &str = "select kind, sha256 from media_asset order by 1, 2";

#[test]
fn what_comes_again_while_a_sweeper_is_frozen_stays() {
    let site = Site::new("frozen-sweep");
    let api = Api::start(&site, &[]);
    let upload = |numbers: Range<usize>| {
        for number in numbers {
            let answer = api.upload(&format!("{number}.step"), &step(&number.to_string()));
            assert_eq!(answer.status, 201, "{answer:?}");
        }
    };
    upload(0..FILES);
    let worker = site.worker(&[]);
    settle(&site);
    worker.stop();
    for file in api.files() {
        let path = format!("/api/cad/{}", file["id"].as_str().unwrap());
        let answer = api.json("DELETE", &path, &Value::Null);
        assert_eq!(answer.status, 204, "{answer:?}");
    }
    date_back(&blobs_of(&site));
    let blobs = blobs(&site);
    let let_sweep = || site.sql("update deployment set swept_at = null");
    let_sweep();
    let command = site.command(&["worker", "-v"]);
    let trace = site.folder.join("trace");
    let frozen = site.start(frozen_at_deletion(&command, &blobs, &trace));
    frozen.is_frozen();
    assert_ne!(site.count(REMOVALS), 0, "it has not decided anything");
    assert!(blobs.iter().any(|blob| blob.exists()), "all are deleted");

    // Some come again while it alone has decided, and some after another has ended its removals.
    upload(0..FILES / 2);
    let other = site.worker(&[]);
    settle(&site);
    let_sweep();
    other.says("blobs swept");
    upload(FILES / 2..FILES);
    settle(&site);
    let assets = site.sql(ASSETS);

    eventually("the frozen sweeper has gone on to its end", || {
        frozen.signal(Signal::SIGCONT);
        let said = frozen.said();
        said.contains("blobs swept") || said.contains("maintenance failed")
    });
    frozen.stop();
    other.stop();
    let verified = site.run(&["verify"]).succeeded().stdout;
    assert!(
        verified.starts_with(&format!("{} blobs (", FILES * 3)),
        "{verified}"
    );
    for asset in site.sql("select id from media_asset").lines() {
        assert!(api.is_whole(&format!("/api/media/{asset}/content")));
    }
    assert_eq!(site.sql(ASSETS), assets);
    api.stop();
}
