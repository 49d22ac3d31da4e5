//! Blobs that are damaged, and blobs that nothing refers to.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use cadmill_domain::{
    Blob, Blobs as _, Moment, NewCadFile, SweepId, SystemClock,
    blobs::{BlobCopy, BlobState, examine_blob},
    contract::blobs::{another_length_is_told_at_once, what_is_damaged_is_told},
    ledger::Request,
};
use cadmill_store::{Sweep, SweepOptions};

use crate::open::{self, FolderBlobs};

#[tokio::test]
async fn damage_is_told() {
    let FolderBlobs { blobs, folder } = open::blobs_in_a_folder().await;
    let bytes = b"glTF, or what was one".repeat(1000);
    let damages: [fn(&mut Vec<u8>); 4] = [
        |bytes| bytes[7] ^= 1,
        |bytes| bytes.truncate(100),
        Vec::clear,
        |bytes| bytes.push(0),
    ];
    for damage in damages {
        let blob = blobs.put(bytes.clone()).await.unwrap();
        let mut damaged = bytes.clone();
        damage(&mut damaged);
        let is_as_long = damaged.len() == bytes.len();
        fs::write(path_of(folder.path(), &blob), damaged).unwrap();
        if is_as_long {
            what_is_damaged_is_told(&blobs, &blob).await;
        } else {
            another_length_is_told_at_once(&blobs, &blob).await;
        }
    }
    // Storing the bytes again mends it.
    let blob = blobs.put(bytes.clone()).await.unwrap();
    assert!(blobs.get(&blob).await.unwrap() == bytes);
}

#[tokio::test]
async fn another_copy_is_read_where_the_first_is_cut_off_or_missing() {
    let FolderBlobs { blobs, folder } = open::blobs_in_a_folder().await;
    let bytes = b"glTF, or what was one".repeat(1000);
    let blob = blobs.put(bytes.clone()).await.unwrap();
    blobs
        .put_copy(bytes.clone().into(), BlobCopy(3))
        .await
        .unwrap();
    let path = path_of(folder.path(), &blob);
    for left in [Some(&bytes[..10]), Some(&[]), None] {
        match left {
            Some(left) => fs::write(&path, left).unwrap(),
            None => fs::remove_file(&path).unwrap(),
        }
        assert!(blobs.get(&blob).await.unwrap() == bytes);
        assert!(blobs.is_whole(&blob).await.unwrap());
        let state = examine_blob(&blobs, &blob).await.unwrap();
        assert_eq!(state, BlobState::Whole);
        drop(blobs.read(&blob, 100..200).await.unwrap());
    }
}

#[tokio::test]
async fn only_what_is_old_and_referred_to_by_nothing_is_swept() {
    let FolderBlobs { blobs, folder } = open::blobs_in_a_folder().await;
    let opened = open::sqlite().await;
    let deployment = &opened.deployment;
    let day = Duration::from_hours(24);
    let limit = SystemTime::now() - day;
    let old = limit - Duration::from_secs(1);
    let young = limit + Duration::from_mins(1);

    let source = put(&blobs, folder.path(), "a source", old).await;
    let orphan = put(&blobs, folder.path(), "an orphan", old).await;
    let in_the_making = put(&blobs, folder.path(), "in the making", young).await;
    let file = NewCadFile {
        name: "bracket.step".to_owned(),
        source: source.into(),
    };
    deployment
        .files
        .add(file, Some(Request::BULK))
        .await
        .unwrap();
    let beside = path_of(folder.path(), &orphan);
    let torn = |number: u32| PathBuf::from(format!("{}#{number}", beside.display()));
    for (number, age) in [(1, old), (2, young)] {
        fs::write(torn(number), "half a b").unwrap();
        date_back(&torn(number), age);
    }

    let swept = blobs.sweep(&*deployment.refs, older_than(limit)).await;
    let expected = Sweep {
        seen: 3,
        removed: 1,
        unconfirmed: 0,
    };
    assert_eq!(swept.unwrap(), expected);
    assert!(blobs.get(&source).await.is_ok(), "it is referred to");
    assert!(blobs.get(&in_the_making).await.is_ok(), "it is young");
    assert!(blobs.get(&orphan).await.is_err(), "it is old and of no use");
    assert!(!torn(1).exists(), "no process writes at it any more");
    assert!(torn(2).exists(), "a process may be writing at it");

    let again = blobs.sweep(&*deployment.refs, older_than(limit)).await;
    let expected = Sweep {
        seen: 2,
        removed: 0,
        unconfirmed: 0,
    };
    assert_eq!(again.unwrap(), expected);
}

#[tokio::test]
async fn uploads_leave_nothing_and_what_a_killed_one_left_is_swept() {
    let FolderBlobs { blobs, folder } = open::blobs_in_a_folder().await;
    let opened = open::sqlite().await;
    let incoming = folder.path().join("blobs/incoming");
    let limit = SystemTime::now() - Duration::from_hours(24);

    let mut upload = blobs.begin().await.unwrap();
    upload.write(vec![7; 6 << 20].into()).await.unwrap();
    assert_eq!(files_in(&incoming), 1, "it is written as it comes");
    drop(upload);
    while files_in(&incoming) > 0 {
        tokio::task::yield_now().await;
    }
    let mut upload = blobs.begin().await.unwrap();
    upload.write(vec![7; 100].into()).await.unwrap();
    let blob = upload.finish().await.unwrap();
    assert_eq!(files_in(&incoming), 0, "it has its own name now");
    blobs.probe().await.unwrap();
    assert_eq!(files_in(&folder.path().join("blobs/probe")), 0);

    fs::create_dir_all(&incoming).unwrap();
    let left = ["whole", "torn#1", "young"].map(|name| incoming.join(name));
    let old = limit - Duration::from_secs(1);
    for (path, written) in left.iter().zip([old, old, SystemTime::now()]) {
        fs::write(path, "half a b").unwrap();
        date_back(path, written);
    }
    let swept = blobs
        .sweep(&*opened.deployment.refs, older_than(limit))
        .await
        .unwrap();
    assert_eq!((swept.seen, swept.removed), (1, 0), "uploads are no blobs");
    assert_eq!(left.map(|path| path.exists()), [false, false, true]);
    assert!(blobs.get(&blob).await.is_ok());
}

/// What was written before `limit` is swept.
fn older_than(limit: SystemTime) -> SweepOptions {
    SweepOptions {
        id: SweepId::generate(&SystemClock),
        older_than: Moment::from(limit),
        unfinished_before: Moment::from(limit),
        is_confirmed: false,
        is_careful: false,
        owner: None,
    }
}

fn files_in(folder: &Path) -> usize {
    fs::read_dir(folder).map_or(0, Iterator::count)
}

async fn put(
    blobs: &cadmill_store::ObjectBlobs,
    folder: &Path,
    text: &str,
    written: SystemTime,
) -> Blob {
    let blob = blobs.put(text.as_bytes().to_vec()).await.unwrap();
    date_back(&path_of(folder, &blob), written);
    blob
}

fn date_back(path: &Path, to: SystemTime) {
    let file = File::options().write(true).open(path).unwrap();
    file.set_modified(to).unwrap();
}

fn path_of(folder: &Path, blob: &Blob) -> PathBuf {
    let hash = blob.sha256.to_string();
    folder.join("blobs/sha256").join(&hash[..2]).join(hash)
}
