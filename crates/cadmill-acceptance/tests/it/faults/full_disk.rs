//! A disk that is full for a while.

use std::{collections::BTreeSet, fs, process::Command};

use super::{
    check::{check, settle},
    eventually_at_least,
    site::Site,
};
use crate::disk_full::unshare;

/// Mounts a small disk as the data folder `$2`, brings in the files of `$3`, fills what is left of
/// the disk, and works on it. When `$4/space` is there, it makes room; when `$4/done` is, it keeps
/// a copy of the blobs and ends.
const ON_A_SMALL_DISK: &str = r#"
set -e
cadmill=$1 data=$2 steps=$3 signs=$4
mount -t tmpfs -o size=4m small "$data"
"$cadmill" import "$steps"
dd if=/dev/zero of="$data/filler" bs=1k 2>/dev/null || true
"$cadmill" worker -v &
worker=$!
while [ ! -e "$signs/space" ]; do sleep 0.05; done
rm "$data/filler"
while [ ! -e "$signs/done" ]; do sleep 0.05; done
cp -r "$data/blobs" "$signs/blobs"
kill -TERM "$worker"
wait "$worker"
"#;

#[test]
fn work_waits_for_space_and_is_then_done() {
    let Some(mut unshare) = unshare() else {
        // Where no file system may be mounted, there is no small disk.
        return;
    };
    let site = Site::new("disk-full");
    let steps = site.write_steps(4);
    fs::create_dir(site.data()).unwrap();
    let worker = site.command(&[]);
    unshare.args(["sh", "-c", ON_A_SMALL_DISK, "sh"]);
    unshare
        .arg(worker.get_program())
        .args([&site.data(), &steps, &site.folder]);
    copy_variables(&worker, &mut unshare);
    let mut worker = site.start(unshare);

    let waiting = "select cad_file_id from ledger where state = 'queued' \
                   and failure ->> 'code' = 'disk_full' and attempts > 0 \
                   and not_before > claimed_at + interval '2 seconds'";
    // Each is tried again from time to time, so there may be no moment at which all of them wait.
    let mut have_waited = BTreeSet::new();
    eventually_at_least("all files wait for space", 4, || {
        have_waited.extend(site.sql(waiting).lines().map(str::to_owned));
        have_waited.len()
    });
    assert_eq!(site.count("media_asset"), 0);
    fs::write(site.folder.join("space"), "").unwrap();
    settle(&site);
    fs::write(site.folder.join("done"), "").unwrap();
    assert_eq!(worker.ended().code(), Some(0), "{}", worker.said());
    check(&site, &site.folder.join("blobs"));
    assert_eq!(site.count("ledger where crashes > 0"), 0);
}

fn copy_variables(from: &Command, to: &mut Command) {
    for (name, value) in from.get_envs() {
        to.env(name, value.unwrap());
    }
    if let Some(folder) = from.get_current_dir() {
        to.current_dir(folder);
    }
}
