//! What clients are told while PostgreSQL or Redis is away, or does not answer.

use super::{
    api::{Answer, Api},
    eventually,
    site::{Site, step},
};

/// Checks that readiness tells at once that `check` fails, and `requests` that they may be repeated.
#[track_caller]
fn is_away(api: &Api, check: &str, requests: &[&dyn Fn() -> Answer]) {
    // It is looked at once a second at most.
    eventually("the API is not ready", || api.get("/readyz").status == 503);
    let ready = api.get("/readyz");
    let told = ready.body.to_string();
    assert!(told.contains(check), "{check} is not named: {told}");
    for request in requests {
        let answer = request();
        assert_eq!(answer.status, 503, "{answer:?}");
        assert_eq!(answer.headers["content-type"], "application/problem+json");
        assert!(answer.headers.contains_key("retry-after"), "{answer:?}");
        assert!(answer.body["remedy"].is_string(), "{answer:?}");
    }
    assert_eq!(api.get("/healthz").status, 200);
}

/// Checks that it recovers without a restart.
#[track_caller]
fn is_back(api: &Api, requests: &[&dyn Fn() -> Answer]) {
    eventually("the API is ready", || api.get("/readyz").status == 200);
    for request in requests {
        let answer = request();
        assert!((200..300).contains(&answer.status), "{answer:?}");
    }
}

#[test]
fn a_redis_that_is_away_is_told_and_comes_back() {
    let site = Site::new("service-redis");
    let api = Api::start(&site, &[]);
    // Something whose lock is looked up.
    site.import(1);
    let work = || api.get("/api/admin/work");
    let requests: [&dyn Fn() -> Answer; 1] = [&work];
    is_back(&api, &requests);

    site.redis.borrow_mut().kill().unwrap();
    is_away(&api, "lock", &requests);
    assert_eq!(api.get("/api/cad").status, 200, "the rest goes on");
    site.redis.borrow_mut().restart().unwrap();
    is_back(&api, &requests);

    site.redis.borrow().pause().unwrap();
    is_away(&api, "lock", &requests);
    site.redis.borrow().resume().unwrap();
    is_back(&api, &requests);
    api.stop();
}

#[test]
fn a_postgres_that_is_away_is_told_and_comes_back() {
    let site = Site::alone("service-postgres");
    let api = Api::start(&site, &[]);
    let list = || api.get("/api/cad");
    let press = || {
        let path = "/api/admin/generate-missing-usd-masters";
        api.json("POST", path, &serde_json::json!({}))
    };
    let upload = || api.upload("part.step", &step("away"));
    let requests: [&dyn Fn() -> Answer; 3] = [&list, &press, &upload];
    is_back(&api, &requests);

    site.postgres.write().unwrap().kill().unwrap();
    is_away(&api, "database", &requests);
    site.postgres.write().unwrap().restart().unwrap();
    is_back(&api, &requests);

    site.postgres.read().unwrap().pause().unwrap();
    is_away(&api, "database", &requests);
    site.postgres.read().unwrap().resume().unwrap();
    is_back(&api, &requests);
    api.stop();
}
