//! However a task ends, its lock is free afterwards, and nobody but its owner has released it.

use std::{sync::Arc, time::Duration};

use cadmill_domain::{
    FailureCode, TaskOutcome,
    ledger::{RowState, WorkQueue as _},
};
use cadmill_lock::{DedupLock as _, Lease, LockKey, MockDedupLock};
use tracing::Level;

use crate::{
    harness::{GLTF, Harness, LEASE, POLL, STEP, retry_while_busy, run, start, work},
    kernel::{Answer, Kernel},
    overheard::Overheard,
};

async fn assert_all_free(harness: &Harness, id: cadmill_domain::CadFileId) {
    harness.assert_is_free(&LockKey::glb_geometry(id)).await;
    let source = cadmill_domain::CadFiles::get(&harness.store, id)
        .await
        .unwrap();
    let source = source.unwrap().source.sha256;
    let content = LockKey::tessellation(source, harness.runner.settings.plan.fingerprint());
    harness.assert_is_free(&content).await;
    harness.assert_scratch_is_empty();
}

#[tokio::test(start_paused = true)]
async fn the_locks_are_free_after_success_and_after_failure() {
    for answer in [Answer::Made, Answer::Failed(FailureCode::KernelCrash)] {
        let (kernel, mut calls) = Kernel::waiting();
        let harness = Harness::new(kernel);
        let id = harness.ready_for(GLTF).await;
        let running = start(&harness.runner, id, GLTF);
        let call = calls.next().await;
        let key = LockKey::glb_geometry(id);
        assert!(harness.lock.holder(&key).await.unwrap().is_some());
        call.answer(answer);
        retry_while_busy(running).await.unwrap();
        // What is released when it is dropped is released by a task of its own.
        tokio::task::yield_now().await;
        assert_all_free(&harness, id).await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_locks_are_free_after_the_future_was_dropped() {
    let (kernel, mut calls) = Kernel::waiting();
    let harness = Harness::new(kernel);
    let id = harness.ready_for(GLTF).await;
    let running = start(&harness.runner, id, GLTF);
    let mut call = calls.next().await;
    running.abort();
    retry_while_busy(call.answer.closed()).await;
    assert!(retry_while_busy(running).await.unwrap_err().is_cancelled());
    tokio::task::yield_now().await;
    assert_all_free(&harness, id).await;
    // Whoever comes next finds the claim abandoned, and needs no worker to take it back.
    let again = start(&harness.runner, id, GLTF);
    calls.next().await.answer(Answer::Made);
    assert!(matches!(
        retry_while_busy(again).await.unwrap(),
        TaskOutcome::Made(_)
    ));
    assert_eq!(harness.row(id, GLTF).await.fence.0, 2);
}

#[tokio::test(start_paused = true)]
async fn a_panic_costs_the_worker_nothing_and_counts_as_a_crash() {
    let (kernel, mut calls) = Kernel::waiting();
    let harness = Harness::new(kernel.clone());
    let id = harness.ready_for(GLTF).await;
    let overheard = Overheard::from_now_on();
    let worker = harness.worker(2);
    let call = calls.next().await;
    // Another piece of work is in hand, and stays so.
    let other = harness.named_and_ready_for("other.step", GLTF).await;
    cadmill_domain::WorkNotifier::notify(&*harness.notifier).await;
    let going_on = calls.next().await;
    call.answer(Answer::Panicked);
    let again = calls.next().await;
    overheard.assert_said(Level::WARN, "panicked");
    assert_eq!(harness.row(id, GLTF).await.crashes, 1);
    assert_eq!(harness.row(other, GLTF).await.crashes, 0);
    again.answer(Answer::Made);
    going_on.answer(Answer::Made);
    harness.journal.wait_for_all(2).await;
    worker.stop().await;
    assert_eq!(kernel.runs(), 3);
    assert_eq!(harness.row(id, GLTF).await.state, RowState::Idle);
    assert_all_free(&harness, id).await;
}

#[tokio::test(start_paused = true)]
async fn three_crashes_set_it_aside() {
    let (kernel, mut calls) = Kernel::waiting();
    let harness = Harness::new(kernel.clone());
    let id = harness.ready_for(GLTF).await;
    let worker = harness.worker(1);
    for _ in 0..3 {
        calls.next().await.answer(Answer::Panicked);
    }
    // Everything else is still worked on.
    let other = harness.named_and_ready_for("other.step", GLTF).await;
    calls.next().await.answer(Answer::Made);
    harness.journal.wait_for_all(1).await;
    worker.stop().await;
    let row = harness.row(id, GLTF).await;
    assert_eq!((row.state, row.crashes), (RowState::Failed, 3));
    assert_eq!(row.failure.unwrap().code, FailureCode::WorkerCrash);
    assert_eq!(harness.row(other, GLTF).await.state, RowState::Idle);
    assert_eq!(kernel.runs(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_lock_is_released_by_its_owner_and_once() {
    let harness = Harness::new(Kernel::prompt());
    let id = harness.upload("part.step").await;
    let ours = Lease::fresh(LockKey::step_processing(id));
    let mut lock = MockDedupLock::new();
    let lease = ours.clone();
    lock.expect_try_acquire()
        .withf(move |key, ttl| *key == LockKey::step_processing(id) && *ttl == LEASE)
        .times(1)
        .return_once(move |_, _| Ok(Some(lease)));
    lock.expect_release()
        .withf(move |released| *released == ours)
        .times(1)
        .returning(|_| Ok(true));
    let mut runner = harness.runner.clone();
    runner.lock = Arc::new(lock);
    assert_eq!(run(&runner, id, STEP).await, TaskOutcome::Processed);
}

#[tokio::test(start_paused = true)]
async fn a_claim_whose_lock_is_held_is_left_to_its_owner() {
    let harness = Harness::new(Kernel::prompt());
    let id = harness.upload("part.step").await;
    let elsewhere = cadmill_domain::ledger::WorkerName::new("elsewhere");
    let claim = harness
        .store
        .claim(work(id, STEP), &elsewhere)
        .await
        .unwrap();
    let key = LockKey::step_processing(id);
    let ttl = Duration::from_mins(1);
    let lease = harness.lock.try_acquire(&key, ttl).await.unwrap().unwrap();
    let worker = harness.worker(1);
    tokio::time::sleep(4 * POLL).await;
    assert_eq!(harness.store.running().await.unwrap(), [claim.unwrap()]);
    // Its owner dies; nobody releases the lease, which runs out.
    drop(lease);
    harness.journal.wait_for_all(1).await;
    let elapsed = cadmill_domain::Clock::now(&*harness.clock)
        - harness.row(id, STEP).await.requested_at.unwrap();
    assert!(elapsed.to_std().unwrap() <= ttl + 2 * POLL, "{elapsed}");
    worker.stop().await;
    assert_eq!(harness.row(id, STEP).await.fence.0, 2);
}
