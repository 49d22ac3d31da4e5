//! For whom work is done: the token of a request, or a project of it.

use axum::{
    body::Body,
    http::{Method, Request},
};
use cadmill_domain::{
    CadFileId, MediaKind, TaskKind, Work,
    access_token::{AccessTokens as _, Role},
    ledger::{LedgerView as _, Requester, TaskOutput, WorkRequests as _},
};

use crate::harness::{Harness, with};

const STEP: TaskKind = TaskKind::ProcessStep;
const SCENE: TaskKind = TaskKind::Make(MediaKind::GltfGeometry);

async fn requester(harness: &Harness, cad_file_id: CadFileId, kind: TaskKind) -> Requester {
    let rows = harness.store.rows(cad_file_id).await.unwrap();
    let row = rows.into_iter().find(|(found, _)| *found == kind);
    row.expect("it was asked for").1.requester
}

fn request(
    secret: &str,
    method: Method,
    path: &str,
    project: Option<&str>,
    body: &'static str,
) -> Request<Body> {
    let mut request = with(secret, method, path);
    if !body.is_empty() {
        request = request.header("content-type", "application/octet-stream");
    }
    if let Some(project) = project {
        request = request.header("x-cadmill-project", project);
    }
    request.body(Body::from(body)).unwrap()
}

/// Who the work of a new revision is done for.
async fn of_revision(harness: &Harness, secret: &str, project: Option<&str>) -> Requester {
    let file = harness.file("a.step", b"a").await;
    let path = format!("/api/cad/{}/source", file.id);
    let request = request(secret, Method::PUT, &path, project, "other");
    harness.send(request).await.is_ok();
    requester(harness, file.id, STEP).await
}

#[tokio::test]
async fn each_token_and_each_project_is_a_requester() {
    let harness = Harness::new();
    let first = harness.secret(Role::Editor).await;
    let second = harness.secret(Role::Editor).await;
    let mut seen = Vec::new();
    for (secret, project) in [
        (&first, None),
        (&second, None),
        (&first, Some("plant-1")),
        (&first, Some("plant-2")),
        (&second, Some("plant-1")),
    ] {
        let requester = of_revision(&harness, secret, project).await;
        assert_eq!(of_revision(&harness, secret, project).await, requester);
        assert!(!seen.contains(&requester), "{project:?}");
        seen.push(requester);
    }
    assert!(!seen.contains(&Requester::SHARED));
    let tokens = harness.store.list().await.unwrap();
    let owners: Vec<_> = tokens
        .iter()
        .map(|token| Requester::of_token(token.id))
        .collect();
    assert!(owners.contains(&seen[0]) && owners.contains(&seen[1]));
}

#[tokio::test]
async fn without_tokens_all_share_one_requester() {
    let mut harness = Harness::new();
    harness.settings.access = cadmill_api::Access::Open;
    assert_eq!(of_revision(&harness, "", None).await, Requester::SHARED);
    let project = Requester::SHARED.project("plant-1");
    assert_eq!(of_revision(&harness, "", Some("plant-1")).await, project);
}

#[tokio::test]
async fn requests_for_media_name_their_requester_and_what_follows_inherits_it() {
    let harness = Harness::new();
    let secret = harness.secret(Role::Admin).await;
    let token = of_revision(&harness, &secret, None).await;
    for (path, project, expected) in [
        ("media", None, token),
        ("media", Some("x"), token.project("x")),
        (
            "generate-missing-canonical-scenes",
            Some("y"),
            token.project("y"),
        ),
        ("generate-missing-usd-masters", None, token),
    ] {
        let file = harness.file("b.step", b"b").await;
        let product = TaskOutput::Step(cadmill_domain::fakes::step_facts(b"STEP").into());
        harness.publish(file.id, STEP, product).await;
        let work = Work {
            cad_file_id: file.id,
            kind: SCENE,
        };
        assert!(harness.store.cancel(work).await.unwrap());
        let path = match path {
            "media" => format!("/api/cad/{}/media/gltf_geometry", file.id),
            click => format!("/api/admin/{click}"),
        };
        let asked = request(&secret, Method::POST, &path, project, "");
        assert_eq!(harness.send(asked).await.status, 202, "{path}");
        assert_eq!(
            requester(&harness, file.id, SCENE).await,
            expected,
            "{path}"
        );
        harness
            .medium(file.id, MediaKind::GltfGeometry, b"glTF")
            .await;
        let usd = TaskKind::Make(MediaKind::UsdMaster);
        assert_eq!(requester(&harness, file.id, usd).await, expected, "{path}");
    }
}

#[tokio::test]
async fn the_key_of_a_project_is_short_and_visible() {
    let harness = Harness::new();
    let secret = harness.secret(Role::Editor).await;
    let file = harness.file("a.step", b"a").await;
    let path = format!("/api/cad/{}/source", file.id);
    for project in ["", "two words", &"x".repeat(129)] {
        let request = request(&secret, Method::PUT, &path, Some(project), "other");
        let answer = harness.send(request).await;
        answer.is_problem(400, "bad_header");
    }
    let longest = "x".repeat(128);
    let request = request(&secret, Method::PUT, &path, Some(&longest), "other");
    harness.send(request).await.is_ok();
}
