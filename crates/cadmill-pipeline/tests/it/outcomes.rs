//! What each task says, does and leaves undone: the mission, row by row.

use std::sync::Arc;

use cadmill_domain::{
    CadFileId, CadFiles, MaterialMap, MediaAsset, MockBlobs, MockCadFiles, MockMediaAssets,
    TaskKind, TaskOutcome,
    blobs::MockBlobRefs,
    cad_file::FileChange,
    ledger::{
        MockLedgerView, MockWorkQueue, MockWorkRequests, Request, Requested, Row, RowState,
        WorkRequests as _,
    },
    pipeline_log::{MockPipelineLog, NewPipelineEvent, PipelineLog as _, StepEvent},
    provenance::Cause,
    tessellator::MockTessellator,
};
use cadmill_lock::{DedupLock as _, LockKey};
use cadmill_pipeline::Records;
use serde_json::json;
use tracing::Level;

use crate::{
    counted::Counted,
    harness::{
        GLTF, Harness, LEASE, STEP, THUMBNAIL, USD, WEB, retry_while_busy, run, start, work,
    },
    kernel::{Answer, Kernel},
    overheard::Overheard,
    test_folder::step,
    unreliable::away,
};

/// Each task with the key and the sentence that the mission gives it.
fn all(id: CadFileId) -> [(TaskKind, LockKey, String); 5] {
    let says = |task| format!("{task}: {id} already in-flight — skipping duplicate");
    [
        (
            STEP,
            LockKey::step_processing(id),
            says("process_step_file"),
        ),
        (
            GLTF,
            LockKey::glb_geometry(id),
            says("generate_gltf_geometry"),
        ),
        (USD, LockKey::usd_master(id), says("generate_usd_master")),
        (WEB, LockKey::web_glb(id), says("generate_web_glb")),
        (
            THUMBNAIL,
            LockKey::thumbnail(id),
            says("generate_thumbnail"),
        ),
    ]
}

fn is_skip(event: &NewPipelineEvent) -> bool {
    event.event == StepEvent::StepDone
        && event.fence.is_none()
        && event.result == json!({"skipped": true, "reason": "duplicate"})
}

#[tokio::test(start_paused = true)]
async fn a_duplicate_is_skipped_told_once_and_touches_nothing() {
    let harness = Harness::new(Kernel::prompt());
    let id = harness.upload("part.step").await;
    for (kind, key, sentence) in all(id) {
        let lease = harness.lock.try_acquire(&key, LEASE).await.unwrap();
        let mut log = MockPipelineLog::new();
        log.expect_append()
            .withf(move |event| event.cad_file_id == id && event.task == kind && is_skip(event))
            .times(1)
            .returning(|_| Ok(()));
        let mut view = MockLedgerView::new();
        // It looks before it tries the lock.
        view.expect_rows().returning(|_| Ok(Vec::new()));
        let mut runner = harness.runner.clone();
        // Each of these fails the test when it is asked for anything else.
        runner.records = Records {
            files: Arc::new(MockCadFiles::new()),
            assets: Arc::new(MockMediaAssets::new()),
            requests: Arc::new(MockWorkRequests::new()),
            queue: Arc::new(MockWorkQueue::new()),
            view: Arc::new(view),
            log: Arc::new(log),
            refs: Arc::new(MockBlobRefs::new()),
        };
        runner.blobs = Arc::new(MockBlobs::new());
        runner.tessellator = Arc::new(MockTessellator::new());
        let overheard = Overheard::from_now_on();
        let outcome = run(&runner, id, kind).await;
        assert_eq!(outcome.to_json(), json!({"skipped": true}));
        assert_eq!(overheard.at(Level::WARN), [sentence]);
        assert!(harness.lock.release(&lease.unwrap()).await.unwrap());
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_called_again_while_it_runs_is_done_once() {
    let (kernel, mut calls) = Kernel::waiting();
    let harness = Harness::new(kernel.clone());
    let id = harness.ready_for(GLTF).await;
    let counted = Counted::from_now_on();
    let first = start(&harness.runner, id, GLTF);
    let call = calls.next().await;
    let before = harness.row(id, GLTF).await;
    for _ in 0..100 {
        let overheard = Overheard::from_now_on();
        assert_eq!(run(&harness.runner, id, GLTF).await, TaskOutcome::Skipped);
        let sentence =
            format!("generate_gltf_geometry: {id} already in-flight — skipping duplicate");
        assert_eq!(overheard.at(Level::WARN), [sentence]);
    }
    assert_eq!(harness.row(id, GLTF).await, before);
    call.answer(Answer::Made);
    let made = retry_while_busy(first).await.unwrap();
    assert!(matches!(made, TaskOutcome::Made(_)), "{made:?}");
    assert_eq!(kernel.runs(), 1);
    assert_eq!(harness.assets(id, GLTF).await.len(), 1);
    let skips = harness.journal.of(work(id, GLTF));
    assert_eq!(skips.iter().filter(|event| is_skip(event)).count(), 100);
    let label = r#"{task="gltf_geometry"}"#;
    counted.assert_is(&format!("cadmill_duplicates_skipped_total{label}"), 100);
    counted.assert_is(&format!("cadmill_published_total{label}"), 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_there_is_told_and_what_follows_is_asked_for_all_the_same() {
    let kernel = Kernel::prompt();
    let harness = Harness::new(kernel.clone());
    let id = harness.ready_for(USD).await;
    // Nothing follows by itself here: this is an asset that was there before USD was wanted.
    for kind in [USD, WEB, THUMBNAIL] {
        assert!(harness.store.cancel(work(id, kind)).await.unwrap());
    }
    let asset = &harness.assets(id, GLTF).await[0];
    let outcome = run(&harness.runner, id, GLTF).await;
    assert_eq!(
        outcome.to_json(),
        json!({"cached": true, "asset_id": asset.id})
    );
    assert_eq!(kernel.runs(), 1);
    for kind in [USD, WEB, THUMBNAIL] {
        assert_eq!(harness.row(id, kind).await.state, RowState::Queued);
    }
    let told = harness.journal.of(work(id, GLTF));
    assert_eq!(told.last().unwrap().result, outcome.to_json());
}

#[tokio::test(start_paused = true)]
async fn what_follows_is_asked_for_even_past_what_is_there() {
    let harness = Harness::new(Kernel::prompt());
    let id = harness.ready_for(USD).await;
    assert!(harness.store.cancel(work(id, USD)).await.unwrap());
    assert_eq!(run(&harness.runner, id, STEP).await, TaskOutcome::Processed);
    assert_eq!(harness.row(id, USD).await.state, RowState::Queued);
}

#[tokio::test(start_paused = true)]
async fn a_chain_that_cannot_be_queued_is_logged_and_not_fatal() {
    let harness = Harness::new(Kernel::prompt());
    let id = harness.ready_for(USD).await;
    let asset = harness.assets(id, GLTF).await[0].id;
    let row = Row {
        asset: Some(asset),
        ..Row::default()
    };
    let mut requests = MockWorkRequests::new();
    let is = |kind| move |asked: &cadmill_domain::Work, _: &_| asked.kind == kind;
    requests
        .expect_request()
        .withf(is(GLTF))
        .times(1)
        .returning(|_, _| Ok(Some(Requested::Present)));
    for kind in [USD, WEB, THUMBNAIL] {
        requests
            .expect_request()
            .withf(is(kind))
            .times(1)
            .returning(|_, _| Err(away()));
    }
    let mut view = MockLedgerView::new();
    view.expect_rows()
        .returning(move |_| Ok(vec![(GLTF, row.clone())]));
    let mut queue = MockWorkQueue::new();
    queue.expect_claim().never();
    let mut runner = harness.runner.clone();
    runner.records.requests = Arc::new(requests);
    runner.records.queue = Arc::new(queue);
    runner.records.view = Arc::new(view);
    let overheard = Overheard::from_now_on();
    let outcome = run(&runner, id, GLTF).await;
    assert_eq!(outcome, TaskOutcome::Cached(asset));
    overheard.assert_said(
        Level::WARN,
        "generate_gltf_geometry: generate_usd_master could not be queued",
    );
}

#[tokio::test(start_paused = true)]
async fn the_same_bytes_under_another_name_are_not_tessellated_again() {
    let kernel = Kernel::prompt();
    let harness = Harness::new(kernel.clone());
    let first = harness.ready_for(USD).await;
    let second = harness.ready_for(GLTF).await;
    let counted = Counted::from_now_on();
    let outcome = run(&harness.runner, second, GLTF).await;
    assert!(matches!(outcome, TaskOutcome::Cached(_)), "{outcome:?}");
    counted.assert_is(r#"cadmill_cache_hits_total{task="gltf_geometry"}"#, 1);
    assert_eq!(kernel.runs(), 1);
    let (first, second) = (
        harness.assets(first, GLTF).await,
        harness.assets(second, GLTF).await,
    );
    assert_eq!(first[0].blob, second[0].blob);
    assert_eq!(outcome, TaskOutcome::Cached(second[0].id));
}

#[tokio::test(start_paused = true)]
async fn every_step_is_told_with_what_came_of_it() {
    let harness = Harness::new(Kernel::prompt());
    let id = harness.upload("part.step").await;
    for kind in TaskKind::ALL {
        run(&harness.runner, id, kind).await;
    }
    let timeline = harness.store.timeline(id).await.unwrap();
    let told: Vec<_> = timeline
        .iter()
        .map(|told| (told.event.task.step_name(), told.event.event.as_str()))
        .collect();
    let steps = [
        "process_step",
        "export_glb_geometry",
        "usd_master",
        "web_glb",
        "thumbnail",
    ];
    let expected: Vec<_> = steps
        .into_iter()
        .flat_map(|step| [(step, "step_start"), (step, "step_done")])
        .collect();
    assert_eq!(told, expected);
    let result = |index: usize| &timeline[index].event.result;
    assert_eq!(
        (&result(0)["tries"], &result(0)["converter"]),
        (&json!(0), &json!(cadmill_pipeline::CONVERTER))
    );
    assert_eq!(
        *result(1),
        json!({"processed": true, "again": false, "chained": {"gltf_geometry": "queued"}})
    );
    let scene = &harness.assets(id, GLTF).await[0];
    let kernel = &scene.report.tessellation().unwrap().kernel;
    assert_eq!(
        *result(3),
        json!({"cached": false, "asset_id": scene.id, "again": false, "chained": {
            "usd_master": "queued", "web_glb": "queued", "thumbnail": "queued",
        }, "converter": kernel, "warnings": []})
    );
    assert_eq!(
        result(5)["converter"],
        cadmill_pipeline::CONVERTER,
        "also of what is made of it"
    );
    assert!(timeline.iter().all(|told| told.event.fence.is_some()));
}

#[tokio::test(start_paused = true)]
async fn what_is_read_of_a_file_is_kept_with_it() {
    let harness = Harness::new(Kernel::prompt());
    let id = harness.ready_for(GLTF).await;
    let file = CadFiles::get(&harness.store, id).await.unwrap().unwrap();
    assert_eq!(
        file.source.sha256,
        cadmill_domain::ContentHash::of(step("part.step").as_bytes())
    );
    let found = file.step.unwrap();
    assert_eq!(found.hash, file.source.sha256);
    assert_eq!(found.geometry.faces, 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_made_of_a_scene_never_tessellates() {
    let harness = Harness::new(Kernel::prompt());
    for kind in [USD, WEB, THUMBNAIL] {
        let id = harness.ready_for(kind).await;
        let mut runner = harness.runner.clone();
        let mut nobody = MockTessellator::new();
        nobody.expect_tessellate().never();
        runner.tessellator = Arc::new(nobody);
        run(&runner, id, kind).await;
        assert_eq!(harness.assets(id, kind).await.len(), 1, "{kind}");
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_scene_one_waits_for_it() {
    let kernel = Kernel::prompt();
    let harness = Harness::new(kernel.clone());
    let id = harness.upload("part.step").await;
    assert_eq!(run(&harness.runner, id, USD).await, TaskOutcome::Waiting);
    assert_eq!(run(&harness.runner, id, STEP).await, TaskOutcome::Processed);
    assert_eq!(run(&harness.runner, id, USD).await, TaskOutcome::Waiting);
    assert_eq!(kernel.runs(), 0);
    assert_eq!(harness.row(id, GLTF).await.state, RowState::Queued);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_done_for_a_file_that_is_not_there() {
    let harness = Harness::new(Kernel::prompt());
    let id = CadFileId::generate(&*harness.clock);
    for kind in TaskKind::ALL {
        assert_eq!(run(&harness.runner, id, kind).await, TaskOutcome::Unknown);
    }
    assert_eq!(harness.journal.so_far(), []);
}

#[tokio::test(start_paused = true)]
async fn new_materials_make_what_shows_them_anew_without_tessellating() {
    let kernel = Kernel::prompt();
    let harness = Harness::new(kernel.clone());
    let id = harness.upload("part.step").await;
    for kind in TaskKind::ALL {
        run(&harness.runner, id, kind).await;
    }
    let before = CadFiles::get(&harness.store, id).await.unwrap().unwrap();
    tokio::time::advance(LEASE).await;
    let red: MaterialMap = serde_json::from_value(json!({"cube": {"color": "#ff0000"}})).unwrap();
    let saved = harness
        .store
        .change(id, FileChange::PartMaterials(red), None)
        .await
        .unwrap();
    assert!(saved.saved().unwrap().updated_at > before.updated_at);
    let scene = harness.assets(id, GLTF).await;
    let plain = harness.assets(id, USD).await;
    let made = run(&harness.runner, id, USD).await;
    assert!(matches!(made, TaskOutcome::Made(_)), "{made:?}");
    assert_eq!(kernel.runs(), 1);
    assert_eq!(harness.assets(id, GLTF).await, scene);
    let usd = harness.assets(id, USD).await;
    assert_eq!(usd.len(), 2);
    assert_ne!(usd[0].blob, plain[0].blob);
    assert_eq!(usd[0].report.warnings(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn what_is_there_is_tessellated_again_if_somebody_insists() {
    let kernel = Kernel::prompt();
    let harness = Harness::new(kernel.clone());
    let id = harness.upload("part.step").await;
    for kind in TaskKind::ALL {
        run(&harness.runner, id, kind).await;
    }
    let [scene] = harness.assets(id, GLTF).await.try_into().unwrap();
    let again = Request {
        force: true,
        ..Request::ASKED
    };
    let requested = harness.store.request(work(id, GLTF), again).await;
    assert_eq!(requested.unwrap(), Some(Requested::Queued));
    let made = run(&harness.runner, id, GLTF).await;
    assert_eq!(made, TaskOutcome::Made(scene.id), "it is no cache hit");
    assert_eq!(kernel.runs(), 2);
    let [remade] = harness.assets(id, GLTF).await.try_into().unwrap();
    assert_eq!(
        (remade.id, remade.blob),
        (scene.id, scene.blob),
        "the same bytes come out"
    );
    let cause = |asset: &MediaAsset| asset.cause(std::slice::from_ref(asset));
    assert_eq!(
        (cause(&scene), cause(&remade)),
        (Cause::First, Cause::Forced)
    );
    assert_eq!(
        run(&harness.runner, id, GLTF).await,
        TaskOutcome::Cached(scene.id)
    );
    assert_eq!(kernel.runs(), 2, "once is once");
}

#[tokio::test(start_paused = true)]
async fn a_scene_that_is_being_made_again_still_serves() {
    let harness = Harness::new(Kernel::prompt());
    let id = harness.ready_for(USD).await;
    let again = Request {
        force: true,
        ..Request::ASKED
    };
    harness.store.request(work(id, GLTF), again).await.unwrap();
    let made = run(&harness.runner, id, USD).await;
    assert!(matches!(made, TaskOutcome::Made(_)), "{made:?}");
    let usd = harness.assets(id, USD).await;
    let made = run(&harness.runner, id, GLTF).await;
    assert!(matches!(made, TaskOutcome::Made(_)), "{made:?}");
    assert_eq!(harness.row(id, USD).await.state, RowState::Idle);
    assert_eq!(harness.assets(id, USD).await, usd, "it is not made anew");
}

#[tokio::test(start_paused = true)]
async fn an_event_that_cannot_be_added_costs_no_work() {
    let harness = Harness::new(Kernel::prompt());
    let id = harness.ready_for(USD).await;
    let mut log = MockPipelineLog::new();
    log.expect_append().times(1).returning(|_| Err(away()));
    let mut runner = harness.runner.clone();
    runner.records.log = Arc::new(log);
    let asset = harness.assets(id, GLTF).await[0].id;
    assert_eq!(run(&runner, id, GLTF).await, TaskOutcome::Cached(asset));
}
