//! How the service is, and what is told when something is away.

use std::{sync::Arc, time::Duration};

use cadmill_domain::{
    Failure, FailureCode, HealthCheck, MockCadFiles, StoreError, access_token::Role,
};
use chrono::TimeDelta;

use crate::harness::Harness;

/// A check that fails, or never ends.
#[derive(Debug)]
struct Check(&'static str, Option<Result<(), Failure>>);

#[async_trait::async_trait]
impl HealthCheck for Check {
    fn name(&self) -> &'static str {
        self.0
    }

    async fn check(&self) -> Result<(), Failure> {
        match &self.1 {
            Some(result) => result.clone(),
            None => std::future::pending().await,
        }
    }
}

#[tokio::test(start_paused = true)]
async fn readiness_names_what_fails_and_nothing_else() {
    let mut harness = Harness::new();
    harness.get("", "/healthz").await.is_ok();
    harness.api.checks = vec![Arc::new(Check("database", Some(Ok(()))))];
    let ready = harness.get("", "/readyz").await;
    ready.is_ok();
    assert_eq!(ready.json()["checks"][0], "database");
    let failure = Failure::new(FailureCode::Storage, "Connecting to 10.0.0.7 failed.");
    harness
        .api
        .checks
        .push(Arc::new(Check("blobs", Some(Err(failure)))));
    harness.api.checks.push(Arc::new(Check("locks", None)));
    harness.api.checks.push(Arc::new(Check("slow", None)));
    let began = tokio::time::Instant::now();
    let answer = harness.get("", "/readyz").await;
    assert_eq!(began.elapsed().as_secs(), 2, "the checks run side by side");
    let problem = answer.is_problem(503, "not_ready");
    let expected = "blobs (storage): The blob store cannot be used. locks: The check took too long. \
                    slow: The check took too long.";
    assert_eq!(problem["detail"], expected);
    assert!(!problem.to_string().contains("10.0.0.7"));
    assert_eq!(answer.header("retry-after"), "5");
    harness.get("", "/healthz").await.is_ok();
}

#[tokio::test]
async fn metrics_hold_the_queue() {
    let harness = Harness::new();
    let secret = harness.secret(Role::Viewer).await;
    harness.file("a.step", b"a").await;
    harness.clock.advance(TimeDelta::milliseconds(2500));
    let answer = harness.get(&secret, "/metrics").await;
    answer.is_ok();
    assert!(
        answer
            .header("content-type")
            .starts_with("text/plain; version=0.0.4")
    );
    let text = String::from_utf8(answer.body.to_vec()).unwrap();
    for line in [
        "up 1",
        "cadmill_queue_depth{kind=\"process_step\",priority=\"asked\"} 1",
        "cadmill_queue_oldest_age_seconds{kind=\"process_step\",priority=\"asked\"} 2.5",
        "cadmill_ledger_rows{kind=\"process_step\",state=\"queued\"} 1",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} in {text}");
    }
}

#[tokio::test]
async fn a_database_that_is_away_is_told_without_its_secrets() {
    let mut harness = Harness::new();
    let secret = harness.secret(Role::Viewer).await;
    let mut files = MockCadFiles::new();
    files
        .expect_list()
        .returning(|_| Err(StoreError::Unavailable("password is 1234".into())));
    files
        .expect_get()
        .returning(|_| Err(StoreError::Refused("syntax error near SELECT".into())));
    harness.api.files = Arc::new(files);
    let answer = harness.get(&secret, "/api/cad").await;
    let problem = answer.is_problem(503, "database_away");
    assert_eq!(answer.header("retry-after"), "5");
    assert!(!problem.to_string().contains("1234"));
    let path = "/api/cad/0192f3a4-0000-7000-8000-000000000001/part-materials";
    let problem = harness.get(&secret, path).await.is_problem(500, "internal");
    assert!(!problem.to_string().contains("SELECT"));
}

#[tokio::test]
async fn a_panic_is_a_problem() {
    let mut harness = Harness::new();
    let secret = harness.secret(Role::Viewer).await;
    // A mock without an expectation panics.
    harness.api.files = Arc::new(MockCadFiles::new());
    harness
        .get(&secret, "/api/cad")
        .await
        .is_problem(500, "internal");
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_takes_too_long_is_cut_off() {
    let mut harness = Harness::new();
    let secret = harness.secret(Role::Viewer).await;
    harness.settings.time_limit = Duration::from_secs(1);
    harness.api.checks = vec![Arc::new(Check("slow", None))];
    harness
        .get(&secret, "/readyz")
        .await
        .is_problem(503, "timed_out");
}
