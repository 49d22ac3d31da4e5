//! Bytes that are missing or damaged: what comes upon them lets them be made again.

use std::{num::NonZeroU64, sync::Arc, time::Duration};

use cadmill_domain::{
    Blob, Blobs as _, CadFileId, CadFiles as _, FailureCode, MaterialMap, TaskKind, TaskOutcome,
    blobs::{BlobState, examine_blob},
    cad_file::FileChange,
    ledger::{HandBack, RowState, WorkRequests as _},
    pipeline_log::StepEvent,
};
use cadmill_pipeline::{Fault, Verifier};
use tokio::time::Instant;

use crate::{
    harness::{GLTF, Harness, STEP, UPLOAD, USD, run, work},
    kernel::Kernel,
    test_folder::step,
};

/// What is done to a blob: it is removed, cut off, or overwritten.
fn damages(harness: &Harness, blob: Blob, bytes: &[u8]) -> [(&'static str, Option<Vec<u8>>); 3] {
    assert!(bytes.len() > 2, "there is something to damage in {blob:?}");
    assert_eq!(Blob::of(bytes), blob);
    let mut other = bytes.to_vec();
    other[1] ^= 1;
    harness.blobs.damage(&blob, Some(bytes.to_vec()));
    [
        ("removed", None),
        ("cut off", Some(bytes[..2].to_vec())),
        ("overwritten", Some(other)),
    ]
}

#[tokio::test(start_paused = true)]
async fn a_medium_waits_for_its_scene_to_be_made_again() {
    let kernel = Kernel::prompt();
    let harness = Harness::new(kernel.clone());
    let id = harness.ready_for(USD).await;
    let scene = harness.assets(id, GLTF).await.remove(0).blob;
    let bytes = harness.blobs.get(&scene).await.unwrap();
    for (damage, left) in damages(&harness, scene, &bytes) {
        harness.blobs.damage(&scene, left);
        run_again(&harness, id, USD).await;
        let outcome = run(&harness.runner, id, USD).await;
        assert_eq!(outcome, TaskOutcome::HandedBack, "{damage}");
        let last = harness.journal.of(work(id, USD)).pop().unwrap();
        assert_eq!(last.event, StepEvent::StepFailed, "{damage}");
        let code = HandBack::InputLost.code();
        assert_eq!(last.result["code"], code.as_str(), "{damage}");
        let states = [GLTF, USD].map(|kind| harness.row(id, kind));
        let [scene_row, master] = states;
        assert_eq!(scene_row.await.state, RowState::Queued, "{damage}");
        assert_eq!(master.await.state, RowState::Idle, "{damage}");

        run(&harness.runner, id, GLTF).await;
        let outcome = run(&harness.runner, id, USD).await;
        assert!(
            matches!(outcome, TaskOutcome::Made(_)),
            "{damage}: {outcome:?}"
        );
        let state = examine_blob(&harness.blobs, &scene).await.unwrap();
        assert_eq!(state, BlobState::Whole, "{damage}");
    }
    assert_eq!(kernel.runs(), 4, "once, and after each loss");
    harness.assert_scratch_is_empty();
}

#[tokio::test(start_paused = true)]
async fn what_is_lost_is_not_copied() {
    let kernel = Kernel::prompt();
    let harness = Harness::new(kernel.clone());
    let first = harness.ready_for(USD).await;
    let scene = harness.assets(first, GLTF).await.remove(0).blob;
    harness.blobs.damage(&scene, None);
    let twin = harness.bring("twin.step", &step("part.step"), UPLOAD).await;
    run(&harness.runner, twin, STEP).await;
    let outcome = run(&harness.runner, twin, GLTF).await;
    assert!(matches!(outcome, TaskOutcome::Made(_)), "{outcome:?}");
    assert_eq!(kernel.runs(), 2);
    // The other file gets it back without another run.
    let outcome = run(&harness.runner, first, GLTF).await;
    assert!(matches!(outcome, TaskOutcome::Cached(_)), "{outcome:?}");
    assert_eq!(kernel.runs(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_lost_source_fails_and_comes_again() {
    let harness = Harness::new(Kernel::prompt());
    let id = harness.upload("part.step").await;
    let source = harness.store.get(id).await.unwrap().unwrap().source;
    let bytes = step("part.step").into_bytes();
    for (damage, left) in damages(&harness, source, &bytes) {
        harness.blobs.damage(&source, left);
        let outcome = run(&harness.runner, id, STEP).await;
        let (code, retry) = (FailureCode::SourceLost, false);
        assert_eq!(outcome, TaskOutcome::Failed { code, retry }, "{damage}");
        harness.blobs.put(bytes.clone()).await.unwrap();
        assert_eq!(harness.store.blob_found(source.sha256).await.unwrap(), 1);
        assert_eq!(harness.row(id, STEP).await.state, RowState::Queued);
    }
    // Read once, and lost before its scene is made.
    run(&harness.runner, id, STEP).await;
    harness.blobs.damage(&source, None);
    let outcome = run(&harness.runner, id, GLTF).await;
    assert_eq!(outcome, TaskOutcome::HandedBack);
    assert_eq!(harness.row(id, GLTF).await.state, RowState::Idle);
    let failure = harness.row(id, STEP).await.failure.unwrap();
    assert_eq!(failure.code, FailureCode::SourceLost);
    harness.bring("twin.step", &step("part.step"), UPLOAD).await;
    let worker = harness.worker(2);
    harness.journal.wait_for_all(2).await;
    worker.stop().await;
}

#[tokio::test(start_paused = true)]
async fn all_blobs_are_examined_and_only_what_is_lost_is_repaired() {
    let harness = Harness::new(Kernel::prompt());
    let id = harness.ready_for(USD).await;
    run(&harness.runner, id, USD).await;
    let lost = harness.upload("lost.step").await;
    let mut verifier = verifier(&harness, None);
    verifier.repairs = false;
    let verified = verifier.run(&|_| {}).await.unwrap();
    assert!(verified.is_whole(), "{verified:?}");
    assert_eq!(verified.blobs, 4, "two sources, a scene and a master");

    let scene = harness.assets(id, GLTF).await.remove(0).blob;
    let master = harness.assets(id, USD).await.remove(0).blob;
    let source = harness.store.get(lost).await.unwrap().unwrap().source;
    harness.blobs.damage(&scene, None);
    harness
        .blobs
        .damage(&master, Some(vec![0; master.bytes as usize]));
    harness.blobs.damage(&source, Some(Vec::new()));
    let seen = std::sync::Mutex::new(Vec::new());
    let progress = |verified: &cadmill_pipeline::Verified| {
        seen.lock().unwrap().push(verified.blobs);
    };
    let verified = verifier.run(&progress).await.unwrap();
    assert_eq!((verified.missing, verified.damaged), (1, 2));
    assert_eq!((verified.media, verified.sources), (0, 0), "it only looks");
    assert_eq!(*seen.lock().unwrap(), [1, 2, 3, 4]);
    let mut found: Vec<_> = verified.findings.iter().collect();
    found.sort_by_key(|finding| finding.bytes);
    let fault_of = |blob: &Blob| {
        let finding = found.iter().find(|finding| finding.sha256 == blob.sha256);
        finding.map(|finding| finding.fault)
    };
    assert_eq!(fault_of(&scene), Some(Fault::Missing));
    assert_eq!(fault_of(&master), Some(Fault::Damaged));
    assert_eq!(harness.row(id, GLTF).await.state, RowState::Idle);

    verifier.repairs = true;
    let verified = verifier.run(&|_| {}).await.unwrap();
    assert_eq!((verified.media, verified.sources), (2, 1));
    assert_eq!(harness.row(id, GLTF).await.state, RowState::Queued);
    assert_eq!(harness.row(lost, STEP).await.state, RowState::Failed);

    // The source is put back.
    harness
        .blobs
        .put(step("lost.step").into_bytes())
        .await
        .unwrap();
    let verified = verifier.run(&|_| {}).await.unwrap();
    assert_eq!((verified.found, verified.is_whole()), (1, true));
    assert_eq!(harness.row(lost, STEP).await.state, RowState::Queued);
}

#[tokio::test(start_paused = true)]
async fn a_scrub_keeps_to_its_rate_and_begins_again() {
    let harness = Harness::new(Kernel::prompt());
    let id = harness.ready_for(USD).await;
    run(&harness.runner, id, USD).await;
    let scene = harness.assets(id, GLTF).await.remove(0).blob;
    let large = vec![7; 10 << 20];
    let large = String::from_utf8(large).unwrap();
    harness.bring("big.step", &large, UPLOAD).await;
    let verifier = verifier(&harness, NonZeroU64::new(1 << 20));
    let begun = Instant::now();
    let verified = verifier.run(&|_| {}).await.unwrap();
    assert!(verified.is_whole());
    let took = begun.elapsed();
    let expected = Duration::from_secs(10)..Duration::from_secs(11);
    assert!(expected.contains(&took), "10 MiB at 1 MiB/s took {took:?}");

    let scrub = tokio::spawn(async move { verifier.scrub().await });
    for damage in [None, Some(vec![1])] {
        harness.blobs.damage(&scene, damage);
        while harness.row(id, GLTF).await.state != RowState::Queued {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        run(&harness.runner, id, GLTF).await;
    }
    scrub.abort();
}

#[tokio::test(start_paused = true)]
async fn a_scrub_leaves_very_much_that_is_lost_to_a_person() {
    let harness = Harness::new(Kernel::prompt());
    let mut files = Vec::new();
    for number in 0..300 {
        let id = harness.upload(&format!("{number}.step")).await;
        let source = harness.store.get(id).await.unwrap().unwrap().source;
        harness.blobs.damage(&source, None);
        files.push(id);
    }
    let scrubbing = verifier(&harness, NonZeroU64::new(1 << 20));
    let scrub = tokio::spawn(async move { scrubbing.scrub().await });
    // Long enough for many passes.
    tokio::time::sleep(Duration::from_hours(1)).await;
    scrub.abort();
    let lost = async || {
        let mut lost = 0;
        for id in &files {
            lost += usize::from(harness.row(*id, STEP).await.state == RowState::Failed);
        }
        lost
    };
    let found = lost().await;
    // A pass that begins anywhere may see less than that, and one that sees all goes on to it.
    assert!((101..=202).contains(&found), "{found}");
    verifier(&harness, None).run(&|_| {}).await.unwrap();
    assert_eq!(lost().await, 300);
}

fn verifier(harness: &Harness, rate: Option<NonZeroU64>) -> Verifier {
    Verifier {
        records: harness.runner.records.clone(),
        blobs: Arc::new(harness.blobs.clone()),
        finder: "verify",
        repairs: true,
        rate,
    }
}

/// Makes a medium stale.
async fn run_again(harness: &Harness, id: CadFileId, kind: TaskKind) {
    let number = harness.journal.so_far().len();
    let spec = serde_json::json!({"color": format!("#0000{:02x}", number % 256)});
    let spec = serde_json::from_value(spec).unwrap();
    let map = MaterialMap::from([(cadmill_domain::MaterialKey::new("*"), spec)]);
    harness
        .store
        .change(id, FileChange::PartMaterials(map), None)
        .await
        .unwrap();
    assert_eq!(harness.row(id, kind).await.state, RowState::Queued);
}
