//! Work in bulk, and one by one.

use std::time::Duration;

use axum::{body::Body, http::Method};
use cadmill_domain::{
    Failure, FailureCode, MediaKind, TaskKind, Work,
    access_token::Role,
    ledger::{TaskOutput, WorkQueue as _, WorkRequests as _, WorkerName},
};
use cadmill_lock::{DedupLock as _, LockKey};
use serde_json::json;

use crate::harness::{Harness, with};

const SCENES: &str = "/api/admin/generate-missing-canonical-scenes";

#[tokio::test]
async fn a_second_click_queues_nothing() {
    let harness = Harness::new();
    let secret = harness.secret(Role::Admin).await;
    for name in ["a.step", "b.step"] {
        let file = harness.file(name, name.as_bytes()).await;
        let work = Work {
            cad_file_id: file.id,
            kind: TaskKind::ProcessStep,
        };
        harness.store.cancel(work).await.unwrap();
    }
    let click = async |body: serde_json::Value| {
        let answer = harness.json(&secret, Method::POST, SCENES, &body).await;
        assert_eq!(answer.status, 202, "{answer:?}");
        let counts = answer.json();
        ["queued", "in_flight", "present", "failed"].map(|name| counts[name].as_u64().unwrap())
    };
    assert_eq!(click(json!({"dry_run": true})).await, [2, 0, 0, 0]);
    assert_eq!(click(json!({"name_contains": "a."})).await, [1, 0, 0, 0]);
    let empty = with(&secret, Method::POST, SCENES)
        .body(Body::empty())
        .unwrap();
    let answer = harness.send(empty).await;
    assert_eq!(
        answer.json(),
        json!({"queued": 1, "in_flight": 1, "present": 0, "failed": 0})
    );
    assert_eq!(click(json!({})).await, [0, 2, 0, 0]);
    let usd = "/api/admin/generate-missing-usd-masters";
    let answer = harness.json(&secret, Method::POST, usd, &json!({})).await;
    assert_eq!(answer.status, 202);
}

#[tokio::test]
async fn failures_are_left_alone_until_they_are_meant() {
    let harness = Harness::new();
    let secret = harness.secret(Role::Admin).await;
    let file = harness.file("a.step", b"a").await;
    harness
        .publish(
            file.id,
            TaskKind::ProcessStep,
            TaskOutput::Step(cadmill_domain::fakes::step_facts(b"STEP").into()),
        )
        .await;
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
    let failure = Failure::new(FailureCode::KernelCrash, "It died.");
    harness.store.fail(&claim, &failure, None).await.unwrap();
    let post = async |path: &str, body: serde_json::Value| {
        harness
            .json(&secret, Method::POST, path, &body)
            .await
            .json()
    };
    assert_eq!(post(SCENES, json!({})).await["failed"], 1);
    let dry = json!({"dry_run": true, "include_failed": true});
    assert_eq!(post(SCENES, dry).await["queued"], 1);
    let retry = "/api/admin/retry-failed";
    assert_eq!(
        post(retry, json!({"code": "kernel_timeout"})).await["queued"],
        0
    );
    assert_eq!(
        post(
            retry,
            json!({"code": "kernel_crash", "kind": "gltf_geometry"})
        )
        .await["queued"],
        1
    );
    assert_eq!(
        post(retry, json!({"code": "no_such"})).await["code"],
        "invalid"
    );
    let stale = "/api/admin/regenerate-stale";
    assert_eq!(
        post(stale, json!({"kind": "usd_master"})).await["queued"],
        0
    );
    assert_eq!(post(stale, json!(null)).await["queued"], 0);
    assert_eq!(post(stale, json!([null])).await["code"], "invalid");
    assert_eq!(post(stale, json!({"kinds": []})).await["pointer"], "/kinds");
    assert_eq!(
        post(SCENES, json!({"name_contains": "\0"})).await["pointer"],
        "/name_contains"
    );
}

#[tokio::test]
async fn work_is_listed_with_its_lock_and_can_be_cancelled() {
    let harness = Harness::new();
    let secret = harness.secret(Role::Admin).await;
    let first = harness.file("a.step", b"a").await;
    harness.file("b.step", b"b").await;
    let work = Work {
        cad_file_id: first.id,
        kind: TaskKind::ProcessStep,
    };
    let key = LockKey::step_processing(first.id);
    let lease = harness
        .lock
        .try_acquire(&key, Duration::from_secs(30))
        .await
        .unwrap();
    assert!(lease.is_some());
    harness
        .store
        .claim(work, &WorkerName::new("w"))
        .await
        .unwrap()
        .unwrap();
    let page = harness.get(&secret, "/api/admin/work?limit=1").await.json();
    let item = &page["work"][0];
    assert_eq!(
        (&item["name"], &item["running"]),
        (&"a.step".into(), &true.into())
    );
    assert_eq!(
        (&item["lock"]["who"], &item["worker"]),
        (&"tester".into(), &"w".into())
    );
    assert_eq!(item["runs_again"], json!(false));
    let source = format!("/api/cad/{}/source", first.id);
    for revision in ["second", "third"] {
        let put = with(&secret, Method::PUT, &source).header("content-type", "model/step");
        harness
            .send(put.body(Body::from(revision)).unwrap())
            .await
            .is_ok();
        let page = harness.get(&secret, "/api/admin/work?limit=1").await.json();
        assert_eq!(page["work"][0]["runs_again"], json!(true));
    }
    let next = page["next"].as_str().unwrap();
    let page = harness
        .get(&secret, &format!("/api/admin/work?cursor={next}"))
        .await
        .json();
    assert_eq!(
        (&page["work"][0]["name"], &page["next"]),
        (&"b.step".into(), &json!(null))
    );
    assert_eq!(page["work"][0]["lock"], json!(null));
    let cancel = async |id: &str| {
        let request = with(
            &secret,
            Method::POST,
            &format!("/api/admin/work/{id}/cancel"),
        );
        harness.send(request.body(Body::empty()).unwrap()).await
    };
    let id = item["id"].as_str().unwrap();
    assert_eq!(cancel(id).await.json(), json!({"cancelled": true}));
    assert_eq!(cancel(id).await.json(), json!({"cancelled": false}));
    cancel("abc").await.is_problem(400, "bad_path");
    cancel(&format!("{}:nothing", first.id))
        .await
        .is_problem(400, "bad_path");
    let answer = harness.get(&secret, "/api/admin/work?cursor=1x").await;
    answer.is_problem(409, "cursor_mismatch");
}
