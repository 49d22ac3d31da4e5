//! Scenes that came out coarser than the recipe: they are there, but the recipe is tried again when
//! that is asked, or where it may succeed.

use cadmill_domain::{
    FailureCode, MediaKind, TaskOutcome,
    cad_file::MediaState,
    ledger::{
        LedgerView as _, Requested, Requester, RowState, WorkRequests as _, WorkRequestsExt as _,
    },
    pipeline_log::StepEvent,
};
use cadmill_pipeline::TaskRunner;

use crate::{
    harness::{GLTF, Harness, STEP, THUMBNAIL, UPLOAD, USD, WEB, Working, run, start, work},
    kernel::{Answer, Calls, Kernel},
    test_folder::step,
};

/// Lets a worker make a coarser scene of a new file, and all that is made of that.
async fn coarser(harness: &Harness, calls: &mut Calls) -> cadmill_domain::CadFileId {
    let id = harness.bring("part.step", &step("part"), UPLOAD).await;
    let worker = harness.worker(1);
    calls.next().await.answer(Answer::MadeCoarser);
    harness.journal.wait_for_all(1).await;
    worker.stop().await;
    id
}

/// A worker that has looked around once.
async fn looked_around(harness: &Harness, runner: TaskRunner) -> Working {
    let worker = harness.worker_of(runner, 1);
    tokio::time::sleep(std::time::Duration::from_mins(1)).await;
    worker
}

async fn states(harness: &Harness, id: cadmill_domain::CadFileId) -> Vec<(MediaKind, MediaState)> {
    let media = harness.overview(id).await.media.into_iter();
    media.map(|status| (status.kind, status.state)).collect()
}

#[tokio::test(start_paused = true)]
async fn a_coarser_scene_is_made_once_and_everything_is_made_of_it() {
    let (kernel, mut calls) = Kernel::waiting();
    let harness = Harness::new(kernel.clone());
    let id = coarser(&harness, &mut calls).await;
    for (kind, state) in states(&harness, id).await {
        assert_eq!(state, MediaState::Stale, "{kind}");
    }
    let scene = harness.assets(id, GLTF).await.remove(0);
    assert!(scene.input.is_coarser());
    let retried = scene.report.tessellation().unwrap().retried.as_ref();
    assert_eq!(retried.unwrap().first.code.as_str(), "kernel_crash");
    for kind in [USD, WEB, THUMBNAIL] {
        let made = harness.assets(id, kind).await.remove(0);
        assert_eq!(made.input.scene(), scene.input.scene(), "{kind}");
        let row = harness.row(id, kind).await;
        assert_eq!(row.state, RowState::Idle, "{kind}");
    }
    // Asked by name it is there, too.
    assert_eq!(
        run(&harness.runner, id, GLTF).await,
        TaskOutcome::Cached(scene.id)
    );
    let worker = looked_around(&harness, harness.runner.clone()).await;
    worker.stop().await;
    assert_eq!(kernel.runs(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_same_bytes_of_another_file_are_tried_by_the_recipe() {
    let (kernel, mut calls) = Kernel::waiting();
    let harness = Harness::new(kernel.clone());
    coarser(&harness, &mut calls).await;
    let twin = harness.bring("twin.step", &step("part"), UPLOAD).await;
    let worker = harness.worker(1);
    let call = calls.next().await;
    assert_eq!(call.request.recipe, harness.runner.settings.plan.recipe());
    call.answer(Answer::Made);
    harness.journal.wait_for_all(2).await;
    worker.stop().await;
    for (kind, state) in states(&harness, twin).await {
        assert_eq!(state, MediaState::Ready, "{kind}");
    }
    assert_eq!(kernel.runs(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_is_stale_is_made_by_the_recipe_when_that_is_asked() {
    let (kernel, mut calls) = Kernel::waiting();
    let harness = Harness::new(kernel.clone());
    let id = coarser(&harness, &mut calls).await;
    let stale = harness.store.request_stale(None, Requester::SHARED).await;
    assert_eq!(stale.unwrap().queued, 1);
    let worker = harness.worker(1);
    calls.next().await.answer(Answer::Made);
    harness.journal.wait_for_all(2).await;
    worker.stop().await;
    for (kind, state) in states(&harness, id).await {
        assert_eq!(state, MediaState::Ready, "{kind}");
    }
    assert_eq!(kernel.runs(), 2);
}

#[tokio::test(start_paused = true)]
async fn other_conditions_try_the_recipe_once() {
    let (kernel, mut calls) = Kernel::waiting();
    let harness = Harness::new(kernel.clone());
    let id = coarser(&harness, &mut calls).await;
    let mut roomier = harness.runner.clone();
    roomier.settings.memory_bytes *= 2;
    let mut patient = harness.runner.clone();
    patient.settings.timeout *= 2;
    let mut runs = 1;
    for (name, runner, version) in [
        ("another kernel", &harness.runner, "newer kernel"),
        ("more memory", &roomier, "newer kernel"),
        ("more time", &patient, "newer kernel"),
    ] {
        kernel.become_version(version);
        let worker = harness.worker_of(runner.clone(), 1);
        calls.next().await.answer(Answer::MadeCoarser);
        runs += 1;
        harness
            .journal
            .wait_for(StepEvent::StepDone, &[GLTF], runs)
            .await;
        worker.stop().await;
        let again = looked_around(&harness, runner.clone()).await;
        again.stop().await;
        assert_eq!(kernel.runs(), runs, "{name}: once");
        assert_eq!(harness.row(id, GLTF).await.state, RowState::Idle, "{name}");
    }
    // Each has left its scene, so none tries again.
    for runner in [&harness.runner, &roomier, &patient] {
        let worker = looked_around(&harness, runner.clone()).await;
        worker.stop().await;
    }
    kernel.become_version("no kernel");
    let first = looked_around(&harness, harness.runner.clone()).await;
    first.stop().await;
    assert_eq!(kernel.runs(), runs);
    // One that succeeds ends it.
    kernel.become_version("newest kernel");
    let worker = harness.worker_of(harness.runner.clone(), 1);
    calls.next().await.answer(Answer::Made);
    harness
        .journal
        .wait_for(StepEvent::StepDone, &[GLTF], runs + 1)
        .await;
    worker.stop().await;
    let scene = (MediaKind::GltfGeometry, MediaState::Ready);
    assert_eq!(states(&harness, id).await[0], scene);
    assert_eq!(harness.store.coarser().await.unwrap(), []);
}

#[tokio::test(start_paused = true)]
async fn bytes_that_come_back_find_their_coarser_scene() {
    let (kernel, mut calls) = Kernel::waiting();
    let harness = Harness::new(kernel.clone());
    let id = coarser(&harness, &mut calls).await;
    harness.replace(id, &step("other")).await;
    let worker = harness.worker(1);
    calls.next().await.answer(Answer::Made);
    harness.journal.wait_for_all(2).await;
    harness.replace(id, &step("part")).await;
    harness.journal.wait_for_all(3).await;
    worker.stop().await;
    assert!(harness.row(id, GLTF).await.ready.unwrap().is_coarser());
    assert_eq!(kernel.runs(), 2, "the recipe would fail again");
}

#[tokio::test(start_paused = true)]
async fn a_tessellator_that_is_killed_from_outside_is_tried_again_a_few_times() {
    let (kernel, mut calls) = Kernel::waiting();
    let harness = Harness::new(kernel.clone());
    let id = harness.ready_for(GLTF).await;
    let worker = harness.worker(1);
    for killed in 1..=5 {
        let call = calls.next().await;
        assert_eq!(call.request.recipe, harness.runner.settings.plan.recipe());
        call.answer(Answer::Failed(FailureCode::KernelKilled));
        harness
            .journal
            .wait_for(StepEvent::StepFailed, &[GLTF], killed)
            .await;
    }
    worker.stop().await;
    let row = harness.row(id, GLTF).await;
    assert_eq!(row.state, RowState::Failed);
    assert_eq!(row.failure.unwrap().code, FailureCode::KernelKilled);
    assert_eq!(
        harness.assets(id, GLTF).await,
        [],
        "nothing coarser was made"
    );
    // It is tried again when that is asked.
    let request = harness.store.request(work(id, GLTF), UPLOAD).await;
    assert_eq!(request.unwrap(), Some(Requested::Queued));
    let made = start(&harness.runner, id, GLTF);
    calls.next().await.answer(Answer::Made);
    assert!(matches!(made.await.unwrap(), TaskOutcome::Made(_)));
    assert_eq!(harness.row(id, STEP).await.state, RowState::Idle);
    assert_eq!(kernel.runs(), 6);
}
