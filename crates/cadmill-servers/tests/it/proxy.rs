//! A proxy in front of a Redis, and in front of a server that counts what it gets.

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::{Ipv4Addr, TcpListener, TcpStream},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use cadmill_servers::{Proxy, Redis, ServerError, Traffic};

use crate::{answer, ask, connect, is_silent};

const PING: &[u8] = b"PING\r\n";
const PONG: &str = "+PONG\r\n";

/// Whether the other side has ended the connection.
fn is_over(stream: &mut TcpStream) -> bool {
    match stream.read(&mut [0]) {
        Ok(bytes) => bytes == 0,
        Err(error) => error.kind() == ErrorKind::ConnectionReset,
    }
}

/// A server that takes one connection; how many bytes it got there.
fn sink() -> (String, JoinHandle<usize>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let url = format!("http://{}/bucket?x=1", listener.local_addr().unwrap());
    let counting = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut bytes = Vec::new();
        // A connection that is broken off ends, too.
        drop(stream.read_to_end(&mut bytes));
        bytes.len()
    });
    (url, counting)
}

#[test]
fn it_forwards_and_counts() {
    let server = Redis::start().unwrap();
    let proxy = Proxy::start(&server.url()).unwrap();
    let mut stream = connect(proxy.url()).unwrap();
    assert_eq!(ask(&mut stream, PING), PONG);
    let passed = (proxy.accepted(), proxy.sent(), proxy.received());
    assert_eq!(passed, (1, PING.len() as u64, PONG.len() as u64));
}

#[test]
fn the_rest_of_the_url_stays() {
    let proxy = Proxy::start("postgres://user:word@localhost:5432/name?a=b").unwrap();
    let (user, rest) = proxy.url().split_once('@').unwrap();
    assert_eq!(user, "postgres://user:word");
    assert!(rest.starts_with("127.0.0.1:") && rest.ends_with("/name?a=b"));
    assert!(matches!(
        Proxy::start("http:///path"),
        Err(ServerError::NoAddress)
    ));
}

#[test]
fn while_it_is_silent_nothing_passes_and_nothing_is_lost() {
    let mut server = Redis::start().unwrap();
    let proxy = Proxy::start(&server.url()).unwrap();
    let mut old = connect(proxy.url()).unwrap();
    assert_eq!(ask(&mut old, PING), PONG);
    proxy.set(Traffic::Silent);
    let mut new = connect(proxy.url()).unwrap();
    for stream in [&mut old, &mut new] {
        stream.write_all(PING).unwrap();
        assert!(is_silent(stream));
    }
    proxy.set(Traffic::Forward);
    assert_eq!(answer(&mut old), PONG);
    assert_eq!(answer(&mut new), PONG);

    // The end of the server is not seen either.
    proxy.set(Traffic::Silent);
    server.kill().unwrap();
    let mut late = connect(proxy.url()).unwrap();
    assert!(is_silent(&mut old) && is_silent(&mut late));
    proxy.set(Traffic::Forward);
    assert!(is_over(&mut old) && is_over(&mut late));
}

#[test]
fn answers_alone_can_be_held_back() {
    let server = Redis::start().unwrap();
    let proxy = Proxy::start(&server.url()).unwrap();
    let mut stream = connect(proxy.url()).unwrap();
    proxy.set(Traffic::HoldAnswers);
    stream.write_all(b"SET k 7\r\n").unwrap();
    assert!(is_silent(&mut stream));
    let mut direct = connect(&server.url()).unwrap();
    assert_eq!(ask(&mut direct, b"GET k\r\n"), "$1\r\n7\r\n");
    proxy.set(Traffic::Forward);
    assert_eq!(answer(&mut stream), "+OK\r\n");
}

#[test]
fn connections_are_cut_and_refused() {
    let server = Redis::start().unwrap();
    let proxy = Proxy::start(&server.url()).unwrap();
    let mut stream = connect(proxy.url()).unwrap();
    assert_eq!(ask(&mut stream, PING), PONG);
    proxy.cut();
    assert_eq!(proxy.open(), 0);
    assert!(is_over(&mut stream));
    let mut stream = connect(proxy.url()).unwrap();
    assert_eq!(ask(&mut stream, PING), PONG);
    proxy.set(Traffic::Refuse);
    assert!(is_over(&mut stream));
    assert!(is_over(&mut connect(proxy.url()).unwrap()));
    proxy.set(Traffic::Forward);
    assert_eq!(ask(&mut connect(proxy.url()).unwrap(), PING), PONG);
}

#[test]
fn an_upload_is_cut_in_the_middle_once() {
    let (url, got) = sink();
    let proxy = Proxy::start(&url).unwrap();
    proxy.cut_after_sent(100_000);
    let mut stream = connect(proxy.url()).unwrap();
    let piece = [0; 1000];
    while stream.write_all(&piece).is_ok() {}
    let got = got.join().unwrap();
    assert!((100_000..200_000).contains(&got), "{got}");

    let (url, got) = sink();
    let proxy = Proxy::start(&url).unwrap();
    connect(proxy.url()).unwrap().write_all(&piece).unwrap();
    assert_eq!(got.join().unwrap(), 1000);
}

#[test]
fn bytes_take_the_time_that_the_settings_give_them() {
    let server = Redis::start().unwrap();
    let proxy = Proxy::start(&server.url()).unwrap();
    let delay = Duration::from_millis(50);
    proxy.set_delay(delay);
    let mut stream = connect(proxy.url()).unwrap();
    let begin = Instant::now();
    assert_eq!(ask(&mut stream, PING), PONG);
    assert!(begin.elapsed() >= 2 * delay);

    let (url, got) = sink();
    let proxy = Proxy::start(&url).unwrap();
    proxy.set_bytes_per_second(Some(200_000));
    let begin = Instant::now();
    connect(proxy.url())
        .unwrap()
        .write_all(&vec![0; 100_000])
        .unwrap();
    assert_eq!(got.join().unwrap(), 100_000);
    // The first twentieth of a second's worth passes at once.
    assert!(begin.elapsed() >= Duration::from_millis(400));
}

#[test]
fn dropping_it_ends_its_connections() {
    let server = Redis::start().unwrap();
    let proxy = Proxy::start(&server.url()).unwrap();
    let url = proxy.url().to_owned();
    proxy.set(Traffic::Silent);
    let mut stream = connect(&url).unwrap();
    drop(proxy);
    assert!(is_over(&mut stream));
    // No further connection is taken, or it is closed at once.
    assert!(connect(&url).map_or(true, |mut stream| is_over(&mut stream)));
}
