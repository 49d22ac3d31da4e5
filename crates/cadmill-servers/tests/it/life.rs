//! Servers and the process and thread that started them.

use std::{
    fs::{self, Permissions},
    io::{BufRead as _, BufReader, ErrorKind, Read as _, Write as _},
    os::unix::fs::PermissionsExt as _,
    process::{Child, Command, Stdio},
    thread,
};

use cadmill_servers::{
    Redis, eventually,
    shared::{POSTGRES_URL, REDIS_URL},
};
use tempfile::TempDir;

use crate::{ask, connect};

/// Begins a session with PostgreSQL without saying who; Redis waits for more.
const NAMELESS: [u8; 9] = [0, 0, 0, 9, 0, 3, 0, 0, 0];

/// The program of this crate, its servers' URLs, and the folder that their folders are in.
struct Owner {
    program: Child,
    urls: Vec<String>,
    folder: TempDir,
}

impl Owner {
    fn start() -> Self {
        Self::start_with(&[], &[])
    }

    fn start_with(arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        // PostgreSQL may run as another user, who must get through.
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
        let mut program = Command::new(env!("CARGO_BIN_EXE_cadmill-servers"))
            .args(arguments)
            .env_remove(POSTGRES_URL)
            .env_remove(REDIS_URL)
            .envs(variables.iter().copied())
            .env("TMPDIR", folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(program.stdout.as_mut().unwrap()).lines();
        let urls: Vec<String> = lines.take(2).map(Result::unwrap).collect();
        assert_eq!(urls.len(), 2);
        Self {
            program,
            urls,
            folder,
        }
    }
}

#[test]
fn at_the_end_of_its_input_the_program_leaves_nothing() {
    let mut owner = Owner::start();
    drop(owner.program.stdin.take());
    assert!(owner.program.wait().unwrap().success());
    for url in &owner.urls {
        assert!(connect(url).is_err());
    }
    assert_eq!(fs::read_dir(owner.folder.path()).unwrap().count(), 0);
}

#[test]
#[cfg(target_os = "linux")]
fn servers_end_when_their_process_is_killed() {
    let mut owner = Owner::start();
    owner.program.kill().unwrap();
    owner.program.wait().unwrap();
    for url in &owner.urls {
        // A connection ends with its server at the latest; if none is taken, nobody listens.
        while let Ok(mut stream) = connect(url) {
            // PostgreSQL waits for a client's first packet also while it shuts down.
            let _ = stream.write_all(&NAMELESS);
            let said = stream.read_to_end(&mut Vec::new());
            assert!(!said.is_err_and(|error| error.kind() == ErrorKind::WouldBlock));
        }
    }
}

#[test]
fn servers_that_tests_share_leave_nothing_however_their_process_ends() {
    for is_killed in [false, true] {
        let mut owner = Owner::start_with(&["shared"], &[]);
        assert!(owner.urls.iter().all(|url| connect(url).is_ok()));
        if is_killed {
            owner.program.kill().unwrap();
        }
        drop(owner.program.stdin.take());
        owner.program.wait().unwrap();
        eventually("nothing is left", || {
            let is_empty = fs::read_dir(owner.folder.path()).unwrap().count() == 0;
            is_empty && owner.urls.iter().all(|url| connect(url).is_err())
        });
    }
}

#[test]
fn a_variable_names_the_server_that_tests_share() {
    let named = [
        (POSTGRES_URL, "postgres://named"),
        (REDIS_URL, "redis://named"),
    ];
    let mut owner = Owner::start_with(&["shared"], &named);
    assert_eq!(owner.urls, named.map(|(_, url)| url));
    drop(owner.program.stdin.take());
    assert!(owner.program.wait().unwrap().success());
    assert_eq!(fs::read_dir(owner.folder.path()).unwrap().count(), 0);
}

#[test]
fn a_server_outlives_the_thread_that_started_it() {
    let server = thread::spawn(|| Redis::start().unwrap()).join().unwrap();
    let mut stream = connect(&server.url()).unwrap();
    assert_eq!(ask(&mut stream, b"PING\r\n"), "+PONG\r\n");
}
