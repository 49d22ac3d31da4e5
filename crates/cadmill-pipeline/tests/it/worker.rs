//! How a worker takes its work: how much, in which order, and when.

use std::time::Duration;

use cadmill_domain::{
    WorkNotifier as _,
    ledger::{Priority, Request, Requester, RowState},
    pipeline_log::StepEvent,
    tessellator::Phase,
};
use tokio::time::Instant;

use crate::{
    harness::{GLTF, Harness, POLL, STEP, THUMBNAIL, UPLOAD, USD, WEB, work},
    kernel::{Answer, Kernel},
};

#[tokio::test(start_paused = true)]
async fn no_more_is_done_at_once_than_there_are_slots() {
    let (kernel, mut calls) = Kernel::waiting();
    let harness = Harness::new(kernel.clone());
    for index in 0..10 {
        harness.upload(&format!("{index}.step")).await;
    }
    let worker = harness.worker(3);
    let mut running = Vec::new();
    for _ in 0..3 {
        running.push(calls.next().await);
    }
    for done in 3..10 {
        // Time passes in which a fourth would begin.
        harness.notifier.notify().await;
        tokio::time::sleep(3 * POLL).await;
        assert!(calls.is_empty());
        assert_eq!(kernel.runs(), done);
        running.remove(0).answer(Answer::Made);
        running.push(calls.next().await);
    }
    for call in running {
        call.answer(Answer::Made);
    }
    harness.journal.wait_for_all(10).await;
    worker.stop().await;
    assert_eq!(kernel.runs(), 10);
}

#[tokio::test(start_paused = true)]
async fn the_more_urgent_goes_first() {
    let harness = Harness::new(Kernel::prompt());
    let mut ids = Vec::new();
    for (name, request) in [
        ("bulk", Request::BULK),
        ("asked", Request::ASKED),
        ("upload", UPLOAD),
    ] {
        ids.push(harness.waits_for_scene(name, request).await);
    }
    ids.reverse();
    let worker = harness.worker(1);
    harness.journal.wait_for_all(3).await;
    worker.stop().await;
    let mut begun = harness.journal.begun(&[GLTF, USD, WEB, THUMBNAIL]);
    begun.dedup_by_key(|work| work.cad_file_id);
    let begun: Vec<_> = begun.iter().map(|work| work.cad_file_id).collect();
    // What follows from an upload is as urgent as the upload.
    assert_eq!(begun, ids);
    assert_eq!(harness.row(ids[0], USD).await.priority, Priority::Upload);
}

#[tokio::test(start_paused = true)]
async fn a_file_is_finished_before_the_next_is_begun() {
    let harness = Harness::new(Kernel::prompt());
    let mut expected = Vec::new();
    for number in 0..6 {
        let name = format!("{number}.step");
        let id = harness.waits_for_scene(&name, Request::BULK).await;
        expected.extend([GLTF, USD, WEB, THUMBNAIL].map(|kind| work(id, kind)));
    }
    let worker = harness.worker(1);
    harness.journal.wait_for_all(6).await;
    worker.stop().await;
    let begun = harness.journal.begun(&[GLTF, USD, WEB, THUMBNAIL]);
    assert_eq!(begun, expected);
}

#[tokio::test(start_paused = true)]
async fn a_file_does_not_wait_behind_all_of_another_requester() {
    let harness = Harness::new(Kernel::prompt());
    for number in 0..20 {
        let name = format!("{number}.step");
        harness.waits_for_scene(&name, Request::BULK).await;
    }
    let other = Request {
        requester: Requester::SHARED.project("other"),
        ..Request::BULK
    };
    let late = harness.waits_for_scene("late.step", other).await;
    let worker = harness.worker(1);
    harness.journal.wait_for_all(21).await;
    worker.stop().await;
    let begun = harness.journal.begun(&[GLTF, USD, WEB, THUMBNAIL]);
    let last = begun.iter().rposition(|work| work.cad_file_id == late);
    // Its four pieces of work are done in turn with those of the other.
    assert_eq!(last, Some(7));
}

#[tokio::test(start_paused = true)]
async fn a_file_is_read_while_all_slots_tessellate() {
    let (kernel, mut calls) = Kernel::waiting();
    let harness = Harness::new(kernel.clone());
    harness.upload("first.step").await;
    let worker = harness.worker(1);
    let call = calls.next().await;
    for number in 2..6 {
        let id = harness.upload(&format!("{number}.step")).await;
        harness.notifier.notify().await;
        harness
            .journal
            .wait_for(StepEvent::StepDone, &[STEP], number)
            .await;
        assert_eq!(harness.row(id, GLTF).await.state, RowState::Queued);
        assert_eq!(kernel.runs(), 1);
    }
    call.answer(Answer::Made);
    worker.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_ring_wakes_it_at_once() {
    let harness = Harness::new(Kernel::prompt());
    let worker = harness.worker(1);
    tokio::time::sleep(POLL / 10).await;
    let begun = Instant::now();
    harness.upload("part.step").await;
    harness.notifier.notify().await;
    harness.journal.wait_for_all(1).await;
    assert_eq!(begun.elapsed(), Duration::ZERO);
    worker.stop().await;
}

#[tokio::test(start_paused = true)]
async fn without_a_ring_it_looks_by_itself() {
    let harness = Harness::new(Kernel::prompt());
    let worker = harness.worker(1);
    tokio::time::sleep(POLL / 10).await;
    let begun = Instant::now();
    harness.upload("part.step").await;
    harness.journal.wait_for_all(1).await;
    assert!(begun.elapsed() > Duration::ZERO && begun.elapsed() <= POLL);
    worker.stop().await;
}

#[tokio::test(start_paused = true)]
async fn how_far_a_step_is_can_be_read_while_it_runs() {
    let (kernel, mut calls) = Kernel::waiting();
    let harness = Harness::new(kernel);
    let id = harness.upload("part.step").await;
    let worker = harness.worker(1);
    let call = calls.next().await;
    for (phase, fraction, word) in [(Phase::Read, 0.5, "read"), (Phase::Mesh, 0.25, "mesh")] {
        call.progress.report(phase, fraction);
        tokio::time::sleep(Duration::from_millis(1_001)).await;
        let progress = harness.row(id, GLTF).await.progress.unwrap();
        assert_eq!(
            (progress.phase.as_str(), progress.fraction),
            (word, fraction)
        );
    }
    call.answer(Answer::Made);
    harness.journal.wait_for_all(1).await;
    assert_eq!(harness.row(id, GLTF).await.progress, None);
    assert_eq!(harness.row(id, STEP).await.progress, None);
    worker.stop().await;
}
