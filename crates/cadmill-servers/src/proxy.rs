//! A TCP proxy in front of a server, with which a test makes the network fail.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, ToSocketAddrs as _},
    sync::Arc,
    thread,
    time::Duration,
};

use nix::sys::socket::{setsockopt, sockopt};

use crate::{
    error::ServerError,
    network::{Direction, Network},
};

/// The size of each socket buffer. The kernel's own would take several megabytes at once, so that a
/// client on a slow network would believe that it had sent them.
const SOCKET_BUFFER_BYTES: usize = 64 * 1024;

/// How the proxy treats the bytes of all its connections, old and new.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Traffic {
    /// Bytes pass in both directions.
    #[default]
    Forward,
    /// Connections stay open and new ones are accepted, but no byte passes in either direction, as
    /// if a cable were unplugged. No byte is lost: with [`Traffic::Forward`] they pass.
    Silent,
    /// Requests reach the server, but its answers are held back.
    HoldAnswers,
    /// Open connections are broken off, new ones are closed at once.
    Refuse,
}

/// A TCP proxy on a port of its own of 127.0.0.1, in front of one server. It forwards until it is
/// set to something else. All settings apply at once to open connections, too.
///
/// Dropping it breaks off its connections.
#[derive(Debug)]
pub struct Proxy {
    url: String,
    address: SocketAddr,
    network: Arc<Network>,
}

impl Proxy {
    /// Starts a proxy in front of the server at `url`, such as `redis://127.0.0.1:6379`. The URL
    /// must have a port.
    ///
    /// # Errors
    /// If the URL has no host and port, or no port is free.
    pub fn start(url: &str) -> Result<Self, ServerError> {
        let authority = authority(url);
        let server = authority
            .to_socket_addrs()
            .ok()
            .and_then(|mut addresses| addresses.next())
            .ok_or(ServerError::NoAddress)?;
        let (listener, address) = listen().map_err(|source| ServerError::System {
            what: "port for a proxy",
            source,
        })?;
        let network = Arc::new(Network::default());
        let of_thread = Arc::clone(&network);
        thread::spawn(move || accept(&listener, server, &of_thread));
        Ok(Self {
            url: url.replacen(authority, &address.to_string(), 1),
            address,
            network,
        })
    }

    /// The URL of the server by way of the proxy: the same user, password and path.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Changes how bytes are treated. After [`Traffic::Refuse`] no connection is open.
    pub fn set(&self, traffic: Traffic) {
        self.network.change(|settings| settings.traffic = traffic);
        if traffic == Traffic::Refuse {
            self.cut();
        }
    }

    /// Breaks off the open connections; new ones are treated as before.
    pub fn cut(&self) {
        self.network.cut();
    }

    /// When this many further bytes have passed from clients to the server, breaks off the
    /// connection that brought the last of them: in the middle of an upload, for example. That
    /// happens once.
    pub fn cut_after_sent(&self, bytes: u64) {
        self.network
            .change(|settings| settings.cut_after_sent = Some(bytes));
    }

    /// Holds each piece of at most 64 KiB back for this long, in both directions.
    pub fn set_delay(&self, delay: Duration) {
        self.network.change(|settings| settings.delay = delay);
    }

    /// Lets this many bytes pass in a second in each direction, on all connections together;
    /// without a number, as many as may be.
    ///
    /// # Panics
    /// If the number is 0: [`Traffic::Silent`] is for that.
    pub fn set_bytes_per_second(&self, limit: Option<u64>) {
        assert_ne!(limit, Some(0), "use `Traffic::Silent`");
        self.network
            .change(|settings| settings.bytes_per_second = limit);
    }

    /// How many connections were accepted since the start. It only grows.
    #[must_use]
    pub fn accepted(&self) -> u64 {
        self.network.accepted()
    }

    /// How many connections are open now.
    #[must_use]
    pub fn open(&self) -> usize {
        self.network.open()
    }

    /// How many bytes have passed from clients to the server since the start. It only grows.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.network.passed(Direction::ToServer)
    }

    /// How many bytes have passed from the server to clients since the start. It only grows.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.network.passed(Direction::ToClient)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.network.close();
        // The thread that accepts is waiting for a connection.
        drop(TcpStream::connect(self.address));
    }
}

/// `host:port` of a URL.
fn authority(url: &str) -> &str {
    let after_scheme = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = after_scheme.split(['/', '?']).next().unwrap_or_default();
    authority.rsplit('@').next().unwrap_or_default()
}

fn listen() -> io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    // Accepted sockets inherit it.
    setsockopt(&listener, sockopt::RcvBuf, &SOCKET_BUFFER_BYTES)?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

fn accept(listener: &TcpListener, server: SocketAddr, network: &Arc<Network>) {
    for client in listener.incoming() {
        if network.is_closed() {
            return;
        }
        // A client that gave up meanwhile, or a server that is down: the client sees its end.
        if let Ok(client) = client {
            drop(connect(client, server, network));
        }
    }
}

fn connect(client: TcpStream, server: SocketAddr, network: &Arc<Network>) -> io::Result<()> {
    let Some(connection) = network.admit(&client)? else {
        return Ok(());
    };
    let network = Arc::clone(network);
    // The server may be slow to accept; further clients do not wait for that.
    thread::spawn(move || {
        let forwarded = TcpStream::connect(server).and_then(|server| {
            setsockopt(&server, sockopt::RcvBuf, &SOCKET_BUFFER_BYTES)?;
            network.forward(connection, &client, &server)
        });
        // However it ended, the client sees its end.
        drop(forwarded);
        network.end(connection);
    });
    Ok(())
}
