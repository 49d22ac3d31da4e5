//! Leases that are lost, owners that are stale, and stores that are away.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use cadmill_domain::{
    CadFileId, FailureCode, TaskOutcome, WorkNotifier as _,
    ledger::{Confirmed, MockWorkQueue, RowState, WorkQueue as _, WorkerName},
    pipeline_log::StepEvent,
};
use cadmill_lock::{DedupLock as _, LockKey};
use cadmill_pipeline::TaskRunner;
use futures_util::FutureExt as _;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::Level;

use crate::{
    counted::Counted,
    harness::{GLTF, Harness, LEASE, POLL, STEP, retry_while_busy, run, start, work},
    kernel::{Answer, Kernel},
    overheard::Overheard,
    unreliable::{Trouble, UnreliableLock, away, else_as_in},
};

fn with_lock(harness: &Harness, trouble: Trouble) -> (TaskRunner, UnreliableLock) {
    let lock = UnreliableLock::new(harness.lock.clone(), trouble);
    let mut runner = harness.runner.clone();
    runner.lock = Arc::new(lock.clone());
    (runner, lock)
}

/// Nothing was published, and the row waits to be claimed again as if nothing had been.
async fn assert_is_back(harness: &Harness, id: CadFileId) {
    assert_eq!(harness.assets(id, GLTF).await, []);
    let row = harness.row(id, GLTF).await;
    assert_eq!(row.state, RowState::Queued);
    assert_eq!((row.crashes, row.attempts, row.not_before), (0, 0, None));
}

#[tokio::test(start_paused = true)]
async fn a_lost_lease_costs_no_work() {
    for trouble in [Trouble::Forgetful, Trouble::Away] {
        let (kernel, mut calls) = Kernel::waiting();
        let harness = Harness::new(kernel.clone());
        let id = harness.ready_for(GLTF).await;
        let (runner, lock) = with_lock(&harness, Trouble::None);
        let running = start(&runner, id, GLTF);
        let call = calls.next().await;
        lock.get_into(trouble);
        tokio::time::sleep(5 * LEASE).await;
        assert!(!call.is_cancelled(), "{trouble:?}");
        lock.get_into(Trouble::None);
        tokio::time::sleep(LEASE).await;
        let key = LockKey::glb_geometry(id);
        let holder = harness.lock.holder(&key).await.unwrap();
        assert!(holder.is_some(), "{trouble:?}: the key is taken again");
        call.answer(Answer::Made);
        let made = retry_while_busy(running).await.unwrap();
        assert!(matches!(made, TaskOutcome::Made(_)), "{made:?}");
        let row = harness.row(id, GLTF).await;
        assert_eq!((row.state, row.fence.0), (RowState::Idle, 1));
        assert_eq!(kernel.runs(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn work_whose_lock_another_has_is_stopped_and_given_back() {
    let (kernel, mut calls) = Kernel::waiting();
    let harness = Harness::new(kernel);
    let id = harness.ready_for(GLTF).await;
    let (runner, lock) = with_lock(&harness, Trouble::None);
    let running = start(&runner, id, GLTF);
    let call = calls.next().await;
    lock.get_into(Trouble::TakenAway);
    let lost = Instant::now();
    call.heed().await;
    assert!(lost.elapsed() <= LEASE, "{:?}", lost.elapsed());
    assert_eq!(retry_while_busy(running).await.unwrap(), TaskOutcome::Lost);
    assert_is_back(&harness, id).await;
    let told = harness.journal.of(work(id, GLTF));
    assert_eq!(told.last().unwrap().event, StepEvent::StepFailed);
    assert_eq!(told.last().unwrap().result["code"], "lock_lost");
}

#[tokio::test(start_paused = true)]
async fn what_was_made_is_published_if_its_fence_holds() {
    let (kernel, mut calls) = Kernel::waiting();
    let harness = Harness::new(kernel);
    let id = harness.ready_for(GLTF).await;
    let (runner, lock) = with_lock(&harness, Trouble::None);
    let running = start(&runner, id, GLTF);
    let call = calls.next().await;
    lock.get_into(Trouble::TakenAway);
    retry_while_busy(call.cancelled.clone().wait()).await;
    call.answer(Answer::Made);
    let made = retry_while_busy(running).await.unwrap();
    assert!(matches!(made, TaskOutcome::Made(_)), "{made:?}");
    assert_eq!(harness.assets(id, GLTF).await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_tessellator_that_does_not_end_is_dropped_and_counts_as_no_crash() {
    let (kernel, mut calls) = Kernel::waiting();
    let harness = Harness::new(kernel);
    let id = harness.ready_for(GLTF).await;
    let (runner, lock) = with_lock(&harness, Trouble::None);
    let counted = Counted::from_now_on();
    let running = start(&runner, id, GLTF);
    let mut call = calls.next().await;
    lock.get_into(Trouble::TakenAway);
    retry_while_busy(call.answer.closed()).await;
    assert_eq!(retry_while_busy(running).await.unwrap(), TaskOutcome::Lost);
    counted.assert_is(r#"cadmill_leases_lost_total{task="gltf_geometry"}"#, 1);
    assert_is_back(&harness, id).await;
    harness.assert_scratch_is_empty();
}

#[tokio::test(start_paused = true)]
async fn a_stale_owner_is_refused() {
    let (kernel, mut calls) = Kernel::waiting();
    let harness = Harness::new(kernel);
    let id = harness.ready_for(GLTF).await;
    let counted = Counted::from_now_on();
    let (mut frozen, _) = with_lock(&harness, Trouble::Deceived);
    let mut queue = MockWorkQueue::new();
    // What it says does not reach the ledger.
    queue.expect_confirm().returning(|_| Ok(Confirmed::Held));
    queue.expect_progress().returning(|_, _| Ok(true));
    frozen.records.queue = Arc::new(else_as_in(queue, &harness.store));
    let stale = start(&frozen, id, GLTF);
    let old = calls.next().await;
    let mut other = harness.runner.clone();
    other.settings.worker = WorkerName::new("other");
    // Nobody renews its lease, which runs out while its tessellator goes on.
    tokio::time::sleep(LEASE).await;
    // It is suspected first, and then has a third of the lease to confirm its claim.
    assert_eq!(run(&other, id, GLTF).await, TaskOutcome::Skipped);
    tokio::time::sleep(LEASE / 3).await;
    let overheard = Overheard::from_now_on();
    let newer = start(&other, id, GLTF);
    calls.next().await.answer(Answer::Made);
    let made = retry_while_busy(newer).await.unwrap();
    assert!(matches!(made, TaskOutcome::Made(_)), "{made:?}");
    let (row, assets) = (harness.row(id, GLTF).await, harness.assets(id, GLTF).await);
    assert_eq!((row.fence.0, row.state), (2, RowState::Idle));

    old.answer(Answer::Made);
    assert_eq!(retry_while_busy(stale).await.unwrap(), TaskOutcome::Lost);
    assert_eq!(harness.row(id, GLTF).await, row);
    assert_eq!(harness.assets(id, GLTF).await, assets);
    overheard.assert_said(
        Level::WARN,
        "generate_gltf_geometry: the claim is no longer the newest",
    );
    counted.assert_is(
        r#"cadmill_publishes_refused_total{task="gltf_geometry"}"#,
        1,
    );
}

#[tokio::test(start_paused = true)]
async fn what_was_published_before_the_lease_was_lost_is_reported_as_made() {
    let harness = Harness::new(Kernel::prompt());
    let id = harness.upload("part.step").await;
    let (mut runner, lock) = with_lock(&harness, Trouble::None);
    let mut queue = MockWorkQueue::new();
    let store = harness.store.clone();
    queue
        .expect_publish()
        .times(1)
        .returning(move |claim, product| {
            lock.get_into(Trouble::Forgetful);
            let published = store.publish(claim, product);
            published.now_or_never().unwrap()
        });
    runner.records.queue = Arc::new(else_as_in(queue, &harness.store));
    assert_eq!(run(&runner, id, STEP).await, TaskOutcome::Processed);
    assert_eq!(harness.row(id, STEP).await.state, RowState::Idle);
    let events = harness.journal.of(work(id, STEP));
    let events: Vec<_> = events.iter().map(|event| event.event).collect();
    assert_eq!(events, [StepEvent::StepStart, StepEvent::StepDone]);
}

#[tokio::test(start_paused = true)]
async fn without_a_lock_store_nothing_is_claimed() {
    let harness = Harness::new(Kernel::prompt());
    let id = harness.upload("part.step").await;
    let (mut runner, lock) = with_lock(&harness, Trouble::Away);
    let is_away = Arc::new(AtomicBool::new(true));
    let mut queue = MockWorkQueue::new();
    let (seen, store) = (is_away.clone(), harness.store.clone());
    queue.expect_claim().returning(move |work, worker| {
        assert!(!seen.load(Ordering::SeqCst), "it must not be claimed");
        let claimed = store.claim(work, worker);
        claimed.now_or_never().unwrap()
    });
    runner.records.queue = Arc::new(else_as_in(queue, &harness.store));
    let overheard = Overheard::from_now_on();
    let never = CancellationToken::new();
    assert!(runner.run(work(id, STEP), &never).await.is_err());
    let worker = harness.worker_of(runner, 2);
    for _ in 0..10 {
        harness.notifier.notify().await;
        tokio::time::sleep(POLL).await;
    }
    assert_eq!(harness.row(id, STEP).await.state, RowState::Queued);
    let said = overheard.at(Level::WARN);
    let told = said
        .iter()
        .filter(|said| said.contains("Nothing can be claimed"));
    assert_eq!(told.count(), 1, "{said:#?}");

    is_away.store(false, Ordering::SeqCst);
    lock.get_into(Trouble::None);
    harness.journal.wait_for_all(1).await;
    worker.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_was_made_waits_for_the_database() {
    let kernel = Kernel::prompt();
    let harness = Harness::new(kernel.clone());
    let id = harness.ready_for(GLTF).await;
    let mut queue = MockWorkQueue::new();
    queue
        .expect_publish()
        .times(20)
        .returning(|_, _| Err(away()));
    let mut runner = harness.runner.clone();
    runner.records.queue = Arc::new(else_as_in(queue, &harness.store));
    let begun = Instant::now();
    let made = run(&runner, id, GLTF).await;
    assert!(matches!(made, TaskOutcome::Made(_)), "{made:?}");
    // Longer than a lease runs that is not renewed.
    assert!(begun.elapsed() > LEASE, "{:?}", begun.elapsed());
    assert_eq!(kernel.runs(), 1);
    assert_eq!(harness.assets(id, GLTF).await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_database_that_stays_away_is_asked_until_the_worker_stops() {
    let harness = Harness::new(Kernel::prompt());
    let id = harness.ready_for(GLTF).await;
    let mut queue = MockWorkQueue::new();
    queue.expect_publish().returning(|_, _| Err(away()));
    let mut runner = harness.runner.clone();
    runner.records.queue = Arc::new(else_as_in(queue, &harness.store));
    let stop = CancellationToken::new();
    let token = stop.clone();
    let running = tokio::spawn(async move { runner.run(work(id, GLTF), &token).await });
    tokio::time::sleep(20 * LEASE).await;
    assert!(!running.is_finished());
    stop.cancel();
    let ended = retry_while_busy(running).await.unwrap();
    assert!(ended.is_err(), "{ended:?}");
    // The claim was not left open, since this much the database can do.
    tokio::task::yield_now().await;
    assert_is_back(&harness, id).await;
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_was_lost_is_not_taken_for_a_refusal() {
    let harness = Harness::new(Kernel::prompt());
    let id = harness.ready_for(GLTF).await;
    let mut queue = MockWorkQueue::new();
    let store = harness.store.clone();
    // It was committed, but the connection broke before the answer came.
    queue
        .expect_publish()
        .times(1)
        .returning(move |claim, product| {
            let published = store.publish(claim, product);
            let published = futures_util::FutureExt::now_or_never(published);
            assert!(published.unwrap().is_ok());
            Err(away())
        });
    let mut runner = harness.runner.clone();
    runner.records.queue = Arc::new(else_as_in(queue, &harness.store));
    let made = run(&runner, id, GLTF).await;
    let asset = harness.assets(id, GLTF).await[0].id;
    assert_eq!(made, TaskOutcome::Made(asset));
    let told = harness.journal.of(work(id, GLTF));
    assert_eq!(told.last().unwrap().event, StepEvent::StepDone);
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_cannot_be_stored_at_once_is_no_crash() {
    let (kernel, mut calls) = Kernel::waiting();
    let harness = Harness::new(kernel);
    let id = harness.ready_for(GLTF).await;
    let mut queue = MockWorkQueue::new();
    queue
        .expect_fail()
        .times(3)
        .returning(|_, _, _| Err(away()));
    let mut runner = harness.runner.clone();
    runner.records.queue = Arc::new(else_as_in(queue, &harness.store));
    let running = start(&runner, id, GLTF);
    let call = calls.next().await;
    call.answer(Answer::Failed(FailureCode::KernelCrash));
    let (code, retry) = (FailureCode::KernelCrash, false);
    let ended = retry_while_busy(running).await.unwrap();
    assert_eq!(ended, TaskOutcome::Failed { code, retry });
    let row = harness.row(id, GLTF).await;
    assert_eq!((row.state, row.crashes), (RowState::Failed, 0));
}
