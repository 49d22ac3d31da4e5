//! Many files, many requests and many workers: everything is made, and made once.

use std::{collections::BTreeMap, time::Duration};

use cadmill_domain::{
    Blob, Blobs as _, CadFiles as _, TaskKind, WorkNotifier as _,
    cad_file::FileChange,
    cad_file::SaveOutcome,
    ledger::{MissingRequest, Request, RowState, WorkRequests as _, WorkerName},
    pipeline_log::StepEvent,
};
use tokio::time::Instant;

use crate::{
    harness::{GLTF, Harness, POLL, STEP, UPLOAD, USD, plan, work},
    kernel::{Answer, Kernel},
    test_folder::step,
};

#[tokio::test(start_paused = true)]
async fn an_upload_is_followed_by_everything_once() {
    let kernel = Kernel::prompt();
    let harness = Harness::new(kernel.clone());
    let worker = harness.worker(4);
    let id = harness.upload("part.step").await;
    harness.notifier.notify().await;
    harness.journal.wait_for_all(1).await;
    worker.stop().await;
    assert_eq!(kernel.runs(), 1);
    for kind in TaskKind::ALL {
        let events = harness.journal.of(work(id, kind));
        let events: Vec<_> = events.iter().map(|event| event.event).collect();
        assert_eq!(
            events,
            [StepEvent::StepStart, StepEvent::StepDone],
            "{kind}"
        );
        let expected = usize::from(kind != STEP);
        assert_eq!(harness.assets(id, kind).await.len(), expected, "{kind}");
        let row = harness.row(id, kind).await;
        assert_eq!(
            (row.state, row.fence.0, row.crashes),
            (RowState::Idle, 1, 0)
        );
        assert!(row.ready.is_some());
    }
    harness.assert_scratch_is_empty();
}

#[tokio::test(start_paused = true)]
async fn the_same_bytes_under_twenty_names_are_tessellated_once() {
    let (kernel, mut calls) = Kernel::waiting();
    let harness = Harness::new(kernel.clone());
    let mut ids = Vec::new();
    for index in 0..20 {
        let name = format!("{index}.step");
        ids.push(harness.bring(&name, &step("same"), UPLOAD).await);
    }
    let worker = harness.worker(4);
    let call = calls.next().await;
    // The other slots are not held by waiting: all files are read.
    harness
        .journal
        .wait_for(StepEvent::StepDone, &[STEP], 20)
        .await;
    tokio::time::sleep(3 * POLL).await;
    let started = harness.journal.so_far().into_iter();
    let started = started.filter(|event| event.event == StepEvent::StepStart && event.task == GLTF);
    assert_eq!(started.count(), 1);
    call.answer(Answer::Made);
    harness.journal.wait_for_all(20).await;
    worker.stop().await;
    assert_eq!(kernel.runs(), 1);
    let mut blobs = Vec::new();
    for id in ids {
        let assets = harness.assets(id, GLTF).await;
        assert_eq!(assets.len(), 1);
        blobs.push(assets[0].blob);
    }
    assert!(blobs.iter().all(|blob| *blob == blobs[0]));
}

#[tokio::test(start_paused = true)]
async fn several_workers_make_each_file_once() {
    let kernel = Kernel::prompt();
    let harness = Harness::new(kernel.clone());
    let mut ids = Vec::new();
    for index in 0..30 {
        ids.push(harness.upload(&format!("{index}.step")).await);
    }
    let workers = ["a", "b", "c"].map(|name| {
        let mut runner = harness.runner.clone();
        runner.settings.worker = WorkerName::new(name);
        harness.worker_of(runner, 3)
    });
    for _ in 0..10 {
        let missing = MissingRequest::of(GLTF);
        harness.store.request_missing(&missing).await.unwrap();
        harness.notifier.notify().await;
    }
    harness.journal.wait_for_all(30).await;
    for worker in workers {
        worker.stop().await;
    }
    assert_eq!(kernel.runs(), 30);
    let mut starts = BTreeMap::new();
    for event in harness.journal.so_far() {
        if event.event == StepEvent::StepStart {
            *starts.entry((event.cad_file_id, event.task)).or_insert(0) += 1;
        }
    }
    assert_eq!(starts.len(), 30 * TaskKind::ALL.len());
    assert!(starts.values().all(|times| *times == 1));
    let again = harness
        .store
        .request_missing(&MissingRequest::of(USD))
        .await;
    let again = again.unwrap();
    assert_eq!((again.queued, again.present), (0, 30));
}

#[tokio::test(start_paused = true)]
async fn what_was_asked_for_by_another_recipe_is_made_once_by_ones_own() {
    let kernel = Kernel::prompt();
    let mut harness = Harness::new(kernel.clone());
    let id = harness.ready_for(GLTF).await;
    let asked = harness.row(id, GLTF).await.desired;
    // The rows are the same; who opens the store anew makes fine scenes.
    let fine = cadmill_domain::Recipe::FINE;
    harness.make_by(fine);
    let begun = Instant::now();
    let worker = harness.worker(2);
    harness.journal.wait_for_all(1).await;
    // Nobody else could claim it in between.
    assert_eq!(begun.elapsed(), Duration::ZERO);
    worker.stop().await;
    assert_eq!(kernel.runs(), 1);
    let assets = harness.assets(id, GLTF).await;
    assert_eq!(assets.len(), 1);
    assert_ne!(Some(&assets[0].input), asked.as_ref());
    let row = harness.row(id, GLTF).await;
    let fingerprint = plan(fine).fingerprint().to_string();
    assert!(row.ready.unwrap().to_string().contains(&fingerprint));
    // It was claimed twice, and made once; each claim has its beginning and its end.
    assert_eq!((row.fence.0, row.crashes), (2, 0));
    assert_eq!(harness.journal.of(work(id, GLTF)).len(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_hundred_requests_during_a_run_are_one_more_run_if_something_else_is_wanted() {
    let (kernel, mut calls) = Kernel::waiting();
    let harness = Harness::new(kernel.clone());
    let id = harness.upload("part.step").await;
    let worker = harness.worker(4);
    let call = calls.next().await;
    let ask = async || {
        for _ in 0..100 {
            let asked = harness.store.request(work(id, GLTF), Request::ASKED);
            assert!(asked.await.unwrap().is_some());
            harness.notifier.notify().await;
        }
    };
    ask().await;
    call.answer(Answer::Made);
    harness.journal.wait_for_all(1).await;
    assert_eq!(kernel.runs(), 1);

    // Another source is another input.
    let other = step("other");
    let blob = harness.blobs.put(other.into()).await.unwrap();
    let again = Request::ASKED;
    let replaced = harness
        .store
        .change(id, FileChange::Source(blob.into(), again), None)
        .await;
    assert!(matches!(replaced.unwrap(), SaveOutcome::Saved(_)));
    harness.notifier.notify().await;
    let superseded = calls.next().await;
    let back = Blob::of(step("third").as_bytes());
    harness.blobs.put(step("third").into()).await.unwrap();
    let replaced = harness
        .store
        .change(id, FileChange::Source(back.into(), again), None)
        .await;
    assert!(matches!(replaced.unwrap(), SaveOutcome::Saved(_)));
    harness.notifier.notify().await;
    // What is no longer wanted is not made to its end.
    superseded.heed().await;
    harness
        .journal
        .wait_for(StepEvent::StepDone, &[STEP], 3)
        .await;
    ask().await;
    let call = calls.next().await;
    assert_eq!(call.request.source_hash, back.sha256);
    ask().await;
    call.answer(Answer::Made);
    harness
        .journal
        .wait_for(StepEvent::StepDone, &[GLTF], 2)
        .await;
    harness.journal.wait_for_all(2).await;
    worker.stop().await;
    assert_eq!(kernel.runs(), 3);
    assert!(calls.is_empty());
    let row = harness.row(id, GLTF).await;
    assert_eq!((row.state, row.desired), (RowState::Idle, row.ready));
}
