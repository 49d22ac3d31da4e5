//! Uploads that are large, and uploads that break off.

use std::{
    fs::File,
    io::{Read as _, Write as _},
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

use nix::sys::stat::Mode;
use serde_json::{Value, json};

use crate::{
    bench::{Bench, step},
    server::{Server, multipart},
};

const HEAD: &str = "--cut\r\nContent-Disposition: form-data; name=\"file\"; \
                    filename=\"large.step\"\r\n\r\n";
const END: &str = "\r\n--cut--\r\n";
const OPEN: (&str, &str) = ("CADMILL_ACCESS", "open");

/// Begins an upload of one file of so many bytes.
fn begin(server: &Server, bytes: u64) -> TcpStream {
    let mut stream = TcpStream::connect(&server.address).unwrap();
    let length = bytes + (HEAD.len() + END.len()) as u64;
    let head = format!(
        "POST /api/cad HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Length: {length}\r\n\
         Content-Type: multipart/form-data; boundary=cut\r\n\r\n{HEAD}",
        server.address
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream
}

/// A server whose only slot is taken, so that nothing reads what comes in.
fn busy(bench: &Bench) -> (Server, File) {
    let leash = bench.path("leash");
    nix::unistd::mkfifo(&leash, Mode::S_IRWXU).unwrap();
    let variables = [OPEN, ("CADMILL_SLOTS", "1"), ("CADMILL_GRACE", "1s")];
    let server = Server::start(bench, &variables);
    let order = format!("hang-politely fifo={}", leash.display());
    let (kind, body) = multipart("hangs.step", &step(&order));
    assert_eq!(server.ask("POST /api/cad", &[&kind], &body).0, 201);
    let mut leash = File::open(leash).unwrap();
    assert_ne!(leash.read(&mut [0; 32]).unwrap(), 0);
    (server, leash)
}

#[cfg(target_os = "linux")]
#[test]
fn two_gigabytes_come_in_within_200_megabytes_of_memory() {
    const BYTES: u64 = 2 << 30;
    let bench = Bench::new();
    let (server, _leash) = busy(&bench);
    let mut stream = begin(&server, BYTES);
    let piece = vec![b' '; 1 << 20];
    for _ in 0..BYTES / piece.len() as u64 {
        stream.write_all(&piece).unwrap();
    }
    stream.write_all(END.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 201"), "{answer}");
    let file: Value = serde_json::from_str(body).unwrap();
    assert_eq!(file["size_bytes"], json!(BYTES), "{file}");
    let peak_kib = server.peak_kib();
    assert!(peak_kib < 200_000, "{peak_kib} KiB");
    server.stop();
}

/// How a client goes away.
#[derive(Clone, Copy)]
enum Leave {
    Politely,
    ByReset,
}

#[test]
fn an_upload_that_breaks_off_leaves_nothing() {
    let bench = Bench::new();
    let server = Server::start(&bench, &[OPEN]);
    let before = kept(&bench);
    for leave in [Leave::Politely, Leave::ByReset] {
        let mut stream = begin(&server, 64 << 20);
        // More than one part of the blob store, of which the first is then on the disk.
        stream.write_all(&vec![b' '; 20 << 20]).unwrap();
        eventually(|| kept(&bench).len() > before.len());
        if matches!(leave, Leave::ByReset) {
            reset(&stream);
        }
        drop(stream);
        eventually(|| kept(&bench) == before);
    }
    let (_, page) = server.json("GET /api/cad", "", &Value::Null);
    assert_eq!(page["files"], json!([]), "{page}");
    assert_eq!(bench.names("cadmill-data/blobs"), ["cadmill-owner.json"]);
    server.stop();
    bench.assert_scratch_is_empty();
}

/// What lies in the data folder, but for what the database writes beside itself.
fn kept(bench: &Bench) -> Vec<String> {
    let names = bench.names("cadmill-data").into_iter();
    names
        .filter(|name| !name.starts_with("cadmill.db"))
        .collect()
}

/// Lets the connection end as that of a client which crashes.
fn reset(stream: &TcpStream) {
    let linger = nix::libc::linger {
        l_onoff: 1,
        l_linger: 0,
    };
    nix::sys::socket::setsockopt(stream, nix::sys::socket::sockopt::Linger, &linger).unwrap();
}

#[track_caller]
#[expect(
    clippy::disallowed_methods,
    reason = "another process does not tell when it is so"
)]
pub(crate) fn eventually(mut is_so: impl FnMut() -> bool) {
    let since = Instant::now();
    while !is_so() {
        assert!(since.elapsed() < Duration::from_mins(1), "it is never so");
        thread::sleep(Duration::from_millis(20));
    }
}
