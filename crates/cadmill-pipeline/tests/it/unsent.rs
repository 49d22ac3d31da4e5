//! Media that were made and could not be stored.

use std::{
    fs,
    ops::Range,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use cadmill_domain::{
    Blob, Blobs, Failure, FailureCode, TaskOutcome,
    blobs::{BlobCopy, BlobUpload, ByteStream},
    fakes::MemoryBlobs,
    ledger::{RowState, WorkRequests as _},
};

use cadmill_pipeline::TaskRunner;

use crate::{
    harness::{GLTF, Harness, run},
    kernel::{Answer, Kernel},
};

/// Blobs of which so many cannot be stored.
#[derive(Debug)]
struct Away {
    blobs: MemoryBlobs,
    times: AtomicUsize,
}

#[async_trait::async_trait]
impl Blobs for Away {
    async fn put_copy(&self, bytes: Bytes, copy: BlobCopy) -> Result<Blob, Failure> {
        let left = self.times.load(Ordering::SeqCst);
        if left > 0 {
            self.times.store(left - 1, Ordering::SeqCst);
            return Err(Failure::new(FailureCode::Storage, "It is away."));
        }
        self.blobs.put_copy(bytes, copy).await
    }
    async fn hash_file(&self, path: &Path) -> Result<Blob, Failure> {
        self.blobs.hash_file(path).await
    }
    async fn put_file_copy(&self, path: &Path, blob: Blob, copy: BlobCopy) -> Result<(), Failure> {
        self.blobs.put_file_copy(path, blob, copy).await
    }
    async fn get(&self, blob: &Blob) -> Result<Vec<u8>, Failure> {
        self.blobs.get(blob).await
    }
    async fn fetch(&self, blob: &Blob, folder: &Path) -> Result<PathBuf, Failure> {
        self.blobs.fetch(blob, folder).await
    }
    async fn is_whole(&self, blob: &Blob) -> Result<bool, Failure> {
        self.blobs.is_whole(blob).await
    }
    async fn begin(&self) -> Result<Box<dyn BlobUpload>, Failure> {
        self.blobs.begin().await
    }
    async fn read(&self, blob: &Blob, range: Range<u64>) -> Result<ByteStream, Failure> {
        self.blobs.read(blob, range).await
    }
    async fn direct_url(
        &self,
        blob: &Blob,
        file_name: &str,
        media_type: &str,
        valid_for: Duration,
    ) -> Result<Option<String>, Failure> {
        self.blobs
            .direct_url(blob, file_name, media_type, valid_for)
            .await
    }
    async fn probe(&self) -> Result<(), Failure> {
        self.blobs.probe().await
    }
}

/// A mill whose blob store is away the first `times` that it is to store something.
fn cut_off(harness: &Harness, times: usize) -> TaskRunner {
    TaskRunner {
        blobs: Arc::new(Away {
            blobs: harness.blobs.clone(),
            times: AtomicUsize::new(times),
        }),
        ..harness.runner.clone()
    }
}

#[tokio::test(start_paused = true)]
async fn a_medium_that_could_not_be_stored_is_sent_again_without_being_made_again() {
    let kernel = Kernel::prompt();
    let harness = Harness::new(kernel.clone());
    let id = harness.ready_for(GLTF).await;
    let runner = cut_off(&harness, 2);
    for _ in 0..2 {
        let failed = run(&runner, id, GLTF).await;
        let code = FailureCode::Storage;
        assert_eq!(failed, TaskOutcome::Failed { code, retry: true });
        let kept = runner.settings.scratch.join("unsent");
        assert_eq!(fs::read_dir(&kept).unwrap().count(), 1, "it is kept");
        assert!(harness.assets(id, GLTF).await.is_empty());
        tokio::time::advance(Duration::from_mins(20)).await;
    }
    let made = run(&runner, id, GLTF).await;
    assert!(matches!(made, TaskOutcome::Made(_)), "{made:?}");
    assert_eq!(kernel.runs(), 1, "it was made once");
    assert_eq!(harness.row(id, GLTF).await.state, RowState::Idle);
    let asset = harness.assets(id, GLTF).await.remove(0);
    assert!(harness.blobs.is_whole(&asset.blob).await.unwrap());
    assert!(
        asset.report.tessellation().is_some(),
        "its report is that of then"
    );
    harness.assert_scratch_is_empty();
}

#[tokio::test(start_paused = true)]
async fn a_coarser_scene_that_could_not_be_stored_stays_coarser() {
    let (kernel, mut calls) = Kernel::waiting();
    let harness = Harness::new(kernel.clone());
    let id = harness.ready_for(GLTF).await;
    let runner = cut_off(&harness, 1);
    let answer = async { calls.next().await.answer(Answer::MadeCoarser) };
    let (failed, ()) = tokio::join!(run(&runner, id, GLTF), answer);
    let code = FailureCode::Storage;
    assert_eq!(failed, TaskOutcome::Failed { code, retry: true });
    tokio::time::advance(Duration::from_mins(20)).await;
    let made = run(&runner, id, GLTF).await;
    assert!(matches!(made, TaskOutcome::Made(_)), "{made:?}");
    assert_eq!(kernel.runs(), 1, "it was made once");
    let scene = harness.assets(id, GLTF).await.remove(0);
    assert!(scene.input.is_coarser(), "{:?}", scene.input);
    harness.assert_scratch_is_empty();
}

#[tokio::test(start_paused = true)]
async fn what_is_demanded_again_is_not_what_was_made_before() {
    let kernel = Kernel::prompt();
    let harness = Harness::new(kernel.clone());
    let id = harness.ready_for(GLTF).await;
    let runner = cut_off(&harness, 1);
    run(&runner, id, GLTF).await;
    // Meanwhile another worker has made it.
    tokio::time::advance(Duration::from_mins(20)).await;
    let elsewhere = tempfile::tempdir().unwrap();
    let mut other = harness.runner.clone();
    other.settings.scratch = elsewhere.path().to_owned();
    let made = run(&other, id, GLTF).await;
    assert!(matches!(made, TaskOutcome::Made(_)), "{made:?}");
    assert_eq!(kernel.runs(), 2);
    let again = cadmill_domain::ledger::Request {
        force: true,
        ..cadmill_domain::ledger::Request::ASKED
    };
    let work = crate::harness::work(id, GLTF);
    harness.store.request(work, again).await.unwrap();
    let made = run(&runner, id, GLTF).await;
    assert!(matches!(made, TaskOutcome::Made(_)), "{made:?}");
    assert_eq!(kernel.runs(), 3);
    harness.assert_scratch_is_empty();
}
