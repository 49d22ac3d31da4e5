//! The OpenAPI document.

use axum::{body::Body, http::Request};

use crate::harness::{Harness, answer};

#[tokio::test]
async fn the_document_is_served_without_a_token_and_is_the_one_of_the_crate() {
    let harness = Harness::new();
    let ask = |path: &str| {
        let request = Request::builder().uri(path).body(Body::empty()).unwrap();
        answer(harness.router(), request)
    };
    let served = ask("/openapi.json").await;
    served.is_ok();
    let expected = serde_json::to_value(cadmill_api::openapi()).unwrap();
    assert_eq!(served.json(), expected);
    assert!(expected["openapi"].as_str().unwrap().starts_with("3.1"));
    let page = ask("/docs/").await;
    page.is_ok();
    assert!(page.header("content-type").starts_with("text/html"));
    assert!(page.header("content-security-policy").contains("'self'"));
}

#[test]
fn the_document_is_the_one_that_was_looked_at() {
    insta::assert_json_snapshot!("openapi", cadmill_api::openapi());
}

#[test]
fn every_operation_has_a_name_of_its_own_and_tells_its_answers() {
    let document = serde_json::to_value(cadmill_api::openapi()).unwrap();
    let mut names = std::collections::BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let name = operation["operationId"].as_str().unwrap();
            assert!(names.insert(name.to_owned()), "{name}");
            assert!(operation["summary"].is_string(), "{method} {path}");
            let answers = operation["responses"].as_object().unwrap();
            assert!(
                answers.contains_key("500") && answers.contains_key("400"),
                "{name}"
            );
        }
    }
}

#[test]
fn words_are_documented_as_they_are_written() {
    let document = serde_json::to_value(cadmill_api::openapi()).unwrap();
    let words = |name: &str| document["components"]["schemas"][name]["enum"].clone();
    let kinds = ["gltf_geometry", "usd_master", "web_glb", "thumbnail"];
    assert_eq!(words("MediaKind"), serde_json::json!(kinds));
    assert_eq!(
        words("Role"),
        serde_json::json!(["viewer", "editor", "admin"])
    );
    assert_eq!(words("ProblemCode")[0], "bad_request");
}

#[tokio::test]
async fn without_tokens_the_document_asks_for_none() {
    let mut harness = Harness::new();
    harness.settings.access = cadmill_api::Access::Open;
    let served = harness.get("", "/openapi.json").await.json();
    for item in served["paths"].as_object().unwrap().values() {
        for operation in item.as_object().unwrap().values() {
            assert_eq!(operation["security"], serde_json::Value::Null);
        }
    }
}
