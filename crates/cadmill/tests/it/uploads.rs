//! Large uploads, and aborted uploads.

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
    server::{Server, multipart},
    test_dir::{TestDir, step},
};

const HEAD: &str = "--cut\r\nContent-Disposition: form-data; name=\"file\"; \
                    filename=\"large.step\"\r\n\r\n";
const END: &str = "\r\n--cut--\r\n";
const OPEN: (&str, &str) = ("CADMILL_ACCESS", "open");

/// Starts an upload of one file of `bytes` bytes.
fn start_upload(server: &Server, bytes: u64) -> TcpStream {
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

/// A server whose only slot is busy, so that nothing reads the upload.
fn busy(dir: &TestDir) -> (Server, File) {
    let fifo = dir.path("fifo");
    nix::unistd::mkfifo(&fifo, Mode::S_IRWXU).unwrap();
    let variables = [OPEN, ("CADMILL_SLOTS", "1"), ("CADMILL_GRACE", "1s")];
    let server = Server::start(dir, &variables);
    let order = format!("hang-politely fifo={}", fifo.display());
    let (kind, body) = multipart("hangs.step", &step(&order));
    assert_eq!(server.send("POST /api/cad", &[&kind], &body).0, 201);
    let mut fifo = File::open(fifo).unwrap();
    assert_ne!(fifo.read(&mut [0; 32]).unwrap(), 0);
    (server, fifo)
}

#[cfg(target_os = "linux")]
#[test]
fn two_gigabytes_are_uploaded_within_200_megabytes_of_memory() {
    const BYTES: u64 = 2 << 30;
    let dir = TestDir::new();
    let (server, _fifo) = busy(&dir);
    let mut stream = start_upload(&server, BYTES);
    let piece = vec![b' '; 1 << 20];
    for _ in 0..BYTES / piece.len() as u64 {
        stream.write_all(&piece).unwrap();
    }
    stream.write_all(END.as_bytes()).unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    let (head, body) = response.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 201"), "{response}");
    let file: Value = serde_json::from_str(body).unwrap();
    assert_eq!(file["size_bytes"], json!(BYTES), "{file}");
    let peak_kib = server.peak_kib();
    assert!(peak_kib < 200_000, "{peak_kib} KiB");
    server.stop();
}

/// How a client disconnects.
#[derive(Clone, Copy)]
enum Disconnect {
    Close,
    Reset,
}

#[test]
fn an_aborted_upload_leaves_nothing() {
    let dir = TestDir::new();
    let server = Server::start(&dir, &[OPEN]);
    let before = stored(&dir);
    for disconnect in [Disconnect::Close, Disconnect::Reset] {
        let mut stream = start_upload(&server, 64 << 20);
        // More than one part of the blob store, so that the first one is on the disk.
        stream.write_all(&vec![b' '; 20 << 20]).unwrap();
        eventually(|| stored(&dir).len() > before.len());
        if matches!(disconnect, Disconnect::Reset) {
            reset(&stream);
        }
        drop(stream);
        eventually(|| stored(&dir) == before);
    }
    let (_, page) = server.json("GET /api/cad", "", &Value::Null);
    assert_eq!(page["files"], json!([]), "{page}");
    assert_eq!(dir.names("cadmill-data/blobs"), ["cadmill-owner.json"]);
    server.stop();
    dir.assert_scratch_is_empty();
}

/// The files in the data folder, except those of the database.
fn stored(dir: &TestDir) -> Vec<String> {
    let names = dir.names("cadmill-data").into_iter();
    names
        .filter(|name| !name.starts_with("cadmill.db"))
        .collect()
}

/// Makes the connection end with a reset, as if the client had crashed.
fn reset(stream: &TcpStream) {
    let linger = nix::libc::linger {
        l_onoff: 1,
        l_linger: 0,
    };
    nix::sys::socket::setsockopt(stream, nix::sys::socket::sockopt::Linger, &linger).unwrap();
}

/// Waits until a condition of another process holds.
#[track_caller]
#[expect(
    clippy::disallowed_methods,
    reason = "the condition is in another process"
)]
pub(crate) fn eventually(mut condition: impl FnMut() -> bool) {
    let since = Instant::now();
    while !condition() {
        assert!(
            since.elapsed() < Duration::from_mins(1),
            "the condition never holds"
        );
        thread::sleep(Duration::from_millis(20));
    }
}
