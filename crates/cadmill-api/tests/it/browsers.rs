//! What browsers are told: which pages may call the service, and what answers must not be used for.

use axum::{
    body::Body,
    http::{HeaderName, HeaderValue, Method, Request},
};
use cadmill_domain::access_token::Role;

use crate::harness::{Answer, Harness, answer, with};

const PAGE: &str = "https://viewer.example.com";
const OTHER: &str = "https://evil.example.com";

fn letting_in(origins: &[&'static str]) -> Harness {
    let mut harness = Harness::new();
    let origins = origins.iter().copied().map(HeaderValue::from_static);
    harness.settings.cors_origins = origins.collect();
    harness
}

/// What a browser asks before it lets a page of `origin` send something.
async fn preflight(harness: &Harness, origin: &str, method: &str, headers: &str) -> Answer {
    let request = Request::builder()
        .method(Method::OPTIONS)
        .uri("/api/cad")
        .header("origin", origin)
        .header("access-control-request-method", method)
        .header("access-control-request-headers", headers);
    answer(harness.router(), request.body(Body::empty()).unwrap()).await
}

async fn asked_from(harness: &Harness, origin: &str) -> Answer {
    let secret = harness.secret(Role::Viewer).await;
    let request = with(&secret, Method::GET, "/api/cad").header("origin", origin);
    harness.send(request.body(Body::empty()).unwrap()).await
}

fn has_no_cors(answer: &Answer) {
    let mut names = answer.headers.keys().map(HeaderName::as_str);
    assert!(
        !names.any(|name| name.starts_with("access-control-")),
        "{answer:?}"
    );
}

#[tokio::test]
async fn by_default_no_page_of_another_origin_may_call() {
    let harness = Harness::new();
    let asked = asked_from(&harness, PAGE).await;
    asked.is_ok();
    has_no_cors(&asked);
    let before = preflight(&harness, PAGE, "GET", "authorization").await;
    before.is_problem(405, "method_not_allowed");
    has_no_cors(&before);
}

#[tokio::test]
async fn pages_of_named_origins_may_call_and_no_others() {
    let harness = letting_in(&[PAGE, "https://second.example.com"]);
    let asked = asked_from(&harness, PAGE).await;
    asked.is_ok();
    assert_eq!(asked.header("access-control-allow-origin"), PAGE);
    // Who may read it depends on who asks, so that no cache mixes them up.
    assert!(asked.header("vary").contains("origin"), "{asked:?}");
    assert_eq!(
        asked.header("access-control-allow-credentials"),
        "",
        "there are no cookies"
    );
    let exposed = asked.header("access-control-expose-headers");
    for name in ["etag", "location", "retry-after", "x-request-id"] {
        assert!(exposed.contains(name), "{exposed}");
    }
    for origin in [
        OTHER,
        "http://viewer.example.com",
        "https://viewer.example.com:8443",
        "https://viewer.example.com.evil.org",
        "null",
    ] {
        let asked = asked_from(&harness, origin).await;
        assert_eq!(
            asked.header("access-control-allow-origin"),
            "",
            "{origin}: {asked:?}"
        );
        let before = preflight(&harness, origin, "PUT", "if-match").await;
        assert_eq!(
            before.header("access-control-allow-origin"),
            "",
            "{origin}: {before:?}"
        );
    }
}

#[tokio::test]
async fn a_page_learns_beforehand_what_it_may_send() {
    let harness = letting_in(&[PAGE]);
    let wanted = "authorization,content-type,if-match,idempotency-key,last-event-id,range";
    for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
        // It bears no token: browsers ask before they send one.
        let before = preflight(&harness, PAGE, method, wanted).await;
        assert_eq!(before.status, 200, "{before:?}");
        assert_eq!(before.header("access-control-allow-origin"), PAGE);
        let methods = before.header("access-control-allow-methods");
        assert!(methods.split(',').any(|allowed| allowed == method));
        let headers = before.header("access-control-allow-headers");
        for name in wanted.split(',') {
            assert!(headers.contains(name), "{name}: {headers}");
        }
    }
}

#[tokio::test]
async fn a_page_may_read_why_it_was_refused() {
    let harness = letting_in(&[PAGE]);
    let request = Request::builder().uri("/api/cad").header("origin", PAGE);
    let refused = answer(harness.router(), request.body(Body::empty()).unwrap()).await;
    refused.is_problem(401, "unauthorized");
    assert_eq!(refused.header("access-control-allow-origin"), PAGE);
}

#[tokio::test]
async fn every_answer_says_what_it_must_not_be_used_for() {
    let harness = Harness::new();
    let secret = harness.secret(Role::Viewer).await;
    let file = harness.file("a.step", b"a").await;
    harness.scene(file.id, b"glTF").await;
    let scene = format!("/api/cad/{}/media/gltf_geometry/content", file.id);
    let paths = [
        ("/api/cad", 200),
        (scene.as_str(), 200),
        ("/healthz", 200),
        ("/metrics", 200),
        ("/openapi.json", 200),
        ("/docs/", 200),
        ("/api/cad?wrong=1", 400),
        ("/api/tokens", 403),
        ("/nowhere", 404),
    ];
    for (path, status) in paths {
        let answer = harness.get(&secret, path).await;
        assert_eq!(answer.status, status, "{path}: {answer:?}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(answer.header("x-frame-options"), "DENY", "{path}");
        assert_eq!(answer.header("referrer-policy"), "no-referrer", "{path}");
        let policy = answer.header("content-security-policy");
        assert!(policy.contains("frame-ancestors 'none'"), "{path}");
        let is_page = path == "/docs/" || path == "/openapi.json";
        let from = if is_page { "'self'" } else { "'none'" };
        assert!(policy.contains(&format!("default-src {from}")), "{path}");
        let is_kept = path == scene;
        assert_eq!(
            answer.header("cache-control") != "no-store",
            is_kept,
            "{path}"
        );
    }
}
