//! A private PostgreSQL.

use std::{fs, io::Write as _};

use cadmill_servers::{Postgres, PostgresOptions, ServerError};

use crate::{answer, ask, connect, is_silent, processes_in};

/// Asks for TLS, and then for GSSAPI encryption: a session answers each with one letter.
const ENCRYPTION: [[u8; 8]; 2] = [[0, 0, 0, 8, 4, 210, 22, 47], [0, 0, 0, 8, 4, 210, 22, 48]];

#[test]
fn it_answers_and_its_databases_are_apart() {
    let server = Postgres::start().unwrap();
    assert_eq!(server.query(&server.url(), "select 1").unwrap(), "1");
    let one = server.create_database().unwrap();
    let other = server.create_database().unwrap();
    server.query(&one, "create table t ()").unwrap();
    server.query(&other, "create table t ()").unwrap();
    let encoding = server.query(&one, "show server_encoding").unwrap();
    assert_eq!(encoding, "UTF8");
}

#[test]
fn a_wrong_password_is_refused() {
    let server = Postgres::start().unwrap();
    let wrong = server.url().replace('@', "0@");
    let error = server.query(&wrong, "select 1").unwrap_err();
    let ServerError::Failed { output, .. } = &error else {
        panic!("{error}");
    };
    assert!(
        output.contains("password authentication failed"),
        "{output}"
    );
}

#[test]
fn what_was_committed_survives_a_kill_and_a_stop() {
    let mut server = Postgres::start().unwrap();
    let url = server.create_database().unwrap();
    let insert = "create table t (n int); insert into t values (7)";
    server.query(&url, insert).unwrap();

    // A session that is at work does not see by itself that its server has died.
    let mut session = connect(&url).unwrap();
    assert_eq!(ask(&mut session, &ENCRYPTION[0]), "N");
    server.kill().unwrap();
    assert_eq!(processes_in(server.folder()), 0);
    assert!(connect(&url).is_err());
    server.kill().unwrap();
    server.stop().unwrap();
    assert!(matches!(
        server.pause(),
        Err(ServerError::NotRunning { .. })
    ));

    server.restart().unwrap();
    assert_eq!(server.query(&url, "select n from t").unwrap(), "7");
    server.restart().unwrap();
    assert_eq!(server.query(&url, "select n from t").unwrap(), "7");
}

#[test]
fn one_that_cannot_start_says_why() {
    let mut server = Postgres::start().unwrap();
    server.stop().unwrap();
    fs::remove_file(server.folder().join("data/PG_VERSION")).unwrap();
    let error = server.restart().unwrap_err();
    let ServerError::Ended { log, .. } = &error else {
        panic!("{error}");
    };
    assert!(log.contains("is not a valid data directory"), "{log}");
}

#[test]
fn options_make_it_like_one_in_production() {
    let options = PostgresOptions {
        durable: true,
        stock_memory: true,
        ..PostgresOptions::default()
    };
    let production = Postgres::start_with(options).unwrap();
    let test = Postgres::start().unwrap();
    for (setting, in_production, in_tests) in [
        ("fsync", &["on"][..], "off"),
        ("shared_buffers", &["128MB"], "64MB"),
        // Where the operating system offers no POSIX shared memory, as in some containers, `initdb`
        // takes that of System V.
        ("dynamic_shared_memory_type", &["posix", "sysv"], "mmap"),
    ] {
        let show = |server: &Postgres| {
            let shown = server.query(&server.url(), &format!("show {setting}"));
            shown.unwrap()
        };
        let shown = show(&production);
        assert!(
            in_production.contains(&shown.as_str()),
            "{setting}: {shown}"
        );
        assert_eq!(show(&test), in_tests);
    }
}

#[test]
fn while_it_is_paused_its_sessions_are_silent_too() {
    let server = Postgres::start().unwrap();
    let mut session = connect(&server.url()).unwrap();
    assert_eq!(ask(&mut session, &ENCRYPTION[0]), "N");
    server.pause().unwrap();
    let mut second = connect(&server.url()).unwrap();
    for (stream, packet) in [(&mut session, 1), (&mut second, 0)] {
        stream.write_all(&ENCRYPTION[packet]).unwrap();
        assert!(is_silent(stream));
    }
    server.resume().unwrap();
    assert_eq!(answer(&mut session).len(), 1);
    assert_eq!(answer(&mut second), "N");
}

#[test]
fn dropping_it_leaves_no_process_and_no_folder_even_if_it_is_paused() {
    for is_paused in [false, true] {
        let server = Postgres::start().unwrap();
        let folder = server.folder().to_owned();
        let mut session = connect(&server.url()).unwrap();
        assert_eq!(ask(&mut session, &ENCRYPTION[0]), "N");
        assert!(!cfg!(target_os = "linux") || processes_in(&folder) > 1);
        if is_paused {
            server.pause().unwrap();
        }
        drop(server);
        assert_eq!(processes_in(&folder), 0);
        assert!(!folder.exists());
        drop(session);
    }
}
