//! Blobs that are damaged, and blobs that nothing refers to.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use cadmill_domain::{
    Blob, Blobs as _, Moment, NewCadFile, Request, contract::blobs::what_is_damaged_is_told,
};
use cadmill_store::Sweep;

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
        fs::write(path_of(folder.path(), &blob), damaged).unwrap();
        what_is_damaged_is_told(&blobs, &blob).await;
    }
    // Whoever has the bytes mends it.
    let blob = blobs.put(bytes.clone()).await.unwrap();
    assert!(blobs.get(&blob).await.unwrap() == bytes);
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
        source,
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

    let swept = blobs.sweep(&*deployment.assets, Moment::from(limit)).await;
    let expected = Sweep {
        seen: 3,
        removed: 1,
    };
    assert_eq!(swept.unwrap(), expected);
    assert!(blobs.get(&source).await.is_ok(), "it is referred to");
    assert!(blobs.get(&in_the_making).await.is_ok(), "it is young");
    assert!(blobs.get(&orphan).await.is_err(), "it is old and of no use");
    assert!(!torn(1).exists(), "nobody writes at it any more");
    assert!(torn(2).exists(), "somebody may be writing at it");

    let again = blobs.sweep(&*deployment.assets, Moment::from(limit)).await;
    let expected = Sweep {
        seen: 2,
        removed: 0,
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
        .sweep(&*opened.deployment.assets, Moment::from(limit))
        .await
        .unwrap();
    assert_eq!((swept.seen, swept.removed), (1, 0), "uploads are no blobs");
    assert_eq!(left.map(|path| path.exists()), [false, false, true]);
    assert!(blobs.get(&blob).await.is_ok());
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
