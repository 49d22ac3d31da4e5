//! Blobs that are deleted, cut off or overwritten behind the back of the deployment: a process that
//! comes upon one lets it be made again.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;

use super::{
    api::Api,
    check::{check_after_loss, settle},
    eventually,
    site::{Site, step},
};

/// What is done to a blob.
type Damage = fn(&Path);

const DAMAGES: [(&str, Damage); 3] = [
    ("deleted", |blob| fs::remove_file(blob).unwrap()),
    ("cut off", |blob| {
        let half = fs::metadata(blob).unwrap().len() / 2;
        let file = fs::OpenOptions::new().write(true).open(blob).unwrap();
        file.set_len(half).unwrap();
    }),
    ("overwritten", |blob| {
        let mut bytes = fs::read(blob).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(blob, bytes).unwrap();
    }),
];
const ASSETS: &str = "select kind, sha256, bytes from media_asset order by kind, sha256";

#[test]
fn a_download_lets_a_lost_medium_be_made_again() {
    let site = Site::new("lost-download");
    let api = Api::start(&site, &[]);
    site.import(1);
    let worker = site.worker(&[]);
    settle(&site);
    let assets = site.sql(ASSETS);
    // That a blob of the right length has other bytes is not seen by a download.
    for (damage, apply) in &DAMAGES[..2] {
        for kind in ["gltf_geometry", "usd_master"] {
            let path = format!("/api/cad/{}/media/{kind}/content", file(&site));
            let (etag, bytes) = api.bytes(&path);
            apply(&blob_of(&site, kind));
            let answer = api.get(&path);
            let code = answer.body["code"].as_str();
            assert_eq!(
                (answer.status, code),
                (503, Some("bytes_lost")),
                "{damage}: {answer:?}"
            );
            assert!(answer.headers.contains_key("retry-after"), "{damage}");
            settle(&site);
            assert_eq!(api.bytes(&path), (etag, bytes), "{kind} was {damage}");
        }
    }
    assert_eq!(site.sql(ASSETS), assets, "the same bytes were made");
    worker.stop();
    check_after_loss(&site);
    api.stop();
}

#[test]
fn a_worker_lets_the_scene_that_it_reads_be_made_again() {
    for (damage, apply) in DAMAGES {
        let site = Site::new(&format!("lost-scene-{}", damage.replace(' ', "-")));
        site.import(1);
        let worker = site.worker(&[]);
        settle(&site);
        worker.stop();
        apply(&blob_of(&site, "gltf_geometry"));
        let paint = site.folder.join("paint.json");
        fs::write(&paint, r##"{"*": {"color": "#336699"}}"##).unwrap();
        let file = file(&site);
        site.run(&["materials", "set", &file, paint.to_str().unwrap()])
            .succeeded();
        let worker = site.worker(&[]);
        settle(&site);
        worker.stop();
        let waited = "pipeline_event where task = 'usd_master' and event = 'step_failed' \
             and result ->> 'code' = 'blob_damaged'";
        assert_eq!(site.count(waited), 1, "the master waited for its scene");
        assert_eq!(site.kernel.runs().len(), 2, "the scene was made again");
        check_after_loss(&site);
    }
}

#[test]
fn a_lost_source_fails_until_the_same_bytes_are_uploaded_again() {
    for (damage, apply) in DAMAGES {
        let site = Site::new(&format!("lost-source-{}", damage.replace(' ', "-")));
        let api = Api::start(&site, &[]);
        site.import(1);
        apply(&source_of(&site));
        let worker = site.worker(&[]);
        wait_for_loss(&site);
        let status = site.run(&["status", "part-0.step"]).succeeded().stdout;
        assert!(status.contains("source_lost"), "{status}");
        assert!(status.contains("Upload the same file again"), "{status}");
        let failed = "pipeline_event where event = 'step_failed' \
             and result ->> 'code' = 'source_lost'";
        assert_eq!(site.count(failed), 1, "{damage}");
        // Asking in bulk does not try in vain.
        assert_eq!(api.press("canonical-scenes"), 0);

        let uploaded = api.upload("twin.step", &step("0"));
        assert_eq!(uploaded.status, 201, "{uploaded:?}");
        settle(&site);
        assert_eq!(site.count("cad_file"), 2);
        worker.stop();
        check_after_loss(&site);
        api.stop();
    }
}

#[test]
fn importing_the_same_file_again_heals_its_source() {
    let site = Site::new("lost-source-import");
    site.import(1);
    let worker = site.worker(&[]);
    settle(&site);
    fs::remove_file(source_of(&site)).unwrap();
    // The scene is there; only what has to read the source finds that it is gone.
    let repaired = site.run(&["verify", "--repair"]);
    assert_eq!(repaired.code, Some(1), "{repaired:?}");
    wait_for_loss(&site);
    site.import(1);
    settle(&site);
    assert_eq!(site.count("cad_file"), 1);
    site.run(&["verify"]).succeeded();
    worker.stop();
    check_after_loss(&site);
}

#[test]
fn a_scrub_finds_what_is_lost_and_what_is_there_again() {
    let site = Site::new("lost-scrub");
    site.import(2);
    let worker = site.worker(&[("CADMILL_SCRUB_RATE", "1GiB")]);
    settle(&site);
    let assets = site.sql(ASSETS);
    for (damage, apply) in DAMAGES {
        for kind in ["gltf_geometry", "usd_master"] {
            let blob = blob_of(&site, kind);
            let bytes = fs::read(&blob).unwrap();
            apply(&blob);
            eventually(&format!("a {kind} that was {damage} is whole"), || {
                fs::read(&blob).is_ok_and(|found| found == bytes)
            });
            settle(&site);
        }
        let blob = source_of(&site);
        let bytes = fs::read(&blob).unwrap();
        apply(&blob);
        wait_for_loss(&site);
        // As from a backup.
        fs::write(&blob, bytes).unwrap();
        eventually("the source is found again", || {
            site.count("ledger where state = 'failed'") == 0
        });
        settle(&site);
    }
    assert_eq!(site.sql(ASSETS), assets, "the same bytes were made");
    worker.stop();
    check_after_loss(&site);
}

#[test]
fn verify_reports_and_repairs() {
    let site = Site::new("lost-verify");
    site.import(2);
    let worker = site.worker(&[]);
    settle(&site);
    let verify = |arguments: &[&str]| {
        let ended = site.run(&[&["verify", "--json"], arguments].concat());
        let report: Value = serde_json::from_str(&ended.stdout).unwrap();
        (ended.code, report)
    };
    let (code, report) = verify(&[]);
    assert_eq!((code, &report["blobs"]), (Some(0), &6.into()), "{report}");
    let scenes = site.sql("select sha256 from media_asset where kind = 'gltf_geometry'");
    let scenes: Vec<_> = scenes.lines().map(str::to_owned).collect();
    let [first, second] = &scenes[..] else {
        panic!("{scenes:?}");
    };
    fs::remove_file(path_of(&site, first)).unwrap();
    DAMAGES[2].1(&path_of(&site, second));
    let rows = site.sql("select * from ledger order by cad_file_id, kind");
    let (code, report) = verify(&[]);
    assert_eq!(code, Some(1));
    let counts = ["missing", "damaged", "unreadable", "media", "sources"];
    let counts = counts.map(|name| report[name].as_u64().unwrap());
    assert_eq!(counts, [1, 1, 0, 0, 0], "{report}");
    let findings = report["findings"].as_array().unwrap();
    let fault_of = |hash: &str| {
        let finding = findings.iter().find(|finding| finding["sha256"] == hash);
        finding.unwrap()["fault"].as_str().unwrap()
    };
    assert_eq!((fault_of(first), fault_of(second)), ("missing", "damaged"));
    let after = site.sql("select * from ledger order by cad_file_id, kind");
    assert_eq!(after, rows, "a look changes nothing");

    let (code, report) = verify(&["--repair"]);
    assert_eq!((code, &report["media"]), (Some(0), &2.into()), "{report}");
    settle(&site);
    let (code, report) = verify(&[]);
    assert_eq!(code, Some(0), "{report}");
    let summary = site.run(&["verify"]).succeeded().stdout;
    assert!(summary.starts_with("6 blobs ("), "{summary}");
    worker.stop();
    check_after_loss(&site);
}

fn wait_for_loss(site: &Site) {
    let lost = "ledger where kind = 'process_step' and state = 'failed' \
         and failure ->> 'code' = 'source_lost'";
    eventually("a source is found to be lost", || site.count(lost) == 1);
}

/// The id of the only file, or of any.
fn file(site: &Site) -> String {
    site.sql("select id from cad_file order by id limit 1")
}

/// The blob of a medium of that file.
fn blob_of(site: &Site, kind: &str) -> PathBuf {
    let hash = site.sql(&format!(
        "select sha256 from media_asset where kind = '{kind}' order by cad_file_id limit 1"
    ));
    path_of(site, &hash)
}

fn source_of(site: &Site) -> PathBuf {
    let hash = site.sql("select source_sha256 from cad_file order by id limit 1");
    path_of(site, &hash)
}

fn path_of(site: &Site, hash: &str) -> PathBuf {
    let blobs = site.data().join("blobs").join("sha256");
    blobs.join(&hash[..2]).join(hash)
}
