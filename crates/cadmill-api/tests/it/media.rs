//! Asking for media, and what happened to a file.

use std::sync::Arc;

use axum::{body::Body, http::Method};
use cadmill_domain::{
    MediaAssets, MediaKind, TaskKind, Work,
    access_token::Role,
    ledger::{Fence, HandBack, MockLedgerView, MockWorkRequests, WorkQueue as _, WorkerName},
    pipeline_log::{NewPipelineEvent, PipelineLog as _, StepEvent},
};
use chrono::TimeDelta;
use serde_json::json;

use crate::harness::{Answer, Harness, with};

async fn post(harness: &Harness, secret: &str, path: &str, key: Option<&str>) -> Answer {
    let mut request = with(secret, Method::POST, path);
    if let Some(key) = key {
        request = request.header("idempotency-key", key);
    }
    harness.send(request.body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn asking_queues_merges_and_finds_what_is_there() {
    let harness = Harness::new();
    let secret = harness.secret(Role::Editor).await;
    let file = harness.file("a.step", b"a").await;
    let path = format!("/api/cad/{}/media/gltf_geometry", file.id);
    harness
        .publish(
            file.id,
            TaskKind::ProcessStep,
            cadmill_domain::ledger::TaskOutput::Step(
                cadmill_domain::fakes::step_facts(b"STEP").into(),
            ),
        )
        .await;
    let queued = post(&harness, &secret, &path, None).await;
    assert_eq!(
        (queued.status.as_u16(), &queued.json()["state"]),
        (202, &"queued".into())
    );
    let work = Work {
        cad_file_id: file.id,
        kind: TaskKind::Make(MediaKind::GltfGeometry),
    };
    let claim = harness
        .store
        .claim(work, &WorkerName::new("w"))
        .await
        .unwrap()
        .unwrap();
    for _ in 0..2 {
        let running = post(&harness, &secret, &format!("{path}?force=true"), None).await;
        assert_eq!(running.status, 202);
        assert_eq!(running.json()["state"], "running");
        assert_eq!(running.json()["fence"], claim.fence.0);
    }
    harness
        .store
        .hand_back(&claim, HandBack::Stopping)
        .await
        .unwrap();
    harness
        .medium(file.id, MediaKind::GltfGeometry, b"glTF")
        .await;
    let ready = post(&harness, &secret, &path, None).await;
    assert_eq!(
        (ready.status.as_u16(), &ready.json()["state"]),
        (200, &"ready".into())
    );
}

#[tokio::test]
async fn a_forced_request_counts_once_for_its_key() {
    let harness = Harness::new();
    let secret = harness.secret(Role::Editor).await;
    let file = harness.file("a.step", b"a").await;
    harness.scene(file.id, b"glTF").await;
    let path = format!("/api/cad/{}/media/gltf_geometry?force=true", file.id);
    let first = post(&harness, &secret, &path, Some("click-1")).await;
    assert_eq!(
        (first.status.as_u16(), &first.json()["forced"]),
        (202, &true.into())
    );
    harness
        .medium(file.id, MediaKind::GltfGeometry, b"glTF")
        .await;
    assert_eq!(
        post(&harness, &secret, &path, Some("click-1")).await.status,
        200
    );
    assert_eq!(
        post(&harness, &secret, &path, Some("click-2")).await.status,
        202
    );
    let long = "k".repeat(256);
    for key in ["", "a b", &long] {
        post(&harness, &secret, &path, Some(key))
            .await
            .is_problem(400, "bad_header");
    }
}

#[tokio::test]
async fn what_cannot_be_asked_for_is_refused() {
    let harness = Harness::new();
    let secret = harness.secret(Role::Editor).await;
    let file = harness.file("a.step", b"a").await;
    let base = format!("/api/cad/{}/media", file.id);
    post(&harness, &secret, &format!("{base}/video"), None)
        .await
        .is_problem(400, "bad_path");
    let maybe = format!("{base}/thumbnail?force=maybe");
    post(&harness, &secret, &maybe, None)
        .await
        .is_problem(400, "bad_query");
    let nobody = "/api/cad/0192f3a4-0000-7000-8000-000000000001/media/thumbnail";
    post(&harness, &secret, nobody, None)
        .await
        .is_problem(404, "not_found");
}

#[tokio::test]
async fn a_second_click_never_writes() {
    let mut harness = Harness::new();
    let secret = harness.secret(Role::Editor).await;
    let file = harness.file("a.step", b"a").await;
    harness.scene(file.id, b"glTF").await;
    let path = format!("/api/cad/{}/media/usd_master", file.id);
    post(&harness, &secret, &path, None).await;
    // A mock without an expectation panics at any call.
    harness.api.requests = Arc::new(MockWorkRequests::new());
    harness.api.view = Arc::new(MockLedgerView::new());
    let second = post(&harness, &secret, &path, None).await;
    assert_eq!(
        (second.status.as_u16(), &second.json()["state"]),
        (202, &"queued".into())
    );
    let there = format!("/api/cad/{}/media/gltf_geometry", file.id);
    assert_eq!(post(&harness, &secret, &there, None).await.status, 200);
}

#[tokio::test]
async fn an_asset_tells_where_it_comes_from() {
    let harness = Harness::new();
    let secret = harness.secret(Role::Viewer).await;
    let file = harness.file("a.step", b"a").await;
    let id = harness.scene(file.id, b"glTF").await;
    let answer = harness.get(&secret, &format!("/api/media/{id}")).await;
    answer.is_ok();
    let asset = answer.json();
    assert_eq!(asset["source_hash"], file.source.sha256.to_string());
    assert_eq!(asset["cad_file_id"], file.id.to_string());
    assert_eq!(
        (&asset["kind"], &asset["fence"]),
        (&"gltf_geometry".into(), &1.into())
    );
    assert_eq!(
        (&asset["current"], &asset["size_bytes"]),
        (&true.into(), &4.into())
    );
    let recipe = cadmill_domain::Recipe::STANDARD.fingerprint().to_string();
    assert_eq!(asset["recipe"], recipe);
    let kept = MediaAssets::get(&harness.store, id).await.unwrap();
    assert_eq!(asset["created_at"], json!(kept.unwrap().created_at));
    assert_eq!(
        (&asset["why"], &asset["converter"]),
        (&"first".into(), &"cadmill 0.1.0".into())
    );
}

#[tokio::test]
async fn the_timeline_pairs_the_beginning_and_the_end_of_each_run() {
    let harness = Harness::new();
    let secret = harness.secret(Role::Viewer).await;
    let file = harness.file("a.step", b"a").await;
    let append = async |event, fence: Option<u64>, result| {
        let event = NewPipelineEvent {
            cad_file_id: file.id,
            task: TaskKind::ProcessStep,
            event,
            fence: fence.map(Fence),
            worker: WorkerName::new("host:1"),
            result,
        };
        harness.store.append(event).await.unwrap();
        harness.clock.advance(TimeDelta::milliseconds(1500));
    };
    let begun = json!({"tries": 0, "converter": "cadmill 0.1.0"});
    append(StepEvent::StepStart, Some(1), begun).await;
    append(
        StepEvent::StepDone,
        None,
        json!({"skipped": true, "reason": "duplicate"}),
    )
    .await;
    append(
        StepEvent::StepFailed,
        Some(1),
        json!({"code": "not_step", "log_tail": "line 1"}),
    )
    .await;
    append(StepEvent::StepStart, Some(2), json!({})).await;
    append(StepEvent::StepStart, Some(3), json!({})).await;
    let made = json!({"converter": "Open CASCADE 7.6.3", "warnings": ["odd"]});
    append(StepEvent::StepDone, Some(3), made).await;
    let answer = harness
        .get(&secret, &format!("/api/cad/{}/timeline", file.id))
        .await;
    answer.is_ok();
    let steps = answer.json()["steps"].clone();
    assert_eq!(steps.as_array().unwrap().len(), 4);
    assert_eq!(
        (&steps[0]["outcome"], &steps[0]["duration_ms"]),
        (&"failed".into(), &3000.into())
    );
    assert_eq!(
        (&steps[0]["log_tail"], &steps[0]["fence"]),
        (&"line 1".into(), &1.into())
    );
    assert_eq!(
        (&steps[1]["outcome"], &steps[1]["worker"]),
        (&"skipped".into(), &"host:1".into())
    );
    assert_eq!(
        (&steps[2]["outcome"], &steps[2]["ended_at"]),
        (&"open".into(), &json!(null))
    );
    assert_eq!(
        (&steps[0]["converter"], &steps[0]["warnings"]),
        (&"cadmill 0.1.0".into(), &json!([])),
        "also of an attempt that failed"
    );
    assert_eq!(
        (&steps[3]["converter"], &steps[3]["warnings"]),
        (&"Open CASCADE 7.6.3".into(), &json!(["odd"]))
    );
}
