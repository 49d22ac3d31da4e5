//! The two maps of materials.

use axum::{body::Body, http::Method};
use cadmill_domain::access_token::Role;
use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::harness::{Harness, with};

const MAPS: [&str; 2] = ["part-materials", "manual-material-overrides"];

#[tokio::test]
async fn a_map_is_replaced_and_the_file_moves() {
    let harness = Harness::new();
    let secret = harness.secret(Role::Editor).await;
    let file = harness.file("a.step", b"a").await;
    for map in MAPS {
        let path = format!("/api/cad/{}/{map}", file.id);
        let before = harness.get(&secret, &path).await;
        assert_eq!(before.json(), json!({}));
        harness.clock.advance(TimeDelta::seconds(1));
        let new = json!({"bolt-*": {"color": "#C0C4C8", "name": "Zinc"}});
        let saved = harness.json(&secret, Method::PUT, &path, &new).await;
        saved.is_ok();
        assert_ne!(saved.header("etag"), before.header("etag"));
        let expected = json!({"bolt-*": {"color": "#c0c4c8", "name": "Zinc", "metallic": 0.0, "roughness": 0.5, "opacity": 1.0}});
        assert_eq!(saved.json(), expected);
        let again = with(&secret, Method::GET, &path).header("if-none-match", saved.header("etag"));
        assert_eq!(
            harness
                .send(again.body(Body::empty()).unwrap())
                .await
                .status,
            304
        );
        let late = with(&secret, Method::PUT, &path)
            .header("content-type", "application/json")
            .header("if-match", before.header("etag"));
        harness
            .send(late.body(Body::from("{}")).unwrap())
            .await
            .is_problem(412, "changed");
        assert_eq!(harness.get(&secret, &path).await.json(), expected);
    }
}

#[tokio::test]
async fn a_change_may_name_any_form_of_the_etag() {
    let harness = Harness::new();
    let secret = harness.secret(Role::Editor).await;
    let file = harness.file("a.step", b"a").await;
    let path = format!("/api/cad/{}/part-materials", file.id);
    let put = async |tag: &str| {
        let request = with(&secret, Method::PUT, &path)
            .header("content-type", "application/json")
            .header("if-match", tag);
        harness.send(request.body(Body::from("{}")).unwrap()).await
    };
    let whole = harness.get(&secret, &format!("/api/cad/{}", file.id)).await;
    let saved = put(whole.header("etag")).await;
    saved.is_ok();
    let saved = put(&format!("W/{}", saved.header("etag"))).await;
    saved.is_ok();
    put(saved.header("etag").trim_matches('"')).await.is_ok();
    put("*").await.is_ok();
    put("abc").await.is_problem(400, "bad_header");
    put("").await.is_problem(400, "bad_header");
    put("\"abc\"").await.is_problem(412, "changed");
    put("\"1\", \"2\"").await.is_problem(400, "bad_header");
}

#[tokio::test]
async fn what_is_no_map_is_refused_with_the_place() {
    let harness = Harness::new();
    let secret = harness.secret(Role::Editor).await;
    let file = harness.file("a.step", b"a").await;
    let cases: [(Value, &str); 10] = [
        (json!([]), ""),
        (json!({"a": {}}), "/a"),
        (json!({"a": ["Steel", "#ff0000", 0, 0, 1]}), "/a"),
        (json!({"a": {"color": "red"}}), "/a/color"),
        (json!({"a": {"color": "#ff00"}}), "/a/color"),
        (json!({"a": {"colour": "#ff0000"}}), "/a/colour"),
        (
            json!({"a/b~c": {"color": "#ff0000", "metallic": 2}}),
            "/a~1b~0c/metallic",
        ),
        (
            json!({"a": {"color": "#ff0000", "opacity": "1"}}),
            "/a/opacity",
        ),
        (json!({"a\0": {"color": "#ff0000"}}), "/a\0"),
        (json!({"a": {"color": "#ff0000", "name": "\0"}}), "/a/name"),
    ];
    for map in MAPS {
        let path = format!("/api/cad/{}/{map}", file.id);
        for (body, pointer) in &cases {
            let answer = harness.json(&secret, Method::PUT, &path, body).await;
            assert_eq!(
                answer.is_problem(422, "invalid")["pointer"],
                *pointer,
                "{body}"
            );
        }
        let put = |content_type: &str, body: &'static str| {
            let request = with(&secret, Method::PUT, &path).header("content-type", content_type);
            harness.send(request.body(Body::from(body)).unwrap())
        };
        put("application/json", "{")
            .await
            .is_problem(400, "bad_json");
        put("application/json", "{} {}")
            .await
            .is_problem(400, "bad_json");
        put("text/plain", "{}").await.is_problem(415, "media_type");
        let nobody = "/api/cad/0192f3a4-0000-7000-8000-000000000001/part-materials";
        harness
            .json(&secret, Method::PUT, nobody, &json!({}))
            .await
            .is_problem(404, "not_found");
    }
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_refused() {
    let mut harness = Harness::new();
    harness.settings.body_limit_bytes = 64;
    let secret = harness.secret(Role::Editor).await;
    let file = harness.file("a.step", b"a").await;
    let path = format!("/api/cad/{}/part-materials", file.id);
    let body = json!({"a".repeat(100): {"color": "#ff0000"}});
    harness
        .json(&secret, Method::PUT, &path, &body)
        .await
        .is_problem(413, "too_large");
}
