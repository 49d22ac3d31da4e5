//! What connecting says when it is told something wrong.

use std::{error::Error as _, net::TcpListener, time::Instant};

use cadmill_lock::{DedupLock as _, LockError, redis::RedisLock};

use crate::redis_server::RedisServer;

/// Connecting to `url` fails soon, and shows no secret.
async fn refused(url: &str) -> LockError {
    let started = Instant::now();
    let error = RedisLock::connect(url, "worker").await.expect_err(url);
    assert!(started.elapsed().as_secs() < 8, "{:?}", started.elapsed());
    let mut shown = format!("{error} {error:?}");
    let source = error.source().map(ToString::to_string).unwrap_or_default();
    shown.push_str(&source);
    assert!(!shown.contains("hunter2"), "{shown}");
    println!("{error}: {source}");
    error
}

#[tokio::test]
async fn a_wrong_password_is_said_and_not_shown() {
    let mut server = RedisServer::with_password("hunter2");
    let lock = RedisLock::connect(&server.url(), "worker").await.unwrap();
    lock.ping().await.unwrap();
    assert!(!format!("{lock:?}").contains("hunter2"));
    let port = server.port();
    for credentials in [":hunter2x@", "", "nobody:hunter2@"] {
        let error = refused(&format!("redis://{credentials}127.0.0.1:{port}")).await;
        assert!(matches!(error, LockError::Config(_)), "{error:?}");
    }
    // It is asked for it again after a restart.
    server.kill();
    server.start_again();
    crate::redis_faults::until(async || lock.ping().await.is_ok()).await;
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unavailable() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    // It takes connections, and never says anything.
    let error = refused(&format!("redis://:hunter2@127.0.0.1:{port}")).await;
    assert!(matches!(error, LockError::Unavailable(_)), "{error:?}");
    drop(listener);
    for url in [
        &format!("redis://:hunter2@127.0.0.1:{port}"),
        &format!("rediss://:hunter2@127.0.0.1:{port}"),
        &format!("redis-cluster://:hunter2@127.0.0.1:{port}"),
        &format!("redis-sentinel://:hunter2@127.0.0.1:{port}?sentinelServiceName=main"),
        "redis://:hunter2@host.invalid",
    ] {
        let error = refused(url).await;
        assert!(
            matches!(error, LockError::Unavailable(_)),
            "{url}: {error:?}"
        );
    }
}

#[tokio::test]
async fn a_server_without_tls_is_not_talked_to_in_the_clear() {
    let server = RedisServer::start();
    refused(&format!("rediss://127.0.0.1:{}", server.port())).await;
}

#[tokio::test]
async fn a_url_that_makes_no_sense_is_a_matter_of_configuration() {
    for url in [
        "",
        "hunter2",
        "http://:hunter2@localhost",
        "redis://:hunter2@localhost:port",
    ] {
        let error = refused(url).await;
        assert!(matches!(error, LockError::Config(_)), "{error:?}");
    }
}
