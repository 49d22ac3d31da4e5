//! How work ends that fails, and work that is cancelled.

use std::{sync::Arc, time::Duration};

use cadmill_domain::{
    CadFileId, Clock as _, FailureCode, MockBlobs, MockMediaAssets, TaskOutcome,
    ledger::{
        LedgerView as _, MockWorkQueue, RowState, WorkQuery, WorkQueue as _, WorkRequests as _,
    },
    pipeline_log::StepEvent,
};
use chrono::TimeDelta;
use futures_util::{StreamExt as _, stream};
use tokio::time::Instant;

use crate::{
    counted::Counted,
    harness::{GLTF, Harness, STEP, UPLOAD, USD, retry_while_busy, run, start, work},
    kernel::{Answer, Call, Calls, Kernel},
    unreliable::else_as_in,
};

async fn failed(code: FailureCode) -> (Harness, CadFileId, TaskOutcome) {
    let (kernel, mut calls) = Kernel::waiting();
    let harness = Harness::new(kernel);
    let id = harness.ready_for(GLTF).await;
    let running = start(&harness.runner, id, GLTF);
    calls.next().await.answer(Answer::Failed(code));
    let outcome = retry_while_busy(running).await.unwrap();
    (harness, id, outcome)
}

#[tokio::test(start_paused = true)]
async fn what_will_always_fail_is_set_aside_with_its_entry() {
    let code = FailureCode::KernelCrash;
    let (harness, id, outcome) = failed(code).await;
    assert_eq!(outcome, TaskOutcome::Failed { code, retry: false });
    let row = harness.row(id, GLTF).await;
    assert_eq!(row.state, RowState::Failed);
    assert_eq!(row.failure.unwrap().code, code);
    assert_eq!(harness.row(id, USD).await.state, RowState::Idle);
    let told = harness.journal.of(work(id, GLTF)).pop().unwrap();
    assert_eq!(told.event, StepEvent::StepFailed);
    assert_eq!(told.result["code"], "kernel_crash");
    assert_eq!(told.result["sentence"], code.sentence());
    assert_eq!(told.result["remedy"], code.remedy());
    assert_eq!(told.result["retry_at"], serde_json::Value::Null);
}

#[tokio::test(start_paused = true)]
async fn what_may_pass_is_tried_again_later() {
    let code = FailureCode::DiskFull;
    let (harness, id, outcome) = failed(code).await;
    assert_eq!(outcome, TaskOutcome::Failed { code, retry: true });
    let row = harness.row(id, GLTF).await;
    assert_eq!((row.state, row.attempts), (RowState::Queued, 1));
    let wait = row.not_before.unwrap() - harness.clock.now();
    let window = TimeDelta::milliseconds(2_500)..=TimeDelta::seconds(5);
    assert!(window.contains(&wait), "{wait}");
    assert_eq!(harness.store.next(&WorkQuery::first(9)).await.unwrap(), []);
}

#[tokio::test(start_paused = true)]
async fn waits_grow_and_a_success_forgets_them() {
    let (kernel, mut calls) = Kernel::waiting();
    let harness = Harness::new(kernel);
    let id = harness.ready_for(GLTF).await;
    let worker = harness.worker(1);
    let mut begun = Instant::now();
    calls
        .next()
        .await
        .answer(Answer::Failed(FailureCode::DiskFull));
    for least in [2.5, 5.0, 10.0, 20.0] {
        let call = calls.next().await;
        assert!(begun.elapsed().as_secs_f64() >= least);
        begun = Instant::now();
        call.answer(Answer::Failed(FailureCode::DiskFull));
    }
    calls.next().await.answer(Answer::Made);
    harness.journal.wait_for_all(1).await;
    worker.stop().await;
    let row = harness.row(id, GLTF).await;
    assert_eq!((row.state, row.attempts), (RowState::Idle, 0));
    assert_eq!((row.failure, row.not_before), (None, None));
}

#[tokio::test(start_paused = true)]
async fn what_is_no_step_is_set_aside_and_nothing_is_chained() {
    let kernel = Kernel::prompt();
    let harness = Harness::new(kernel.clone());
    let id = harness.bring("photo.step", "JFIF", UPLOAD).await;
    let code = FailureCode::NotStep;
    let counted = Counted::from_now_on();
    let outcome = run(&harness.runner, id, STEP).await;
    counted.assert_is(
        r#"cadmill_failures_total{task="process_step",code="not_step"}"#,
        1,
    );
    assert_eq!(outcome, TaskOutcome::Failed { code, retry: false });
    let rows = harness.store.rows(id).await.unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].1.state, RowState::Failed);
    assert_eq!(rows[0].1.failure.as_ref().unwrap().code, code);
    assert_eq!(kernel.runs(), 0);
    harness.assert_scratch_is_empty();
}

#[tokio::test(start_paused = true)]
async fn bytes_that_are_not_those_that_were_brought_in_are_refused() {
    let harness = Harness::new(Kernel::prompt());
    let id = harness.upload("part.step").await;
    let mut blobs = MockBlobs::new();
    blobs.expect_fetch().times(1).returning(|_, folder| {
        let path = folder.join("damaged");
        std::fs::write(&path, crate::test_folder::step("damaged")).unwrap();
        Ok(path)
    });
    // It is looked at once more before the ledger is asked to change, and once after.
    blobs.expect_read().times(2).returning(|_, _| {
        let damaged = crate::test_folder::step("damaged").into_bytes();
        Ok(stream::iter([Ok(damaged.into())]).boxed())
    });
    let mut folder = harness.runner.clone();
    folder.blobs = Arc::new(blobs);
    let outcome = run(&folder, id, STEP).await;
    let (code, retry) = (FailureCode::SourceLost, false);
    assert_eq!(outcome, TaskOutcome::Failed { code, retry });
}

#[tokio::test(start_paused = true)]
async fn nothing_is_made_of_a_scene_of_something_else() {
    let harness = Harness::new(Kernel::prompt());
    let id = harness.ready_for(USD).await;
    let mut scene = harness.assets(id, GLTF).await.remove(0);
    scene.input = scene.input.clone().with_scene(cadmill_domain::SceneInput {
        source: cadmill_domain::ContentHash::of(b"other bytes"),
        ..scene.input.scene().unwrap().clone()
    });
    let mut assets = MockMediaAssets::new();
    assets.expect_made_of().returning(|_, _| Ok(None));
    assets
        .expect_get()
        .times(1)
        .returning(move |_| Ok(Some(scene.clone())));
    let mut folder = harness.runner.clone();
    folder.records.assets = Arc::new(assets);
    let (code, retry) = (FailureCode::NoScene, false);
    let outcome = run(&folder, id, USD).await;
    assert_eq!(outcome, TaskOutcome::Failed { code, retry });
    assert_eq!(harness.assets(id, USD).await, []);
}

/// A run that is under way, and was cancelled just now.
async fn cancelled() -> (
    Harness,
    CadFileId,
    Call,
    Calls,
    tokio::task::JoinHandle<TaskOutcome>,
) {
    let (kernel, mut calls) = Kernel::waiting();
    let mut harness = Harness::new(kernel);
    let id = harness.ready_for(GLTF).await;
    let mut queue = MockWorkQueue::new();
    // There is no claim any more that could fail or be given back.
    queue
        .expect_fail()
        .returning(|_, _, _| panic!("it did not fail"));
    harness.runner.records.queue = Arc::new(else_as_in(queue, &harness.store));
    let running = start(&harness.runner, id, GLTF);
    let call = calls.next().await;
    assert!(harness.store.cancel(work(id, GLTF)).await.unwrap());
    (harness, id, call, calls, running)
}

#[tokio::test(start_paused = true)]
async fn work_that_was_cancelled_is_stopped_within_a_second() {
    let (harness, id, call, _calls, running) = cancelled().await;
    let asked = Instant::now();
    call.heed().await;
    assert!(asked.elapsed() <= Duration::from_secs(1));
    assert_eq!(retry_while_busy(running).await.unwrap(), TaskOutcome::Lost);
    assert_eq!(harness.row(id, GLTF).await.state, RowState::Cancelled);
    let told = harness.journal.of(work(id, GLTF)).pop().unwrap();
    assert_eq!(told.event, StepEvent::StepFailed);
    assert_eq!(told.result["code"], "cancelled");
}

#[tokio::test(start_paused = true)]
async fn work_that_was_cancelled_and_does_not_end_is_dropped() {
    let (harness, id, mut call, _calls, running) = cancelled().await;
    retry_while_busy(call.answer.closed()).await;
    assert_eq!(retry_while_busy(running).await.unwrap(), TaskOutcome::Lost);
    assert_eq!(harness.row(id, GLTF).await.state, RowState::Cancelled);
    harness.assert_scratch_is_empty();
}

#[tokio::test(start_paused = true)]
async fn what_was_cancelled_is_made_when_it_is_asked_for_again() {
    let (harness, id, call, mut calls, running) = cancelled().await;
    call.heed().await;
    retry_while_busy(running).await.unwrap();
    let again = start(&harness.runner, id, GLTF);
    calls.next().await.answer(Answer::Made);
    let again = retry_while_busy(again).await.unwrap();
    assert!(matches!(again, TaskOutcome::Made(_)), "{again:?}");
}
