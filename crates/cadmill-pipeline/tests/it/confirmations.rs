//! Claims that are confirmed, and what happens to those that are not.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use cadmill_domain::{
    Blob, Blobs as _, CadFiles as _, FailureCode, StoreError, TaskKind, TaskOutcome,
    WorkNotifier as _,
    cad_file::FileChange,
    ledger::{MockWorkQueue, Request, RowState, WorkQueue as _, WorkRequests as _, WorkerName},
    pipeline_log::StepEvent,
};
use cadmill_lock::{DedupLock as _, Lease, LockKey};
use cadmill_pipeline::TaskRunner;
use futures_util::FutureExt as _;
use tokio::time::{Instant, sleep};

use crate::{
    harness::{GLTF, Harness, LEASE, POLL, STEP, UPLOAD, USD, retry_while_busy, run, start, work},
    kernel::{Answer, Kernel},
    test_folder::step,
    unreliable::{away, else_as_in, if_reachable_as_in, requests_if_reachable, view_if_reachable},
};

/// A mill whose database is away while the switch is on.
fn cut_off(harness: &Harness, name: &str) -> (TaskRunner, Arc<AtomicBool>) {
    let is_away = Arc::new(AtomicBool::new(false));
    let runner = cut_off_by(&is_away, MockWorkQueue::new(), harness, name);
    (runner, is_away)
}

/// The same, with a queue of which something was expected before.
fn cut_off_by(
    is_away: &Arc<AtomicBool>,
    queue: MockWorkQueue,
    harness: &Harness,
    name: &str,
) -> TaskRunner {
    let switch = is_away.clone();
    let reach = move || {
        if switch.load(Ordering::SeqCst) {
            Err(away())
        } else {
            Ok(())
        }
    };
    let mut runner = harness.runner.clone();
    runner.settings.worker = WorkerName::new(name);
    runner.records.requests = Arc::new(requests_if_reachable(&harness.store, reach.clone()));
    runner.records.queue = Arc::new(if_reachable_as_in(queue, &harness.store, reach.clone()));
    runner.records.view = Arc::new(view_if_reachable(&harness.store, reach));
    runner.lock = Arc::new(harness.lock.shared_with(name));
    runner
}

/// Forgets who holds this key, as a flush of the lock store does.
async fn flush(harness: &Harness, key: &LockKey) {
    // The fake knows a lease by its token, so the key is taken over and given back.
    harness.lock.forget_all();
    assert_eq!(harness.lock.holder(key).await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn five_flushes_of_the_locks_cost_nothing() {
    let (kernel, mut calls) = Kernel::waiting();
    let harness = Harness::new(kernel.clone());
    let id = harness.ready_for(GLTF).await;
    let workers = ["a", "b"].map(|name| {
        let mut runner = harness.runner.clone();
        runner.settings.worker = WorkerName::new(name);
        harness.worker_of(runner, 2)
    });
    let call = calls.next().await;
    let key = LockKey::glb_geometry(id);
    for _ in 0..5 {
        flush(&harness, &key).await;
        // Both look for claims whose locks are free.
        sleep(2 * POLL + LEASE / 3).await;
        assert!(harness.lock.holder(&key).await.unwrap().is_some());
    }
    assert!(!call.is_cancelled());
    call.answer(Answer::Made);
    harness.journal.wait_for_all(1).await;
    for worker in workers {
        worker.stop().await;
    }
    assert_eq!(kernel.runs(), 1);
    let row = harness.row(id, GLTF).await;
    assert_eq!((row.fence.0, row.crashes), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn others_take_over_from_a_worker_that_alone_cannot_reach_the_database() {
    let (kernel, mut calls) = Kernel::waiting();
    let harness = Harness::new(kernel.clone());
    let id = harness.ready_for(GLTF).await;
    let (silent, is_away) = cut_off(&harness, "silent");
    let silent = harness.worker_of(silent, 1);
    let old = calls.next().await;
    is_away.store(true, Ordering::SeqCst);
    let since = Instant::now();
    let other = harness.worker(1);
    let new = calls.next().await;
    let took = since.elapsed();
    assert!(took <= 2 * LEASE, "{took:?}");
    // Its work goes on until it hears that it is no longer its own.
    assert!(!old.is_cancelled());
    is_away.store(false, Ordering::SeqCst);
    old.heed().await;
    new.answer(Answer::Made);
    harness.journal.wait_for_all(1).await;
    silent.stop().await;
    other.stop().await;
    let row = harness.row(id, GLTF).await;
    assert_eq!((row.state, row.fence.0), (RowState::Idle, 2));
    assert_eq!(kernel.runs(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_outage_for_all_costs_no_work() {
    let (kernel, mut calls) = Kernel::waiting();
    let harness = Harness::new(kernel.clone());
    let id = harness.ready_for(GLTF).await;
    let mills = ["a", "b", "c"].map(|name| cut_off(&harness, name));
    let switches = mills.clone().map(|(_, switch)| switch);
    let set = |is_away| {
        for switch in &switches {
            switch.store(is_away, Ordering::SeqCst);
        }
    };
    let workers = mills.map(|(runner, _)| harness.worker_of(runner, 1));
    let call = calls.next().await;
    for round in 0..3 {
        set(true);
        sleep(Duration::from_mins(10)).await;
        let key = LockKey::glb_geometry(id);
        let holder = harness.lock.holder(&key).await.unwrap();
        assert_eq!(holder, None, "its lease may run out, round {round}");
        set(false);
        sleep(2 * LEASE).await;
        assert!(!call.is_cancelled(), "round {round}");
        assert!(harness.lock.holder(&key).await.unwrap().is_some());
    }
    set(true);
    call.answer(Answer::Made);
    sleep(Duration::from_mins(10)).await;
    set(false);
    harness.journal.wait_for_all(1).await;
    for worker in workers {
        worker.stop().await;
    }
    let row = harness.row(id, GLTF).await;
    assert_eq!((row.fence.0, row.crashes), (1, 0));
    assert_eq!(kernel.runs(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_no_longer_wanted_is_stopped_at_once() {
    for how in ["bytes", "cancel", "removal"] {
        let (kernel, mut calls) = Kernel::waiting();
        let harness = Harness::new(kernel);
        let id = harness.ready_for(GLTF).await;
        let worker = harness.worker(1);
        let call = calls.next().await;
        let since = Instant::now();
        match how {
            "bytes" => {
                let blob = harness.blobs.put(step("newer").into()).await.unwrap();
                let replaced =
                    harness
                        .store
                        .change(id, FileChange::Source(blob.into(), Request::ASKED), None);
                replaced.await.unwrap();
            }
            "cancel" => assert!(harness.store.cancel(work(id, GLTF)).await.unwrap()),
            _ => assert!(harness.store.remove(id).await.unwrap()),
        }
        harness.notifier.notify().await;
        call.heed().await;
        assert!(since.elapsed() < Duration::from_secs(1), "{how}");
        if how == "bytes" {
            // The only slot is free for it.
            let call = calls.next().await;
            assert!(since.elapsed() < Duration::from_secs(2));
            let newer = Blob::of(step("newer").as_bytes()).sha256;
            assert_eq!(call.request.source_hash, newer);
            let row = harness.row(id, GLTF).await;
            assert_eq!((row.crashes, row.attempts), (0, 0));
            call.answer(Answer::Made);
            harness.journal.wait_for_all(1).await;
        }
        worker.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn no_error_on_closing_leaves_a_claim_open() {
    let full: fn() -> StoreError = || StoreError::Full("no space".into());
    let refused: fn() -> StoreError = || StoreError::Refused("no".into());
    for (what, error) in [
        ("publish", full),
        ("fail", full),
        ("hand back", full),
        ("hand back", refused),
    ] {
        let (kernel, mut calls) = Kernel::waiting();
        let harness = Harness::new(kernel);
        let id = harness.ready_for(GLTF).await;
        let mut queue = MockWorkQueue::new();
        match what {
            "publish" => {
                let publish = queue.expect_publish().times(3);
                publish.returning(move |_, _| Err(error()));
            }
            "fail" => {
                let fail = queue.expect_fail().times(3);
                fail.returning(move |_, _, _| Err(error()));
            }
            _ => {
                let back = queue.expect_hand_back().times(3);
                back.returning(move |_, _| Err(error()));
            }
        }
        let mut runner = harness.runner.clone();
        runner.records.queue = Arc::new(else_as_in(queue, &harness.store));
        let worker = harness.worker_of(runner, 1);
        let call = calls.next().await;
        match what {
            "publish" => call.answer(Answer::Made),
            "fail" => call.answer(Answer::Failed(FailureCode::DiskFull)),
            _ => {
                let blob = harness.blobs.put(step("newer").into()).await.unwrap();
                let replaced =
                    harness
                        .store
                        .change(id, FileChange::Source(blob.into(), Request::ASKED), None);
                replaced.await.unwrap();
                harness.notifier.notify().await;
                call.heed().await;
            }
        }
        if what != "publish" {
            calls.next().await.answer(Answer::Made);
        }
        harness.journal.wait_for_all(1).await;
        worker.stop().await;
        let row = harness.row(id, GLTF).await;
        assert_eq!((row.state, row.crashes), (RowState::Idle, 0), "{what}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_result_that_is_refused_fails_for_now() {
    let kernel = Kernel::prompt();
    let harness = Harness::new(kernel.clone());
    let id = harness.ready_for(GLTF).await;
    let mut queue = MockWorkQueue::new();
    queue
        .expect_publish()
        .times(1)
        .returning(|_, _| Err(StoreError::Refused("no".into())));
    let mut runner = harness.runner.clone();
    runner.records.queue = Arc::new(else_as_in(queue, &harness.store));
    let (code, retry) = (FailureCode::Database, true);
    let outcome = run(&runner, id, GLTF).await;
    assert_eq!(outcome, TaskOutcome::Failed { code, retry });
    let row = harness.row(id, GLTF).await;
    assert_eq!(
        (row.state, row.crashes, row.attempts),
        (RowState::Queued, 0, 1)
    );
}

#[tokio::test(start_paused = true)]
async fn a_claim_whose_answer_was_lost_is_undone() {
    let harness = Harness::new(Kernel::prompt());
    let id = harness.upload("part.step").await;
    let mut queue = MockWorkQueue::new();
    let store = harness.store.clone();
    queue
        .expect_claim()
        .times(1)
        .returning(move |work, worker| {
            let claimed = store.claim(work, worker).now_or_never().unwrap();
            assert!(claimed.unwrap().is_some());
            Err(away())
        });
    let mut runner = harness.runner.clone();
    runner.records.queue = Arc::new(else_as_in(queue, &harness.store));
    let worker = harness.worker_of(runner, 1);
    harness.journal.wait_for_all(1).await;
    worker.stop().await;
    let row = harness.row(id, STEP).await;
    assert_eq!((row.fence.0, row.crashes), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn others_take_over_from_a_worker_that_was_cut_off_while_it_claimed() {
    let harness = Harness::new(Kernel::prompt());
    let id = harness.upload("part.step").await;
    let is_away = Arc::new(AtomicBool::new(false));
    let (store, switch) = (harness.store.clone(), is_away.clone());
    let mut queue = MockWorkQueue::new();
    let claimed = queue.expect_claim().times(1);
    claimed.returning(move |work, worker| {
        let claimed = store.claim(work, worker).now_or_never().unwrap();
        assert!(claimed.unwrap().is_some());
        switch.store(true, Ordering::SeqCst);
        Err(away())
    });
    let silent = cut_off_by(&is_away, queue, &harness, "silent");
    let silent = harness.worker_of(silent, 1);
    let claimed = async {
        while !is_away.load(Ordering::SeqCst) {
            sleep(Duration::from_millis(10)).await;
        }
    };
    retry_while_busy(claimed).await;
    let since = Instant::now();
    let other = harness.worker(1);
    harness.journal.wait_for_all(1).await;
    let took = since.elapsed();
    assert!(took <= 2 * LEASE, "{took:?}");
    let row = harness.row(id, STEP).await;
    assert_eq!((row.state, row.fence.0), (RowState::Idle, 2));
    // It hears that its claim is not its own any more, and leaves what is there alone.
    is_away.store(false, Ordering::SeqCst);
    sleep(2 * LEASE).await;
    silent.stop().await;
    other.stop().await;
    assert_eq!(harness.row(id, STEP).await, row);
}

#[tokio::test(start_paused = true)]
async fn the_only_process_takes_back_what_the_one_before_has_left_at_once() {
    let harness = Harness::new(Kernel::prompt());
    let id = harness.upload("part.step").await;
    let before = WorkerName::new("before");
    let claim = harness.store.claim(work(id, STEP), &before).await.unwrap();
    assert!(claim.is_some());
    let since = Instant::now();
    let worker = harness.only_worker(1);
    harness.journal.wait_for_all(1).await;
    assert_eq!(since.elapsed(), Duration::ZERO);
    worker.stop().await;
    let row = harness.row(id, STEP).await;
    assert_eq!((row.state, row.fence.0), (RowState::Idle, 2));
}

/// A worker that is killed with all that it works on.
#[tokio::test(start_paused = true)]
async fn what_dies_beside_poison_is_not_set_aside() {
    let (kernel, mut calls) = Kernel::waiting();
    let harness = Harness::new(kernel);
    let mut ids = Vec::new();
    for name in ["poison", "b", "c", "d"] {
        ids.push(harness.named_and_ready_for(name, GLTF).await);
    }
    let poison = ids[0];
    let hash = harness
        .store
        .get(poison)
        .await
        .unwrap()
        .unwrap()
        .source
        .sha256;
    let mut alone = 0;
    // Each process dies as soon as it tessellates the poison; all it has in hand dies with it.
    for _ in 0..12 {
        let (runner, is_killed) = cut_off(&harness, "worker");
        let worker = harness.start(runner, 4, true);
        let mut running = Vec::new();
        loop {
            let next = tokio::time::timeout(3 * POLL, calls.next()).await;
            let Ok(call) = next else { break };
            let is_poison = call.request.source_hash == hash;
            if is_poison && running.is_empty() {
                alone += 1;
            }
            running.push(call);
            if is_poison {
                break;
            }
        }
        let has_poison = running.iter().any(|call| call.request.source_hash == hash);
        if has_poison {
            // What is killed closes no claim.
            is_killed.store(true, Ordering::SeqCst);
            worker.kill().await;
            drop(running);
            while !calls.is_empty() {
                drop(calls.next().await);
            }
            harness.lock.forget_all();
            continue;
        }
        let is_done = running.is_empty();
        for call in running {
            call.answer(Answer::Made);
        }
        worker.stop().await;
        if is_done {
            break;
        }
    }
    assert!(alone >= 1);
    let row = harness.row(poison, GLTF).await;
    assert_eq!((row.state, row.crashes), (RowState::Failed, 3));
    for id in &ids[1..] {
        let row = harness.row(*id, GLTF).await;
        assert_eq!(row.state, RowState::Idle, "{row:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_others_hold_does_not_keep_the_rest_from_being_done() {
    let harness = Harness::new(Kernel::prompt());
    let mut leases: Vec<Lease> = Vec::new();
    let other = harness.lock.shared_with("another program");
    for number in 0..1_000 {
        let id = harness.upload(&format!("{number}.step")).await;
        let key = LockKey::step_processing(id);
        let lease = other.try_acquire(&key, Duration::from_hours(9)).await;
        leases.push(lease.unwrap().unwrap());
    }
    let free = harness
        .bring("free.step", &step("free"), Request::BULK)
        .await;
    let since = Instant::now();
    let worker = harness.worker(4);
    let done = |kind: TaskKind| {
        let row = harness.row(free, kind);
        async move { row.await.state == RowState::Idle }
    };
    retry_while_busy(harness.journal.wait_for(StepEvent::StepDone, &[USD], 1)).await;
    assert!(done(STEP).await);
    assert_eq!(since.elapsed(), Duration::ZERO);
    // What is held is left alone for longer and longer, and done when it is free.
    sleep(Duration::from_mins(2)).await;
    let freed = other.release(&leases[500]).await.unwrap();
    assert!(freed);
    let since = Instant::now();
    retry_while_busy(harness.journal.wait_for(StepEvent::StepDone, &[USD], 2)).await;
    assert!(
        since.elapsed() <= Duration::from_secs(36),
        "{:?}",
        since.elapsed()
    );
    worker.stop().await;
}

#[tokio::test(start_paused = true)]
async fn copies_of_one_file_do_not_fill_the_slots() {
    let (kernel, mut calls) = Kernel::waiting();
    let harness = Harness::new(kernel.clone());
    for number in 0..8 {
        let name = format!("copy {number}.step");
        harness.bring(&name, &step("copied"), UPLOAD).await;
    }
    let worker = harness.worker(2);
    let large = calls.next().await;
    let since = Instant::now();
    let small = harness
        .bring("small.step", &step("small"), Request::BULK)
        .await;
    harness.notifier.notify().await;
    let call = calls.next().await;
    assert_eq!(
        call.request.source_hash,
        Blob::of(step("small").as_bytes()).sha256
    );
    assert!(
        since.elapsed() < Duration::from_secs(2),
        "{:?}",
        since.elapsed()
    );
    call.answer(Answer::Made);
    harness
        .journal
        .wait_for(StepEvent::StepDone, &[USD], 1)
        .await;
    assert!(harness.row(small, USD).await.ready.is_some());
    // Its result ends the wait of all others.
    large.answer(Answer::Made);
    harness.notifier.notify().await;
    let since = Instant::now();
    harness.journal.wait_for_all(9).await;
    assert!(
        since.elapsed() < Duration::from_secs(2),
        "{:?}",
        since.elapsed()
    );
    worker.stop().await;
    assert_eq!(kernel.runs(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_run_by_name_beside_a_flushed_lock_is_a_duplicate() {
    let (kernel, mut calls) = Kernel::waiting();
    let harness = Harness::new(kernel.clone());
    let id = harness.ready_for(GLTF).await;
    let running = start(&harness.runner, id, GLTF);
    let call = calls.next().await;
    harness.lock.forget_all();
    assert_eq!(run(&harness.runner, id, GLTF).await, TaskOutcome::Skipped);
    sleep(LEASE).await;
    call.answer(Answer::Made);
    let made = retry_while_busy(running).await.unwrap();
    assert!(matches!(made, TaskOutcome::Made(_)), "{made:?}");
    assert_eq!(kernel.runs(), 1);
}
