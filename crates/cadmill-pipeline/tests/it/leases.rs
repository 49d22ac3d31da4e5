//! Leases that are lost, owners that are stale, and stores that are away.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use cadmill_domain::{
    CadFileId, Confirmed, Doorbell as _, FailureCode, Ledger as _, MockLedger, RowState, StepEvent,
    TaskOutcome, WorkerName,
};
use cadmill_lock::{DedupLock as _, LockKey};
use cadmill_pipeline::Mill;
use futures_util::FutureExt as _;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::Level;

use crate::{
    counted::Counted,
    kernel::{Answer, Kernel},
    overheard::Overheard,
    plant::{GLTF, LEASE, POLL, Plant, STEP, patiently, run, start, work},
    unreliable::{Trouble, UnreliableLock, away, else_as_in},
};

fn with_lock(plant: &Plant, trouble: Trouble) -> (Mill, UnreliableLock) {
    let lock = UnreliableLock::new(plant.lock.clone(), trouble);
    let mut mill = plant.mill.clone();
    mill.lock = Arc::new(lock.clone());
    (mill, lock)
}

/// Nothing was published, and the row waits to be claimed again as if nothing had been.
async fn assert_is_back(plant: &Plant, id: CadFileId) {
    assert_eq!(plant.assets(id, GLTF).await, []);
    let row = plant.row(id, GLTF).await;
    assert_eq!(row.state, RowState::Queued);
    assert_eq!((row.crashes, row.attempts, row.not_before), (0, 0, None));
}

#[tokio::test(start_paused = true)]
async fn a_lost_lease_costs_no_work() {
    for trouble in [Trouble::Forgetful, Trouble::Away] {
        let (kernel, mut calls) = Kernel::waiting();
        let plant = Plant::new(kernel.clone());
        let id = plant.ready_for(GLTF).await;
        let (mill, lock) = with_lock(&plant, Trouble::None);
        let running = start(&mill, id, GLTF);
        let call = calls.next().await;
        lock.get_into(trouble);
        tokio::time::sleep(5 * LEASE).await;
        assert!(!call.is_cancelled(), "{trouble:?}");
        lock.get_into(Trouble::None);
        tokio::time::sleep(LEASE).await;
        let key = LockKey::glb_geometry(id);
        let holder = plant.lock.holder(&key).await.unwrap();
        assert!(holder.is_some(), "{trouble:?}: the key is taken again");
        call.answer(Answer::Made);
        let made = patiently(running).await.unwrap();
        assert!(matches!(made, TaskOutcome::Made(_)), "{made:?}");
        let row = plant.row(id, GLTF).await;
        assert_eq!((row.state, row.fence.0), (RowState::Idle, 1));
        assert_eq!(kernel.runs(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn work_whose_lock_another_has_is_stopped_and_given_back() {
    let (kernel, mut calls) = Kernel::waiting();
    let plant = Plant::new(kernel);
    let id = plant.ready_for(GLTF).await;
    let (mill, lock) = with_lock(&plant, Trouble::None);
    let running = start(&mill, id, GLTF);
    let call = calls.next().await;
    lock.get_into(Trouble::TakenAway);
    let lost = Instant::now();
    call.heed().await;
    assert!(lost.elapsed() <= LEASE, "{:?}", lost.elapsed());
    assert_eq!(patiently(running).await.unwrap(), TaskOutcome::Lost);
    assert_is_back(&plant, id).await;
    let told = plant.journal.of(work(id, GLTF));
    assert_eq!(told.last().unwrap().event, StepEvent::StepFailed);
    assert_eq!(told.last().unwrap().result["code"], "lock_lost");
}

#[tokio::test(start_paused = true)]
async fn what_was_made_is_published_if_its_fence_holds() {
    let (kernel, mut calls) = Kernel::waiting();
    let plant = Plant::new(kernel);
    let id = plant.ready_for(GLTF).await;
    let (mill, lock) = with_lock(&plant, Trouble::None);
    let running = start(&mill, id, GLTF);
    let call = calls.next().await;
    lock.get_into(Trouble::TakenAway);
    patiently(call.cancelled.clone().wait()).await;
    call.answer(Answer::Made);
    let made = patiently(running).await.unwrap();
    assert!(matches!(made, TaskOutcome::Made(_)), "{made:?}");
    assert_eq!(plant.assets(id, GLTF).await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_tessellator_that_does_not_end_is_dropped_and_counts_as_no_crash() {
    let (kernel, mut calls) = Kernel::waiting();
    let plant = Plant::new(kernel);
    let id = plant.ready_for(GLTF).await;
    let (mill, lock) = with_lock(&plant, Trouble::None);
    let counted = Counted::from_now_on();
    let running = start(&mill, id, GLTF);
    let mut call = calls.next().await;
    lock.get_into(Trouble::TakenAway);
    patiently(call.answer.closed()).await;
    assert_eq!(patiently(running).await.unwrap(), TaskOutcome::Lost);
    counted.assert_is(r#"cadmill_leases_lost_total{task="gltf_geometry"}"#, 1);
    assert_is_back(&plant, id).await;
    plant.assert_scratch_is_empty();
}

#[tokio::test(start_paused = true)]
async fn a_stale_owner_is_refused() {
    let (kernel, mut calls) = Kernel::waiting();
    let plant = Plant::new(kernel);
    let id = plant.ready_for(GLTF).await;
    let counted = Counted::from_now_on();
    let (mut frozen, _) = with_lock(&plant, Trouble::Deceived);
    let mut ledger = MockLedger::new();
    // What it says does not reach the ledger.
    ledger.expect_confirm().returning(|_| Ok(Confirmed::Held));
    ledger.expect_progress().returning(|_, _| Ok(true));
    frozen.records.ledger = Arc::new(else_as_in(ledger, &plant.store));
    let stale = start(&frozen, id, GLTF);
    let old = calls.next().await;
    let mut other = plant.mill.clone();
    other.settings.worker = WorkerName::new("other");
    // Nobody renews its lease, which runs out while its tessellator goes on.
    tokio::time::sleep(LEASE).await;
    // It is suspected first, and then has a third of the lease to confirm its claim.
    assert_eq!(run(&other, id, GLTF).await, TaskOutcome::Skipped);
    tokio::time::sleep(LEASE / 3).await;
    let overheard = Overheard::from_now_on();
    let newer = start(&other, id, GLTF);
    calls.next().await.answer(Answer::Made);
    let made = patiently(newer).await.unwrap();
    assert!(matches!(made, TaskOutcome::Made(_)), "{made:?}");
    let (row, assets) = (plant.row(id, GLTF).await, plant.assets(id, GLTF).await);
    assert_eq!((row.fence.0, row.state), (2, RowState::Idle));

    old.answer(Answer::Made);
    assert_eq!(patiently(stale).await.unwrap(), TaskOutcome::Lost);
    assert_eq!(plant.row(id, GLTF).await, row);
    assert_eq!(plant.assets(id, GLTF).await, assets);
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
    let plant = Plant::new(Kernel::prompt());
    let id = plant.upload("part.step").await;
    let (mut mill, lock) = with_lock(&plant, Trouble::None);
    let mut ledger = MockLedger::new();
    let store = plant.store.clone();
    ledger
        .expect_publish()
        .times(1)
        .returning(move |claim, product| {
            lock.get_into(Trouble::Forgetful);
            let published = store.publish(claim, product);
            published.now_or_never().unwrap()
        });
    mill.records.ledger = Arc::new(else_as_in(ledger, &plant.store));
    assert_eq!(run(&mill, id, STEP).await, TaskOutcome::Processed);
    assert_eq!(plant.row(id, STEP).await.state, RowState::Idle);
    let events = plant.journal.of(work(id, STEP));
    let events: Vec<_> = events.iter().map(|event| event.event).collect();
    assert_eq!(events, [StepEvent::StepStart, StepEvent::StepDone]);
}

#[tokio::test(start_paused = true)]
async fn without_a_lock_store_nothing_is_claimed() {
    let plant = Plant::new(Kernel::prompt());
    let id = plant.upload("part.step").await;
    let (mut mill, lock) = with_lock(&plant, Trouble::Away);
    let is_away = Arc::new(AtomicBool::new(true));
    let mut ledger = MockLedger::new();
    let (seen, store) = (is_away.clone(), plant.store.clone());
    ledger.expect_claim().returning(move |work, worker| {
        assert!(!seen.load(Ordering::SeqCst), "it must not be claimed");
        let claimed = store.claim(work, worker);
        claimed.now_or_never().unwrap()
    });
    mill.records.ledger = Arc::new(else_as_in(ledger, &plant.store));
    let overheard = Overheard::from_now_on();
    let never = CancellationToken::new();
    assert!(mill.run(work(id, STEP), &never).await.is_err());
    let worker = plant.worker_of(mill, 2);
    for _ in 0..10 {
        plant.bell.ring().await;
        tokio::time::sleep(POLL).await;
    }
    assert_eq!(plant.row(id, STEP).await.state, RowState::Queued);
    let said = overheard.at(Level::WARN);
    let told = said
        .iter()
        .filter(|said| said.contains("Nothing can be claimed"));
    assert_eq!(told.count(), 1, "{said:#?}");

    is_away.store(false, Ordering::SeqCst);
    lock.get_into(Trouble::None);
    plant.journal.wait_for_all(1).await;
    worker.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_was_made_waits_for_the_database() {
    let kernel = Kernel::prompt();
    let plant = Plant::new(kernel.clone());
    let id = plant.ready_for(GLTF).await;
    let mut ledger = MockLedger::new();
    ledger
        .expect_publish()
        .times(20)
        .returning(|_, _| Err(away()));
    let mut mill = plant.mill.clone();
    mill.records.ledger = Arc::new(else_as_in(ledger, &plant.store));
    let begun = Instant::now();
    let made = run(&mill, id, GLTF).await;
    assert!(matches!(made, TaskOutcome::Made(_)), "{made:?}");
    // Longer than a lease runs that is not renewed.
    assert!(begun.elapsed() > LEASE, "{:?}", begun.elapsed());
    assert_eq!(kernel.runs(), 1);
    assert_eq!(plant.assets(id, GLTF).await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_database_that_stays_away_is_asked_until_the_worker_stops() {
    let plant = Plant::new(Kernel::prompt());
    let id = plant.ready_for(GLTF).await;
    let mut ledger = MockLedger::new();
    ledger.expect_publish().returning(|_, _| Err(away()));
    let mut mill = plant.mill.clone();
    mill.records.ledger = Arc::new(else_as_in(ledger, &plant.store));
    let stop = CancellationToken::new();
    let token = stop.clone();
    let running = tokio::spawn(async move { mill.run(work(id, GLTF), &token).await });
    tokio::time::sleep(20 * LEASE).await;
    assert!(!running.is_finished());
    stop.cancel();
    let ended = patiently(running).await.unwrap();
    assert!(ended.is_err(), "{ended:?}");
    // The claim was not left open, since this much the database can do.
    tokio::task::yield_now().await;
    assert_is_back(&plant, id).await;
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_was_lost_is_not_taken_for_a_refusal() {
    let plant = Plant::new(Kernel::prompt());
    let id = plant.ready_for(GLTF).await;
    let mut ledger = MockLedger::new();
    let store = plant.store.clone();
    // It was committed, but the connection broke before the answer came.
    ledger
        .expect_publish()
        .times(1)
        .returning(move |claim, product| {
            let published = store.publish(claim, product);
            let published = futures_util::FutureExt::now_or_never(published);
            assert!(published.unwrap().is_ok());
            Err(away())
        });
    let mut mill = plant.mill.clone();
    mill.records.ledger = Arc::new(else_as_in(ledger, &plant.store));
    let made = run(&mill, id, GLTF).await;
    let asset = plant.assets(id, GLTF).await[0].id;
    assert_eq!(made, TaskOutcome::Made(asset));
    let told = plant.journal.of(work(id, GLTF));
    assert_eq!(told.last().unwrap().event, StepEvent::StepDone);
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_cannot_be_stored_at_once_is_no_crash() {
    let (kernel, mut calls) = Kernel::waiting();
    let plant = Plant::new(kernel);
    let id = plant.ready_for(GLTF).await;
    let mut ledger = MockLedger::new();
    ledger
        .expect_fail()
        .times(3)
        .returning(|_, _, _| Err(away()));
    let mut mill = plant.mill.clone();
    mill.records.ledger = Arc::new(else_as_in(ledger, &plant.store));
    let running = start(&mill, id, GLTF);
    let call = calls.next().await;
    call.answer(Answer::Failed(FailureCode::KernelCrash));
    let (code, retry) = (FailureCode::KernelCrash, false);
    let ended = patiently(running).await.unwrap();
    assert_eq!(ended, TaskOutcome::Failed { code, retry });
    let row = plant.row(id, GLTF).await;
    assert_eq!((row.state, row.crashes), (RowState::Failed, 0));
}
