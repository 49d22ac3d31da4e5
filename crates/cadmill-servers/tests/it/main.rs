//! Integration tests of `cadmill-servers`, on real servers.

mod life;
mod postgres;
mod proxy;
mod redis;

use std::{
    fs,
    io::{ErrorKind, Read as _, Write as _},
    net::TcpStream,
    path::Path,
    time::Duration,
};

/// Far more than an answer takes.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long a paused server is listened to; it would have answered in a thousandth of it.
const SILENCE: Duration = Duration::from_millis(300);

/// Connects to the server at `url`, whose reads then wait for up to [`PATIENCE`].
fn connect(url: &str) -> std::io::Result<TcpStream> {
    let authority = url.split("//").nth(1).unwrap().split('/').next().unwrap();
    let stream = TcpStream::connect(authority.rsplit('@').next().unwrap())?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(stream)
}

fn ask(stream: &mut TcpStream, request: &[u8]) -> String {
    stream.write_all(request).unwrap();
    answer(stream)
}

fn answer(stream: &mut TcpStream) -> String {
    let mut bytes = [0; 256];
    let length = stream.read(&mut bytes).unwrap();
    String::from_utf8_lossy(&bytes[..length]).into_owned()
}

fn is_silent(stream: &mut TcpStream) -> bool {
    stream.set_read_timeout(Some(SILENCE)).unwrap();
    let outcome = stream.read(&mut [0]);
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    outcome.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
}

/// The processes that work in or below `folder`, as Linux knows them.
fn processes_in(folder: &Path) -> usize {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    processes
        .filter_map(|process| fs::read_link(process.path().join("cwd")).ok())
        .filter(|cwd| cwd.starts_with(folder))
        .count()
}
