//! As much of Redis' protocol as the tests need to look into it and to disturb it.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
};

/// The answer to a command, a bulk string or a line.
pub(super) fn redis(url: &str, command: &[&str]) -> String {
    let address = url.strip_prefix("redis://").unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    let mut request = Vec::new();
    write!(request, "*{}\r\n", command.len()).unwrap();
    for word in command {
        write!(request, "${}\r\n{word}\r\n", word.len()).unwrap();
    }
    stream.write_all(&request).unwrap();
    let mut answer = BufReader::new(stream);
    let mut line = String::new();
    answer.read_line(&mut line).unwrap();
    let line = line.trim_end();
    assert!(!line.starts_with('-'), "{command:?}: {line}");
    let Some(bytes) = line.strip_prefix('$') else {
        return line.to_owned();
    };
    let mut bulk = vec![0; bytes.parse().unwrap()];
    answer.read_exact(&mut bulk).unwrap();
    String::from_utf8(bulk).unwrap()
}

/// The names of the locks that somebody holds.
pub(super) fn locks(url: &str) -> String {
    let script = "return table.concat(redis.call('KEYS', '*_lock*'), ' ')";
    redis(url, &["EVAL", script, "0"])
}
