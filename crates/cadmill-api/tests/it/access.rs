//! Who may do what.

use axum::{
    body::Body,
    http::{Method, Request},
};
use cadmill_domain::{
    Clock as _,
    access_token::{AccessTokens as _, Role},
};
use chrono::TimeDelta;
use serde_json::json;

use crate::harness::{Harness, with};

const SOMEWHERE: &str = "/api/cad/0192f3a4-0000-7000-8000-000000000001";

#[tokio::test]
async fn failed_logins_are_slowed_down_and_good_tokens_still_pass() {
    let harness = Harness::new();
    let good = harness.secret(Role::Viewer).await;
    let router = harness.router();
    let ask = |secret: String| {
        let request = Request::builder().uri(SOMEWHERE);
        let request = request.header("authorization", format!("Bearer {secret}"));
        crate::harness::answer(router.clone(), request.body(Body::empty()).unwrap())
    };
    for _ in 0..10 {
        let bad = format!("cadmill_{}", "0".repeat(64));
        ask(bad).await.is_problem(401, "unauthorized");
    }
    let answer = ask("guess".to_owned()).await;
    answer.is_problem(429, "too_many_logins");
    assert!(answer.header("retry-after").parse::<u64>().unwrap() >= 1);
    ask(good).await.is_problem(404, "not_found");
}

#[tokio::test]
async fn the_use_of_a_token_is_noted_once_a_minute() {
    let harness = Harness::new();
    let secret = harness.secret(Role::Viewer).await;
    let last_used = async || harness.store.list().await.unwrap()[0].last_used_at.unwrap();
    harness.get(&secret, SOMEWHERE).await;
    let first = last_used().await;
    harness.clock.advance(TimeDelta::seconds(59));
    harness.get(&secret, SOMEWHERE).await;
    assert_eq!(last_used().await, first);
    harness.clock.advance(TimeDelta::seconds(1));
    harness.get(&secret, SOMEWHERE).await;
    assert_eq!(last_used().await, first + TimeDelta::minutes(1));
}

/// A request of each operation of the document that gets as far as its role.
fn requests() -> Vec<(String, String, Option<Role>)> {
    let document = serde_json::to_value(cadmill_api::openapi()).unwrap();
    let mut requests = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let role = operation["security"][0]["token"][0].as_str();
            let role = role.map(|role| role.parse().unwrap());
            let id = "0192f3a4-0000-7000-8000-000000000001";
            let id = if path.contains("/work/") {
                format!("{id}:usd_master")
            } else {
                id.to_owned()
            };
            let path = path.replace("{id}", &id).replace("{kind}", "usd_master");
            requests.push((method.to_uppercase(), path, role));
        }
    }
    requests
}

#[tokio::test]
async fn each_role_may_do_what_the_document_says_and_nothing_else() {
    let mut harness = Harness::new();
    harness.settings.failed_logins_per_minute = std::num::NonZeroU32::MAX;
    // Answers are read to their end.
    harness.settings.feed.longest = std::time::Duration::from_millis(10);
    let mut secrets = Vec::new();
    for role in Role::ALL {
        secrets.push((Some(role), harness.secret(role).await));
    }
    // Tokens are listed by the time of their making.
    harness.clock.advance(TimeDelta::seconds(1));
    let (revoked, expired) = (harness.secret(Role::Admin).await, [7; 32]);
    let last = harness.store.list().await.unwrap().pop().unwrap();
    harness.store.revoke(last.id).await.unwrap();
    let expired = harness
        .token_until(Role::Admin, expired, Some(harness.clock.now()))
        .await;
    let router = harness.router();
    let requests = requests();
    assert!(requests.len() >= 27, "{}", requests.len());
    for (method, path, needed) in &requests {
        // Whatever the document says, a viewer changes nothing.
        assert!(
            method == "GET" || *needed >= Some(Role::Editor),
            "{method} {path} is open to {needed:?}"
        );
    }
    let open: Vec<_> = requests
        .iter()
        .filter(|request| request.2.is_none())
        .collect();
    assert_eq!(
        open.iter().map(|request| &*request.1).collect::<Vec<_>>(),
        ["/healthz", "/readyz"]
    );
    for (method, path, needed) in &requests {
        let ask = |secret: Option<&str>| {
            let mut request = Request::builder().method(&**method).uri(path);
            if let Some(secret) = secret {
                request = request.header("authorization", format!("Bearer {secret}"));
            }
            crate::harness::answer(router.clone(), request.body(Body::empty()).unwrap())
        };
        for (role, secret) in &secrets {
            let status = ask(Some(secret)).await.status.as_u16();
            let may = needed.is_none() || *role >= *needed;
            assert_eq!(status != 403, may, "{method} {path} as {role:?}: {status}");
            assert!(
                status < 500 && status != 401,
                "{method} {path} as {role:?}: {status}"
            );
        }
        for secret in [None, Some(&*revoked), Some(&*expired), Some("cadmill_abc")] {
            let answer = ask(secret).await;
            if needed.is_some() {
                answer.is_problem(401, "unauthorized");
                assert_eq!(
                    answer.header("www-authenticate"),
                    "Bearer realm=\"cadmill\""
                );
            } else {
                assert_eq!(answer.status, 200);
            }
        }
    }
}

#[tokio::test]
async fn without_tokens_everybody_may_do_everything() {
    let mut harness = Harness::new();
    harness.settings.access = cadmill_api::Access::Open;
    harness.get("", "/api/tokens").await.is_ok();
    harness.get("", "/metrics").await.is_ok();
}

#[tokio::test]
async fn a_setting_opens_the_metrics() {
    let mut harness = Harness::new();
    let ask = |harness: &Harness| {
        let request = Request::builder().uri("/metrics").body(Body::empty());
        crate::harness::answer(harness.router(), request.unwrap())
    };
    ask(&harness).await.is_problem(401, "unauthorized");
    harness.settings.open_metrics = true;
    ask(&harness).await.is_ok();
}

#[tokio::test]
async fn tokens_are_made_shown_once_used_and_revoked() {
    let harness = Harness::new();
    let admin = harness.secret(Role::Admin).await;
    harness.clock.advance(TimeDelta::seconds(1));
    let new = json!({"name": "CI", "role": "editor"});
    let created = harness
        .json(&admin, Method::POST, "/api/tokens", &new)
        .await;
    assert_eq!(created.status, 201, "{created:?}");
    let created = created.json();
    let secret = created["secret"].as_str().unwrap();
    let listed = harness.get(&admin, "/api/tokens").await;
    assert!(!String::from_utf8_lossy(&listed.body).contains(secret));
    assert_eq!(listed.json()[1]["name"], "CI");
    assert_eq!(listed.json()[1]["prefix"], secret[..16]);
    harness.get(secret, "/api/cad").await.is_ok();
    let path = format!("/api/tokens/{}", created["id"].as_str().unwrap());
    let delete = || {
        with(&admin, Method::DELETE, &path)
            .body(Body::empty())
            .unwrap()
    };
    assert_eq!(harness.send(delete()).await.status, 204);
    harness.send(delete()).await.is_problem(404, "not_found");
    harness
        .get(secret, "/api/cad")
        .await
        .is_problem(401, "unauthorized");
}

#[tokio::test]
async fn a_token_that_cannot_be_is_refused() {
    let harness = Harness::new();
    let admin = harness.secret(Role::Admin).await;
    let cases = [
        (json!({"name": "", "role": "viewer"}), "/name"),
        (json!({"name": "a\0", "role": "viewer"}), "/name"),
        (json!({"name": "a".repeat(201), "role": "viewer"}), "/name"),
        (json!({"name": "a", "role": "root"}), "/role"),
        (
            json!({"name": "a", "role": "viewer", "secret": "x"}),
            "/secret",
        ),
        (
            json!({"name": "a", "role": "viewer", "expires_at": "soon"}),
            "/expires_at",
        ),
    ];
    for (body, pointer) in cases {
        let answer = harness
            .json(&admin, Method::POST, "/api/tokens", &body)
            .await;
        assert_eq!(answer.is_problem(422, "invalid")["pointer"], pointer);
    }
    assert_eq!(harness.store.count().await.unwrap(), 1);
}
