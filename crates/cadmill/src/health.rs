//! `cadmill health`: asks a server whether it lives, for containers that have nothing else to ask
//! with.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::{TcpStream, ToSocketAddrs as _},
    time::Duration,
};

use anyhow::{Context as _, Result};

use crate::{
    cli::HealthArguments,
    exit::{Exit, Failed},
    output::{self, plain},
};

/// How long each step may take.
const PATIENCE: Duration = Duration::from_secs(3);

pub(crate) fn run(arguments: &HealthArguments) -> Result<Exit> {
    let url = &arguments.url;
    let asked = ask(url);
    let status = asked.with_context(|| format!("`{}` does not answer", plain(url)))?;
    output::line(&plain(&status))?;
    let is_good = status.split(' ').nth(1) == Some("200");
    Ok(if is_good { Exit::Ok } else { Exit::Failed })
}

/// The status line of the answer.
fn ask(url: &str) -> Result<String> {
    let rest = url.strip_prefix("http://");
    let rest = rest.ok_or_else(|| Failed("only `http://` can be asked".to_owned()))?;
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let has_port = host
        .rsplit_once(':')
        .is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    let address = if has_port {
        host.to_owned()
    } else {
        format!("{host}:80")
    };
    let mut addresses = address.to_socket_addrs()?;
    let address = addresses.next().context("the name has no address")?;
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    write!(
        stream,
        "GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    )?;
    let mut status = String::new();
    BufReader::new(stream).read_line(&mut status)?;
    Ok(status.trim_end().to_owned())
}
