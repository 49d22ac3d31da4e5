//! A private Redis.

use std::io::Write as _;

use cadmill_servers::{Redis, RedisOptions, ServerError};

use crate::{answer, ask, connect, is_silent, processes_in};

fn command(server: &Redis, line: &str) -> String {
    let mut stream = connect(&server.url()).unwrap();
    ask(&mut stream, format!("{line}\r\n").as_bytes())
}

#[test]
fn it_answers_and_two_are_apart() {
    let one = Redis::start().unwrap();
    let other = Redis::start().unwrap();
    assert_eq!(command(&one, "PING"), "+PONG\r\n");
    assert_eq!(command(&one, "SET k 1"), "+OK\r\n");
    assert_eq!(command(&other, "GET k"), "$-1\r\n");
}

#[test]
fn one_with_a_password_asks_for_it() {
    let server = Redis::start_with(RedisOptions {
        password: true,
        ..RedisOptions::default()
    })
    .unwrap();
    assert!(command(&server, "PING").starts_with("-NOAUTH"));
    let url = server.url();
    let password = url["redis://:".len()..].split('@').next().unwrap();
    let mut stream = connect(&url).unwrap();
    let auth = format!("AUTH {password}\r\n");
    assert_eq!(ask(&mut stream, auth.as_bytes()), "+OK\r\n");
    assert_eq!(ask(&mut stream, b"PING\r\n"), "+PONG\r\n");
}

#[test]
fn only_with_a_file_does_it_remember_after_a_kill() {
    for (append_only, remembered) in [(false, "$-1\r\n"), (true, "$1\r\n7\r\n")] {
        let mut server = Redis::start_with(RedisOptions {
            append_only,
            ..RedisOptions::default()
        })
        .unwrap();
        assert_eq!(command(&server, "SET k 7"), "+OK\r\n");
        server.kill().unwrap();
        assert!(connect(&server.url()).is_err());
        assert!(matches!(
            server.resume(),
            Err(ServerError::NotRunning { .. })
        ));
        server.restart().unwrap();
        assert_eq!(command(&server, "GET k"), remembered);
        server.stop().unwrap();
        server.restart().unwrap();
        assert_eq!(command(&server, "GET k"), remembered);
    }
}

#[test]
fn while_it_is_paused_it_is_silent() {
    let server = Redis::start().unwrap();
    let mut stream = connect(&server.url()).unwrap();
    assert_eq!(ask(&mut stream, b"PING\r\n"), "+PONG\r\n");
    server.pause().unwrap();
    stream.write_all(b"PING\r\n").unwrap();
    assert!(is_silent(&mut stream));
    server.resume().unwrap();
    assert_eq!(answer(&mut stream), "+PONG\r\n");
}

#[test]
fn a_port_that_another_has_taken_is_told() {
    let mut server = Redis::start().unwrap();
    server.stop().unwrap();
    let url = server.url();
    let port: u16 = url.rsplit(':').next().unwrap().parse().unwrap();
    let taken = std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
    let error = server.restart().unwrap_err();
    assert!(
        matches!(error, ServerError::PortInUse { port: told, .. } if told == port),
        "{error}"
    );
    drop(taken);
    server.restart().unwrap();
    assert_eq!(command(&server, "PING"), "+PONG\r\n");
}

#[test]
fn dropping_it_leaves_no_process_and_no_folder() {
    let server = Redis::start().unwrap();
    let folder = server.folder().to_owned();
    assert!(!cfg!(target_os = "linux") || processes_in(&folder) == 1);
    drop(server);
    assert_eq!(processes_in(&folder), 0);
    assert!(!folder.exists());
}
