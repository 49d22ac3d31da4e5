//! The same bytes come again while a sweep looks, and a sweep that was frozen goes on late.

use std::sync::Arc;

use bytes::Bytes;
use cadmill_domain::{
    Blob, Blobs, CadFiles, Clock as _, ContentHash, NewCadFile, SweepId, SystemClock,
    blobs::{BlobRefs, StoredBlob, keep_bytes},
};
use cadmill_store::{Database, LocalWorkNotifier, ObjectBlobs, Store, SweepOptions};
use futures_util::{StreamExt as _, future::join, stream};

use crate::open::{self, FolderBlobs};

/// How many blobs come again during one sweep, and how often.
const BLOBS: usize = 200;
const SWEEPS: usize = 51;

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_again_during_a_sweep_is_kept_in_a_folder() {
    let FolderBlobs { blobs, folder } = open::blobs_in_a_folder().await;
    let database = open::sqlite_in(folder.path()).await;
    let store = store(database).await;
    race(&blobs, &store).await;
}

#[cfg(feature = "s3")]
#[tokio::test(flavor = "multi_thread")]
async fn what_comes_again_during_a_sweep_is_kept_in_a_bucket() {
    let url = open::new_postgres_database().await;
    let database = Database::connect_postgres(&url, 16).await.unwrap();
    let store = store(database).await;
    race(&crate::s3::open_new_bucket(), &store).await;
}

#[tokio::test]
async fn a_deletion_that_comes_late_does_not_concern_what_was_stored_since() {
    let FolderBlobs { blobs, folder } = open::blobs_in_a_folder().await;
    let store = store(open::sqlite_in(folder.path()).await).await;
    let bytes = Bytes::from_static(b"ISO-10303-21;");
    let blob = blobs.put(bytes.to_vec()).await.unwrap();
    let sweep = SweepId::generate(&SystemClock);
    let stored = StoredBlob {
        sha256: blob.sha256,
        copies: 1,
    };
    let removals = store.begin_removal(sweep, vec![stored]).await.unwrap();
    assert_eq!(removals.len(), 1, "the sweep has decided, and freezes");

    let source = keep_bytes(&blobs, &*store, bytes.clone()).await.unwrap();
    let name = "bracket.step".to_owned();
    store.add(NewCadFile { name, source }, None).await.unwrap();
    let swept = blobs.sweep(&*store, everything()).await.unwrap();
    assert_eq!(swept.removed, 0, "another sweep goes on with the removal");
    let again = blobs.put(bytes.to_vec()).await.unwrap();
    assert_eq!(again, blob, "something is there to be deleted late");

    let hash = blob.sha256.to_string();
    let first = folder
        .path()
        .join("blobs/sha256")
        .join(&hash[..2])
        .join(hash);
    std::fs::remove_file(first).unwrap();
    store.end_removal(sweep, removals).await.unwrap();
    assert_eq!(blobs.get(&blob).await.unwrap(), bytes);
    assert!(blobs.is_whole(&blob).await.unwrap());
    let part = blobs.read(&blob, 0..3).await.unwrap();
    let part: Vec<_> = part.map(Result::unwrap).collect().await;
    assert_eq!(part.concat(), b"ISO");
}

/// Blobs that a sweep finds without a reference come again while it looks; all are there afterwards.
async fn race(blobs: &ObjectBlobs, store: &Arc<Store>) {
    let contents: Vec<_> = (0..BLOBS)
        .map(|number| Bytes::from(format!("blob {number}")))
        .collect();
    let mut removed = 0;
    for round in 0..SWEEPS {
        // Now and then a second sweep goes on with the removals of the first.
        let sweep = async {
            let first = blobs.sweep(&**store, everything());
            match round % 4 {
                0 => {
                    let second = blobs.sweep(&**store, everything());
                    let (first, second) = join(first, second).await;
                    first.unwrap().removed + second.unwrap().removed
                }
                _ => first.await.unwrap().removed,
            }
        };
        let come = stream::iter(&contents)
            .map(|bytes| come_again(blobs, store, bytes, round))
            .buffer_unordered(16)
            .collect::<Vec<_>>();
        let (swept, files) = join(sweep, come).await;
        removed += swept;
        let lost = stream::iter(&contents)
            .filter(|bytes| {
                let blob = Blob::of(bytes);
                async move { !blobs.is_whole(&blob).await.unwrap() }
            })
            .count()
            .await;
        assert_eq!(lost, 0, "lost in round {round}, of {BLOBS}");
        for file in files {
            assert!(store.remove(file).await.unwrap());
        }
    }
    assert!(
        removed > 0,
        "the sweeps removed nothing, so there was no race"
    );
    println!(
        "{} blobs came again, {removed} were removed",
        BLOBS * SWEEPS
    );
}

async fn come_again(
    blobs: &ObjectBlobs,
    store: &Arc<Store>,
    bytes: &Bytes,
    round: usize,
) -> cadmill_domain::CadFileId {
    // Some come early, some late.
    let hash = ContentHash::of(bytes);
    for _ in 0..(usize::from(hash.as_bytes()[round % 32]) % 20) {
        tokio::task::yield_now().await;
    }
    let source = keep_bytes(blobs, &**store, bytes.clone()).await.unwrap();
    let name = "bracket.step".to_owned();
    let file = store.add(NewCadFile { name, source }, None).await;
    file.unwrap().id
}

/// A sweep of all that nothing refers to, however young.
fn everything() -> SweepOptions {
    SweepOptions {
        id: SweepId::generate(&SystemClock),
        older_than: SystemClock.now() + chrono::TimeDelta::days(1),
        unfinished_before: SystemClock.now() - chrono::TimeDelta::days(1),
        is_confirmed: true,
        is_careful: false,
        owner: None,
    }
}

async fn store(database: Database) -> Arc<Store> {
    database.migrate().await.unwrap();
    let plan = cadmill_domain::contract::plan();
    let notifier = Arc::new(LocalWorkNotifier::default());
    Arc::new(Store::new(database, plan, Arc::new(SystemClock), notifier))
}
