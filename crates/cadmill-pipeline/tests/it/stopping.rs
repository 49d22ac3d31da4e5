//! A worker that is told to stop.

use std::time::Duration;

use cadmill_domain::{
    TaskOutcome, WorkNotifier as _,
    ledger::{RowState, WorkQuery, WorkQueue as _},
    pipeline_log::StepEvent,
};
use cadmill_lock::LockKey;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{
    harness::{GLTF, GRACE, Harness, STEP, retry_while_busy, work},
    kernel::{Answer, Kernel},
};

#[tokio::test(start_paused = true)]
async fn it_claims_nothing_more_and_lets_work_finish() {
    let (kernel, mut calls) = Kernel::waiting();
    let harness = Harness::new(kernel.clone());
    let id = harness.ready_for(GLTF).await;
    let worker = harness.worker(4);
    let call = calls.next().await;
    worker.stop.cancel();
    let late = harness.upload("late.step").await;
    harness.notifier.notify().await;
    tokio::time::sleep(GRACE / 2).await;
    assert!(!worker.ended.is_finished());
    call.answer(Answer::Made);
    worker.stop().await;
    assert_eq!(harness.row(id, GLTF).await.state, RowState::Idle);
    assert_eq!(harness.assets(id, GLTF).await.len(), 1);
    let row = harness.row(late, STEP).await;
    assert_eq!((row.state, row.fence.0), (RowState::Queued, 0));
    assert_eq!(kernel.runs(), 1);
}

#[tokio::test(start_paused = true)]
async fn past_the_grace_work_goes_back_to_the_queue() {
    for heeds in [true, false] {
        let (kernel, mut calls) = Kernel::waiting();
        let harness = Harness::new(kernel);
        let id = harness.ready_for(GLTF).await;
        let worker = harness.worker(1);
        let mut call = calls.next().await;
        let begun = Instant::now();
        worker.stop.cancel();
        if heeds {
            call.heed().await;
            assert_eq!(begun.elapsed(), GRACE);
        } else {
            retry_while_busy(call.answer.closed()).await;
        }
        worker.stop().await;
        assert!(begun.elapsed() <= GRACE + Duration::from_secs(2));
        let row = harness.row(id, GLTF).await;
        assert_eq!(row.state, RowState::Queued);
        assert_eq!((row.crashes, row.attempts, row.not_before), (0, 0, None));
        tokio::task::yield_now().await;
        harness.assert_is_free(&LockKey::glb_geometry(id)).await;
        harness.assert_scratch_is_empty();
        let told = harness.journal.of(work(id, GLTF)).pop().unwrap();
        assert_eq!(told.event, StepEvent::StepFailed);
        assert_eq!(told.result["code"], "cancelled");
        // The next worker takes it.
        let next = harness.store.next(&WorkQuery::first(1)).await.unwrap();
        assert_eq!(next[0].work, work(id, GLTF));
    }
}

#[tokio::test(start_paused = true)]
async fn who_runs_a_task_by_name_can_stop_it_too() {
    let (kernel, mut calls) = Kernel::waiting();
    let harness = Harness::new(kernel);
    let id = harness.ready_for(GLTF).await;
    let stop = CancellationToken::new();
    let (runner, token) = (harness.runner.clone(), stop.clone());
    let running = tokio::spawn(async move { runner.run(work(id, GLTF), &token).await });
    let call = calls.next().await;
    stop.cancel();
    call.heed().await;
    let ended = retry_while_busy(running).await.unwrap().unwrap();
    assert_eq!(ended, TaskOutcome::HandedBack);
    assert_eq!(harness.row(id, GLTF).await.state, RowState::Queued);
}

#[tokio::test(start_paused = true)]
async fn what_is_made_just_when_it_is_to_stop_is_not_thrown_away() {
    let (kernel, mut calls) = Kernel::waiting();
    let harness = Harness::new(kernel);
    let id = harness.ready_for(GLTF).await;
    let worker = harness.worker(1);
    let call = calls.next().await;
    worker.stop.cancel();
    retry_while_busy(call.cancelled.clone().wait()).await;
    call.answer(Answer::Made);
    worker.stop().await;
    assert_eq!(harness.assets(id, GLTF).await.len(), 1);
}
