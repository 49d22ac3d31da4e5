//! Who asks, where a proxy stands in front and where none does: by that address failed logins are
//! counted, and in the log it stands.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{Router, body::Body, extract::ConnectInfo, http::Request};

use crate::harness::{Answer, Harness, answer};

const PROXY: &str = "10.0.0.9:4711";

fn router(behind_proxy: bool) -> Router {
    let mut harness = Harness::new();
    harness.settings.behind_proxy = behind_proxy;
    harness.settings.failed_logins_per_minute = std::num::NonZeroU32::MIN;
    harness.router()
}

/// A login that fails, over a connection from `peer`.
async fn guess(router: &Router, peer: &str, forwarded: &[&str]) -> Answer {
    let peer: SocketAddr = peer.parse().unwrap();
    let mut request = Request::builder().uri("/api/cad");
    for forwarded in forwarded {
        request = request.header("x-forwarded-for", *forwarded);
    }
    let request = request
        .header("authorization", "Bearer guess")
        .extension(ConnectInfo(peer));
    answer(router.clone(), request.body(Body::empty()).unwrap()).await
}

/// Checks which guesses come from a client that has guessed before; each may once.
async fn check(behind_proxy: bool, guesses: &[(&str, &[&str], bool)]) {
    let router = router(behind_proxy);
    for (peer, forwarded, is_known) in guesses {
        let answer = guess(&router, peer, forwarded).await;
        let status = if *is_known { 429 } else { 401 };
        assert_eq!(answer.status, status, "{peer} {forwarded:?}");
    }
}

#[tokio::test]
async fn without_a_proxy_clients_are_told_apart_by_their_connection() {
    check(
        false,
        &[
            ("192.0.2.1:1000", &[], false),
            ("192.0.2.1:2000", &[], true),
            ("192.0.2.2:1000", &[], false),
            // Whoever says to be somebody else is not.
            ("192.0.2.1:1000", &["198.51.100.7"], true),
            ("192.0.2.3:1000", &["198.51.100.7"], false),
        ],
    )
    .await;
}

#[tokio::test]
async fn behind_a_proxy_clients_are_told_apart_by_what_it_added_last() {
    check(
        true,
        &[
            (PROXY, &["198.51.100.1"], false),
            (PROXY, &["198.51.100.1"], true),
            (PROXY, &["198.51.100.2"], false),
            // What stood there before was written by the client.
            (PROXY, &["198.51.100.3, 198.51.100.1"], true),
            (PROXY, &["198.51.100.1", "198.51.100.2"], true),
            (PROXY, &["198.51.100.1,2001:db8::1"], false),
            (PROXY, &["2001:db8::1"], true),
            // Without a word from the proxy it is the client.
            (PROXY, &[], false),
            (PROXY, &["unknown"], true),
        ],
    )
    .await;
}

/// What was logged.
#[derive(Debug, Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What the log says of a client that guesses twice.
async fn logged(behind_proxy: bool) -> String {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_writer(move || writer.clone());
    let guard = tracing::subscriber::set_default(subscriber.finish());
    for _ in 0..2 {
        let router = router(behind_proxy);
        for _ in 0..2 {
            guess(&router, PROXY, &["198.51.100.1"]).await;
        }
        // A line that another test logs for the first time just now, without a subscriber, may have
        // been taken for one that is never wanted.
        tracing::callsite::rebuild_interest_cache();
    }
    drop(guard);
    let bytes = log.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap()
}

#[tokio::test]
async fn the_log_names_the_same_client() {
    for (behind_proxy, client) in [(false, "10.0.0.9"), (true, "198.51.100.1")] {
        let log = logged(behind_proxy).await;
        let line = log.lines().find(|line| line.contains("guessing tokens"));
        let line = line.unwrap_or_else(|| panic!("{log}"));
        assert!(line.contains(&format!("client.address={client}")), "{line}");
    }
}
