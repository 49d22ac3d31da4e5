//! Webhooks, as an admin makes, changes and removes them.

use axum::http::Method;
use cadmill_domain::{
    WebhookId,
    access_token::Role,
    pipeline_log::StepEvent,
    webhook::{DeliveryFailure, DeliveryRoom, EventFilter, Webhooks as _},
};
use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::harness::{Answer, Harness};

struct Admin {
    harness: Harness,
    secret: String,
}

impl Admin {
    async fn new() -> Self {
        let harness = Harness::new();
        let secret = harness.secret(Role::Admin).await;
        Self { harness, secret }
    }

    async fn ask(&self, method: Method, path: &str, body: &Value) -> Answer {
        self.harness.json(&self.secret, method, path, body).await
    }

    async fn get(&self, path: &str) -> Answer {
        self.harness.get(&self.secret, path).await
    }

    async fn make(&self, body: &Value) -> Value {
        let answer = self.ask(Method::POST, "/api/webhooks", body).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        let made = answer.json();
        let path = path(&made);
        assert_eq!(answer.header("location"), path);
        made
    }
}

fn path(webhook: &Value) -> String {
    format!("/api/webhooks/{}", webhook["id"].as_str().unwrap())
}

fn id(webhook: &Value) -> WebhookId {
    webhook["id"].as_str().unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_webhook_is_made_shown_changed_and_removed() {
    let admin = Admin::new().await;
    let new = json!({"url": "https://Example.com:443/hook?a=b", "events": ["step_done", "step_failed"], "description": "a"});
    let made = admin.make(&new).await;
    let secret = made["secret"].as_str().unwrap();
    assert!(
        secret.starts_with("whsec_") && secret.len() == 50,
        "{secret}"
    );
    assert!(standardwebhooks::Webhook::new(secret).is_ok());
    let mut shown = json!({
        "id": made["id"], "url": "https://example.com/hook?a=b", "events": ["step_done", "step_failed"],
        "description": "a", "enabled": true, "created_at": "2026-01-01T12:00:00Z",
    });
    // The secret is shown once.
    assert_eq!(admin.get(&path(&made)).await.json(), shown);
    let listed = admin.get("/api/webhooks").await.json();
    assert_eq!(listed, json!({ "webhooks": [shown] }));
    let change = json!({"events": null, "enabled": false});
    let changed = admin.ask(Method::PATCH, &path(&made), &change).await;
    shown["events"] = Value::Null;
    shown["enabled"] = json!(false);
    assert_eq!(changed.json(), shown);
    let nothing = admin.ask(Method::PATCH, &path(&made), &json!({})).await;
    assert_eq!(nothing.json(), shown);
    let kept = admin.harness.store.get(id(&made)).await.unwrap().unwrap();
    assert_eq!(kept.events, EventFilter::All);
    assert_eq!(kept.secret.expose(), secret);
    let rotated = admin
        .ask(Method::PATCH, &path(&made), &json!({"rotate_secret": true}))
        .await
        .json();
    assert_ne!(rotated["secret"], made["secret"]);
    let kept = admin.harness.store.get(id(&made)).await.unwrap().unwrap();
    assert_eq!(rotated["secret"], kept.secret.expose());
    let gone = admin.ask(Method::DELETE, &path(&made), &json!({})).await;
    assert_eq!(gone.status, 204);
    for (method, tail) in [
        (Method::GET, ""),
        (Method::PATCH, ""),
        (Method::DELETE, ""),
        (Method::GET, "/deliveries"),
        (Method::POST, "/test"),
    ] {
        let path = format!("{}{tail}", path(&made));
        let answer = admin.ask(method, &path, &json!({})).await;
        answer.is_problem(404, "not_found");
    }
}

#[tokio::test]
async fn what_cannot_be_meant_is_refused() {
    let admin = Admin::new().await;
    let url = "https://example.com";
    let made = admin.make(&json!({ "url": url })).await;
    let long = format!("{url}/{}", "a".repeat(2048));
    for (change, pointer) in [
        (json!({"url": "example.com"}), "/url"),
        (json!({"url": "ftp://example.com"}), "/url"),
        (json!({"url": "https://a:b@example.com"}), "/url"),
        (json!({"url": " https://example.com"}), "/url"),
        (json!({"url": "https:example.com"}), "/url"),
        (json!({"url": "https://exämple.com"}), "/url"),
        (json!({ "url": long }), "/url"),
        (json!({ "url": 7 }), "/url"),
        (json!({"url": url, "events": []}), "/events"),
        (
            json!({"url": url, "events": ["step_done", "x"]}),
            "/events/1",
        ),
        (
            json!({"url": url, "description": "a\u{0}b"}),
            "/description",
        ),
        (
            json!({"url": url, "description": "ä".repeat(501)}),
            "/description",
        ),
        (json!({"url": url, "secret": "whsec_AAAA"}), "/secret"),
    ] {
        for (method, path) in [
            (Method::POST, "/api/webhooks".to_owned()),
            (Method::PATCH, path(&made)),
        ] {
            let answer = admin.ask(method, &path, &change).await;
            let problem = answer.is_problem(422, "invalid");
            assert_eq!(problem["pointer"], pointer, "{change}");
        }
    }
    let longest = json!({"url": url, "description": "ä".repeat(500)});
    admin.make(&longest).await;
}

#[tokio::test]
async fn addresses_that_are_not_public_are_refused_unless_allowed() {
    let mut admin = Admin::new().await;
    let made = admin.make(&json!({"url": "http://1.1.1.1"})).await;
    for url in [
        "http://localhost/hook",
        "http://127.0.0.1:8080",
        "http://0x7f.1",
        "http://169.254.169.254/latest/meta-data",
        "http://[::ffff:10.0.0.1]",
    ] {
        let body = json!({ "url": url });
        let new = admin.ask(Method::POST, "/api/webhooks", &body).await;
        let problem = new.is_problem(409, "target_not_public");
        assert_eq!(problem["pointer"], "/url");
        let changed = admin.ask(Method::PATCH, &path(&made), &body).await;
        changed.is_problem(409, "target_not_public");
    }
    admin.harness.settings.webhook_targets =
        cadmill_api::TargetPolicy::allowing(["127.0.0.0/8".parse().unwrap()]);
    admin.make(&json!({"url": "http://127.0.0.1:8080"})).await;
}

#[tokio::test]
async fn only_an_admin_sees_webhooks() {
    let admin = Admin::new().await;
    let made = admin.make(&json!({"url": "https://example.com"})).await;
    for role in [Role::Viewer, Role::Editor] {
        let secret = admin.harness.secret(role).await;
        for path in ["/api/webhooks".to_owned(), path(&made)] {
            let answer = admin.harness.get(&secret, &path).await;
            answer.is_problem(403, "forbidden");
        }
    }
}

#[tokio::test]
async fn a_test_is_put_into_the_outbox_of_an_enabled_webhook() {
    let admin = Admin::new().await;
    let made = admin.make(&json!({"url": "https://example.com"})).await;
    let test = format!("{}/test", path(&made));
    let answer = admin.ask(Method::POST, &test, &json!({})).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    let log = admin.get(&format!("{}/deliveries", path(&made))).await;
    let expected = json!({
        "deliveries": [{
            "id": answer.json()["delivery_id"], "event_id": null, "state": "pending", "attempts": 0,
            "created_at": "2026-01-01T12:00:00Z", "attempted_at": null,
            "next_attempt_at": "2026-01-01T12:00:00Z", "status": null, "error": null,
        }],
        "next": null,
    });
    assert_eq!(log.json(), expected);
    let disabled = json!({"enabled": false});
    admin.ask(Method::PATCH, &path(&made), &disabled).await;
    let answer = admin.ask(Method::POST, &test, &json!({})).await;
    answer.is_problem(409, "webhook_disabled");
}

#[tokio::test]
async fn the_log_is_shown_page_by_page() {
    let admin = Admin::new().await;
    let made = admin
        .make(&json!({"url": "https://example.com", "events": ["step_done"]}))
        .await;
    let store = &admin.harness.store;
    let payload = json!({});
    for _ in 0..5 {
        store
            .enqueue_test(id(&made), payload.clone())
            .await
            .unwrap();
    }
    let lease = TimeDelta::minutes(1);
    let claims = store
        .claim_deliveries(lease, &DeliveryRoom::of_any(2))
        .await
        .unwrap();
    assert!(store.delivered(&claims[0], 200).await.unwrap());
    let failure = DeliveryFailure {
        status: None,
        error: "no answer".to_owned(),
        retry_at: None,
    };
    assert!(store.failed(&claims[1], &failure).await.unwrap());
    let mut seen = Vec::new();
    let mut query = "?limit=2".to_owned();
    loop {
        let page = admin
            .get(&format!("{}/deliveries{query}", path(&made)))
            .await
            .json();
        seen.extend(page["deliveries"].as_array().unwrap().clone());
        match page["next"].as_u64() {
            Some(next) => query = format!("?limit=2&before={next}"),
            None => break,
        }
    }
    let ids: Vec<_> = seen.iter().map(|d| d["id"].as_u64().unwrap()).collect();
    assert_eq!(ids, [5, 4, 3, 2, 1]);
    assert_eq!(seen[4]["state"], "delivered");
    assert_eq!(seen[4]["status"], 200);
    assert_eq!(seen[3]["state"], "failed");
    assert_eq!(seen[3]["error"], "no answer");
    assert_eq!(seen[3]["next_attempt_at"], Value::Null);
    let kept = store.get(id(&made)).await.unwrap().unwrap();
    assert_eq!(kept.events, EventFilter::Only([StepEvent::StepDone].into()));
    for query in [
        "limit=0",
        "limit=201",
        "limit=x",
        "before=0",
        "before=9007199254740992",
        "page=1",
    ] {
        let answer = admin
            .get(&format!("{}/deliveries?{query}", path(&made)))
            .await;
        answer.is_problem(400, "bad_query");
    }
}

#[test]
fn the_document_tells_what_may_be_sent() {
    let document = serde_json::to_value(cadmill_api::openapi()).unwrap();
    let schemas = &document["components"]["schemas"];
    let new = &schemas["NewWebhook"];
    let change = &schemas["WebhookChange"];
    assert_eq!(new["required"], json!(["url"]));
    assert_eq!(new["additionalProperties"], false);
    assert_eq!(change["additionalProperties"], false);
    for (url, kind) in [
        (&new["properties"]["url"], json!("string")),
        (&change["properties"]["url"], json!(["string", "null"])),
    ] {
        assert_eq!(url["type"], kind);
        assert_eq!(url["maxLength"], 2048);
        assert!(url["pattern"].as_str().unwrap().starts_with("^https?://"));
    }
    let events = &document["paths"]["/api/events"]["get"];
    assert_eq!(events["security"], json!([{"token": ["viewer"]}]));
    let parameters = events["parameters"].as_array().unwrap();
    let named = |name: &str| parameters.iter().find(|p| p["name"] == name).unwrap();
    let last = named("Last-Event-ID");
    assert_eq!(
        (&last["in"], &last["schema"]["type"]),
        (&json!("header"), &json!("integer"))
    );
    assert_eq!(last["required"], false);
    assert!(schemas["Event"]["properties"]["cad_file_id"].is_object());
    let answer = &events["responses"]["200"]["content"];
    assert!(answer["text/event-stream"].is_object(), "{answer}");
}
