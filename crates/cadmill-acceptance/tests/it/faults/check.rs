//! What has to hold in the end, whatever went wrong on the way.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use cadmill_domain::ContentHash;
use cadmill_scene::glb;

use super::{
    eventually, kernel::tessellators_in, redis_client::locks, site::Site, within, workers::Worker,
};

/// What each file has in the end.
const WANTED: &str = "cad_file f cross join \
    (values ('process_step'), ('gltf_geometry'), ('usd_master')) k(kind) \
    left join ledger l on l.cad_file_id = f.id and l.kind = k.kind \
    left join media_asset a on a.id = l.asset_id";
/// Whether it has it: a row at rest whose asset is of what is wanted.
const IS_DONE: &str = "l.state = 'idle' and l.ready_input = l.desired_input \
    and l.running_input is null and l.progress is null and (k.kind = 'process_step' \
    or a.kind = k.kind and a.input = l.ready_input and a.cad_file_id = f.id)";

/// Steps that have begun and not ended.
pub(super) const OPEN_STEPS: &str = "pipeline_event s where event = 'step_start' and not exists \
    (select 1 from pipeline_event e where e.event <> 'step_start' \
    and (e.cad_file_id, e.task, e.fence) = (s.cad_file_id, s.task, s.fence))";

const MADE_TWICE: &str = "the same was made twice";

/// What must never be, each with a sentence.
const NEVER: [(&str, &str); 7] = [
    (
        "an asset was made twice",
        "(select 1 from media_asset group by cad_file_id, kind, input having count(*) > 1) x",
    ),
    (
        "a claim was begun twice",
        "(select 1 from pipeline_event where event = 'step_start' \
         group by cad_file_id, task, fence having count(*) > 1) x",
    ),
    (
        "a claim was ended twice",
        "(select 1 from pipeline_event where event <> 'step_start' and fence is not null \
         group by cad_file_id, task, fence having count(*) > 1) x",
    ),
    ("a timeline is open", OPEN_STEPS),
    (
        MADE_TWICE,
        "(select 1 from pipeline_event d join pipeline_event s using (cad_file_id, task, fence) \
         where s.event = 'step_start' and d.event = 'step_done' \
         group by cad_file_id, task, s.result -> 'input' having count(*) > 1) x",
    ),
    (
        "a fence went back",
        "(select fence, lag(fence) over (partition by cad_file_id, task order by id) before \
         from pipeline_event where event = 'step_start') x where fence <= before",
    ),
    (
        "a fence is older than what was done under it",
        "ledger l where fence < (select max(fence) from pipeline_event e \
         where e.cad_file_id = l.cad_file_id and e.task = l.kind)",
    ),
];

/// Work that was begun again because a worker was taken for dead, or because it had failed.
pub(super) const AGAIN: &str =
    "pipeline_event where event = 'step_start' and (result ->> 'tries')::int > 0";

/// Waits until everything is made, stops the workers, and checks what is left.
#[track_caller]
pub(super) fn settle_and_check(site: &Site, workers: Vec<Worker>) {
    settle(site);
    stop_and_check(site, workers);
}

/// Stops the workers, and checks what is left.
#[track_caller]
pub(super) fn stop_and_check(site: &Site, workers: Vec<Worker>) {
    for worker in workers {
        // One that is to stop while it starts leaves what the dead have left.
        worker.says("Working with");
        worker.stop();
    }
    check(site, &site.data().join("blobs"));
    let scratch = fs::read_dir(site.data().join("scratch")).unwrap();
    let left: Vec<_> = scratch.map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, [".lock"], "the scratch folder is not empty");
}

/// Waits until everything is made.
#[track_caller]
pub(super) fn settle(site: &Site) {
    eventually("everything is made", || {
        let failures = site.sql("select kind, failure from ledger where state = 'failed'");
        assert_eq!(failures, "", "there are failures");
        site.count(&format!("{WANTED} where ({IS_DONE}) is not true")) == 0
    });
}

/// The same if workers die so often that work is set aside, which is then asked for again.
#[track_caller]
pub(super) fn settle_after_crashes(site: &Site, limit: Duration) {
    within(limit, "everything is made", || {
        let failed = "ledger where state = 'failed'";
        let otherwise = "(failure ->> 'code', crashes) is distinct from ('worker_crash', 3)";
        assert_eq!(
            site.sql(&format!("select failure from {failed} and {otherwise}")),
            "",
            "there are failures"
        );
        if site.count(failed) > 0 {
            site.run(&["retry"]).succeeded();
        }
        site.count(&format!("{WANTED} where ({IS_DONE}) is not true")) == 0
    });
    // Whoever died after it had published, or before it let go, has left a lease behind it.
    eventually("the leases of the dead run out", || {
        locks(&site.redis_url).is_empty()
    });
}

/// Checks what is left after bytes were lost, so that some of them were made twice.
#[track_caller]
pub(super) fn check_after_loss(site: &Site) {
    check_rows_but(site, &[MADE_TWICE]);
    check_blobs(site, &site.data().join("blobs"));
}

/// Checks what is left when nobody works any more.
#[track_caller]
pub(super) fn check(site: &Site, blobs: &Path) {
    check_rows(site);
    check_blobs(site, blobs);
}

/// The same, but for the bytes.
#[track_caller]
pub(super) fn check_rows(site: &Site) {
    check_rows_but(site, &[]);
}

#[track_caller]
fn check_rows_but(site: &Site, allowed: &[&str]) {
    assert_ne!(site.count("cad_file"), 0, "there is nothing to check");
    let not_done = format!(
        "select k.kind, l.state, l.fence, l.failure from {WANTED} where ({IS_DONE}) is not true"
    );
    assert_eq!(site.sql(&not_done), "", "not everything is made");
    for (what, rows) in NEVER.iter().filter(|(what, _)| !allowed.contains(what)) {
        assert_eq!(site.count(rows), 0, "{what}");
    }
    assert_eq!(tessellators_in(&site.data()), 0, "a tessellator is left");
    assert_eq!(locks(&site.redis_url), "", "a lock is left");
}

#[track_caller]
fn check_blobs(site: &Site, blobs: &Path) {
    // What was being written when a process died lies elsewhere.
    for path in files_in(&blobs.join("sha256")) {
        let bytes = fs::read(&path).unwrap();
        let hash = ContentHash::of(&bytes).to_string();
        assert!(path.ends_with(&hash), "the blob {} is torn", path.display());
    }
    let referenced = site.sql(
        "select kind || ' ' || sha256 || ' ' || bytes from media_asset union \
         select 'source ' || source_sha256 || ' ' || source_bytes from cad_file",
    );
    for line in referenced.lines() {
        let words: Vec<_> = line.split(' ').collect();
        let [kind, hash, bytes] = words[..] else {
            panic!("{line}");
        };
        let found = fs::read(blobs.join("sha256").join(&hash[..2]).join(hash)).unwrap();
        assert_eq!(found.len().to_string(), bytes, "{line}");
        if kind == "gltf_geometry" {
            glb::read(&found).unwrap();
        }
    }
}

/// All files below a folder.
pub(super) fn files_in(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap();
    entries
        .map(|entry| entry.unwrap().path())
        .flat_map(|path| {
            if path.is_dir() {
                files_in(&path)
            } else {
                vec![path]
            }
        })
        .collect()
}
