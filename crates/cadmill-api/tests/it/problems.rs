//! What is answered when something is wrong with the request or the service.

use axum::{
    body::Body,
    http::{Method, Request},
};
use cadmill_domain::access_token::Role;

use crate::harness::{Harness, with};

const SOMEWHERE: &str = "/api/cad/0192f3a4-0000-7000-8000-000000000001";

#[tokio::test]
async fn what_does_not_fit_is_a_problem() {
    let harness = Harness::new();
    let secret = harness.secret(Role::Viewer).await;
    harness
        .get(&secret, "/nowhere")
        .await
        .is_problem(404, "no_route");
    harness
        .get(&secret, "/api/cad/abc")
        .await
        .is_problem(400, "bad_path");
    harness
        .get(&secret, "/api/cad/%ff")
        .await
        .is_problem(400, "bad_path");
    harness
        .get(&secret, SOMEWHERE)
        .await
        .is_problem(404, "not_found");
    let unknown = format!("{SOMEWHERE}?colour=red");
    harness
        .get(&secret, &unknown)
        .await
        .is_problem(400, "bad_query");
    let patch = with(&secret, Method::PATCH, SOMEWHERE).body(Body::empty());
    let answer = harness.send(patch.unwrap()).await;
    answer.is_problem(405, "method_not_allowed");
    assert!(answer.header("allow").contains("GET"), "{answer:?}");
}

#[tokio::test]
async fn a_sound_request_id_is_kept_and_another_is_replaced() {
    let harness = Harness::new();
    let ask = async |id: &str| {
        let request = Request::builder()
            .uri("/nowhere")
            .header("x-request-id", id);
        let answer = harness.send(request.body(Body::empty()).unwrap()).await;
        answer.is_problem(404, "no_route");
        answer.header("x-request-id").to_owned()
    };
    assert_eq!(ask("abc-1").await, "abc-1");
    assert_ne!(ask("with space").await, "with space");
    assert_ne!(ask(&"a".repeat(129)).await.len(), 129);
}
