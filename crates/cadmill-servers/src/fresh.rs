//! What each server gets anew: a secret, a port, a folder.

use std::{
    fmt::Write as _,
    fs::File,
    io::{self, Read as _},
    net::{Ipv4Addr, TcpListener},
    ops::Range,
};

use tempfile::TempDir;

use crate::{account::Account, error::ServerError};

/// Below the ports that Linux (32768) and macOS (49152) give to outgoing connections. Above, one of
/// them could take the port of a server that is down for a moment, even one to that very port.
const PORTS: Range<u16> = 15_000..32_000;
/// How many ports are tried.
const TRIES: usize = 20;

/// A secret of 128 bits in hexadecimal digits.
pub(crate) fn secret() -> Result<String, ServerError> {
    let mut secret = String::new();
    for byte in random::<16>()? {
        // Writing into a `String` cannot fail.
        let _ = write!(secret, "{byte:02x}");
    }
    Ok(secret)
}

/// A folder that only the owner of this process can enter, or `account` if there is one.
pub(crate) fn folder(
    server: &'static str,
    account: Option<Account>,
) -> Result<TempDir, ServerError> {
    let make = || {
        let folder = tempfile::Builder::new()
            .prefix("cadmill-server-")
            .tempdir()?;
        if let Some(account) = account {
            account.own(folder.path())?;
        }
        Ok(folder)
    };
    make().map_err(|source| ServerError::Folder { server, source })
}

/// Lets `start` try ports that nobody listens on, until one is not taken by somebody faster.
pub(crate) fn on_a_free_port<T>(
    mut start: impl FnMut(u16) -> Result<T, ServerError>,
) -> Result<(u16, T), ServerError> {
    let mut tried = 0;
    loop {
        tried += 1;
        let port = free_port()?;
        match start(port) {
            Err(ServerError::PortInUse { .. }) if tried < TRIES => {}
            outcome => return outcome.map(|started| (port, started)),
        }
    }
}

fn free_port() -> Result<u16, ServerError> {
    let mut tried = 0;
    loop {
        tried += 1;
        let number = u16::from_ne_bytes(random::<2>()?);
        let port = PORTS.start + number % (PORTS.end - PORTS.start);
        match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            Ok(_) => return Ok(port),
            Err(source) if tried == TRIES => {
                let what = "free port";
                return Err(ServerError::System { what, source });
            }
            Err(_) => {}
        }
    }
}

fn random<const N: usize>() -> Result<[u8; N], ServerError> {
    let read = || -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        File::open("/dev/urandom")?.read_exact(&mut bytes)?;
        Ok(bytes)
    };
    read().map_err(|source| ServerError::System {
        what: "random number",
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_is_taken_meanwhile_costs_another_try() {
        let mut tried = 0;
        let (port, third) = on_a_free_port(|port| {
            tried += 1;
            match tried {
                3 => Ok(tried),
                _ => Err(ServerError::PortInUse { server: "", port }),
            }
        })
        .unwrap();
        assert_eq!(third, 3);
        assert!(PORTS.contains(&port));
    }

    #[test]
    fn ports_run_out_and_other_errors_end_the_search() {
        let mut tried = 0;
        let outcome = on_a_free_port(|port| {
            tried += 1;
            Err::<(), _>(ServerError::PortInUse { server: "", port })
        });
        assert!(matches!(outcome, Err(ServerError::PortInUse { .. })));
        assert_eq!(tried, TRIES);
        let outcome = on_a_free_port(|_| Err::<(), _>(ServerError::NotRunning { server: "" }));
        assert!(matches!(outcome, Err(ServerError::NotRunning { .. })));
    }
}
