//! `cadmill health`: checks that a server is alive, for containers without an HTTP client.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::{TcpStream, ToSocketAddrs as _},
    time::Duration,
};

use anyhow::{Context as _, Result};
use clap::Args;

use crate::{
    exit::{Exit, Failed},
    terminal::{output, text::plain},
};

/// How long each step may take.
const TIMEOUT: Duration = Duration::from_secs(3);

#[derive(Debug, Args)]
pub(crate) struct HealthArguments {
    /// The URL to request, by plain HTTP.
    #[arg(value_name = "URL", default_value = "http://127.0.0.1:8080/healthz")]
    url: String,
}

pub(crate) fn run(arguments: &HealthArguments) -> Result<Exit> {
    let url = &arguments.url;
    let status = status_line(url).with_context(|| format!("no response from `{}`", plain(url)))?;
    output::line(&plain(&status))?;
    let is_ok = status.split(' ').nth(1) == Some("200");
    Ok(if is_ok { Exit::Ok } else { Exit::Failed })
}

/// Requests `url`, and returns the status line of the response.
fn status_line(url: &str) -> Result<String> {
    let rest = url.strip_prefix("http://");
    let rest = rest.ok_or_else(|| Failed("only `http://` is supported".to_owned()))?;
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let has_port = host
        .rsplit_once(':')
        .is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    let name = if has_port {
        host.to_owned()
    } else {
        format!("{host}:80")
    };
    let address = name.to_socket_addrs()?.next();
    let address = address.context("the host has no address")?;
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    write!(
        stream,
        "GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    )?;
    let mut status = String::new();
    BufReader::new(stream).read_line(&mut status)?;
    Ok(status.trim_end().to_owned())
}
