//! A deployment as it grows: several APIs and workers over PostgreSQL, Redis and S3.

use std::{collections::BTreeSet, thread, time::Duration};

use cadmill_domain::ContentHash;
use cadmill_scene::glb;
use cadmill_servers::{create_bucket, shared};

use super::{
    api::Api,
    check::{check_rows, settle_after_crashes},
    eventually,
    follower::Follower,
    site::{Site, step},
    workers::Worker,
};

const APIS: usize = 3;
const WORKERS: usize = 4;
const FILES: usize = 200;
const PRESSES: usize = 10;
const KILLS: usize = 12;
/// How many events there are between two kills at most.
const BETWEEN: u64 = 120;
/// Only a failing test waits this long.
const LONG: Duration = Duration::from_mins(15);
const BUTTONS: [&str; 2] = ["canonical-scenes", "usd-masters"];
/// Work that is not at rest.
const UNMADE: &str = "ledger where state <> 'idle'";

#[test]
fn each_medium_is_made_once_though_workers_die_and_everybody_clicks() {
    let site = Site::new("cluster");
    let variables = in_a_bucket("cluster");
    let variables: Vec<_> = variables.iter().map(|(k, v)| (*k, v.as_str())).collect();
    let apis: Vec<_> = (0..APIS).map(|_| Api::start(&site, &variables)).collect();
    let followers: Vec<_> = (0..APIS).map(|_| Follower::start(&apis)).collect();
    upload(&apis);
    // Files whose work nobody has asked for, as after a restored backup.
    site.sql("delete from ledger");

    let mut workers: Vec<_> = (0..WORKERS)
        .map(|machine| worker(&site, machine, &variables))
        .collect();
    let queued = thread::scope(|scope| {
        let mut pressing = vec![scope.spawn(|| press(&apis, PRESSES))];
        for _ in 0..KILLS {
            pressing.push(scope.spawn(|| press(&apis, APIS)));
            let machine = rand::random_range(0..WORKERS);
            let events = site.count("pipeline_event") + rand::random_range(1..=BETWEEN);
            eventually("the mill goes on", || {
                site.count("pipeline_event") >= events || site.count(UNMADE) == 0
            });
            // Dropping it is a SIGKILL.
            workers[machine] = worker(&site, machine, &variables);
        }
        let presses = pressing.into_iter().map(|press| press.join().unwrap());
        presses.sum::<u64>()
    });
    assert_eq!(queued, FILES as u64, "each file is queued once");
    settle_after_crashes(&site, LONG);
    assert_eq!(press(&apis, APIS), 0, "nothing is missing");

    workers.into_iter().for_each(Worker::stop);
    check_rows(&site);
    check_media(&apis);
    assert_eq!(site.kernel.overlaps(), [""; 0]);
    let stored = site.sql("select id from pipeline_event order by id");
    let stored: Vec<u64> = stored.lines().map(|id| id.parse().unwrap()).collect();
    for follower in followers {
        let heard = follower.until(*stored.last().unwrap());
        assert_eq!(heard, stored, "a client has missed an event");
    }
    apis.into_iter().for_each(Api::stop);
}

/// The variables of processes that keep their blobs in a new bucket.
pub(super) fn in_a_bucket(name: &str) -> [(&'static str, String); 6] {
    let endpoint = shared::s3_endpoint();
    let bucket = format!("{name}-{}", std::process::id());
    create_bucket(&endpoint, &bucket).unwrap();
    [
        ("CADMILL_BLOB_URL", format!("s3://{bucket}/cadmill")),
        ("AWS_ENDPOINT", endpoint),
        ("AWS_ALLOW_HTTP", "true".to_owned()),
        ("AWS_REGION", "eu-central-1".to_owned()),
        ("AWS_ACCESS_KEY_ID", "key".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "secret".to_owned()),
    ]
}

/// Starts the worker of a machine, which has a disk of its own.
fn worker(site: &Site, machine: usize, variables: &[(&str, &str)]) -> Worker {
    let disk = site.data().join(format!("machine-{machine}"));
    let own = [
        ("CADMILL_DATA_DIR", disk.to_str().unwrap()),
        ("CADMILL_LEASE", "3s"),
        ("CADMILL_SLOTS", "1"),
    ];
    site.worker(&[variables, &own].concat())
}

/// Each API gets its share of the files at the same time.
fn upload(apis: &[Api]) {
    thread::scope(|scope| {
        for (share, api) in apis.iter().enumerate() {
            scope.spawn(move || {
                for number in (share..FILES).step_by(APIS) {
                    let step = step(&number.to_string());
                    let answer = api.upload(&format!("part-{number}.step"), &step);
                    assert_eq!(answer.status, 201, "{answer:?}");
                }
            });
        }
    });
}

/// Presses each button so often at all APIs at once, and tells how many were queued in all.
fn press(apis: &[Api], times: usize) -> u64 {
    thread::scope(|scope| {
        let presses: Vec<_> = (0..times)
            .flat_map(|number| BUTTONS.map(|button| (&apis[number % APIS], button)))
            .map(|(api, button)| scope.spawn(move || api.press(button)))
            .collect();
        presses.into_iter().map(|press| press.join().unwrap()).sum()
    })
}

/// Checks that every file is listed with both media, whole.
fn check_media(apis: &[Api]) {
    let files = apis[0].files();
    let files: BTreeSet<_> = files
        .iter()
        .map(|file| file["id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(files.len(), FILES);
    for (file, api) in files.iter().zip(apis.iter().cycle()) {
        for kind in ["gltf_geometry", "usd_master"] {
            let (etag, bytes) = api.bytes(&format!("/api/cad/{file}/media/{kind}/content"));
            assert_eq!(etag, format!("\"{}\"", ContentHash::of(&bytes)));
            if kind == "gltf_geometry" {
                glb::read(&bytes).unwrap();
            }
        }
    }
}
