//! What a [`Proxy`](crate::Proxy) lets pass, and when.

use std::{
    collections::HashMap,
    io::{self, Read as _, Write as _},
    net::{Shutdown, TcpStream},
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use crate::proxy::Traffic;

/// How much is read at once.
const MAX_PIECE_BYTES: usize = 64 * 1024;
/// Below a limit of bytes per second, how many pieces pass in a second.
const PIECES_PER_SECOND: u64 = 20;

/// The way that bytes go.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Direction {
    ToServer,
    ToClient,
}

/// What a test can change.
#[derive(Debug, Default)]
pub(crate) struct Settings {
    pub(crate) traffic: Traffic,
    pub(crate) delay: Duration,
    pub(crate) bytes_per_second: Option<u64>,
    pub(crate) cut_after_sent: Option<u64>,
}

/// The settings and the open connections of a proxy.
#[derive(Debug, Default)]
pub(crate) struct Network {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    settings: Settings,
    is_closed: bool,
    /// Also the number of the newest connection.
    accepted: u64,
    /// The sockets of each open connection.
    open: HashMap<u64, Vec<TcpStream>>,
    /// The bytes that passed in each direction.
    passed: [u64; 2],
    /// When the limit of bytes per second lets the next piece pass.
    free_at: [Option<Instant>; 2],
}

impl Network {
    /// Changes the settings for all connections.
    pub(crate) fn change(&self, change: impl FnOnce(&mut Settings)) {
        let mut state = self.lock();
        change(&mut state.settings);
        state.free_at = [None; 2];
        self.changed.notify_all();
    }

    /// Breaks off all open connections.
    pub(crate) fn cut(&self) {
        let mut state = self.lock();
        let open = std::mem::take(&mut state.open);
        for sockets in open.values() {
            shut_down(sockets);
        }
        self.changed.notify_all();
    }

    /// Breaks off all connections, for good.
    pub(crate) fn close(&self) {
        self.lock().is_closed = true;
        self.cut();
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.lock().is_closed
    }

    /// Takes in a new connection, if connections are taken, and numbers it.
    pub(crate) fn admit(&self, client: &TcpStream) -> io::Result<Option<u64>> {
        let mut state = self.lock();
        if state.is_closed || state.settings.traffic == Traffic::Refuse {
            return Ok(None);
        }
        let socket = client.try_clone()?;
        state.accepted += 1;
        let connection = state.accepted;
        state.open.insert(connection, vec![socket]);
        Ok(Some(connection))
    }

    /// Forwards between both sockets of a connection until both sides have ended it, or it is cut.
    pub(crate) fn forward(
        &self,
        connection: u64,
        client: &TcpStream,
        server: &TcpStream,
    ) -> io::Result<()> {
        let socket = server.try_clone()?;
        if let Some(sockets) = self.lock().open.get_mut(&connection) {
            sockets.push(socket);
        } else {
            return Ok(());
        }
        thread::scope(|scope| {
            scope.spawn(|| self.pump(connection, Direction::ToClient, server, client));
            self.pump(connection, Direction::ToServer, client, server);
        });
        Ok(())
    }

    /// Ends a connection; while the network is silent, neither side sees that.
    pub(crate) fn end(&self, connection: u64) {
        self.wait_to_pass(connection, Direction::ToClient, 0);
        self.cut_one(connection);
    }

    pub(crate) fn accepted(&self) -> u64 {
        self.lock().accepted
    }

    pub(crate) fn open(&self) -> usize {
        self.lock().open.len()
    }

    pub(crate) fn passed(&self, direction: Direction) -> u64 {
        self.lock().passed[direction as usize]
    }

    /// Forwards from one socket to the other until the first ends.
    fn pump(&self, connection: u64, way: Direction, mut from: &TcpStream, mut to: &TcpStream) {
        let mut piece = vec![0; MAX_PIECE_BYTES];
        loop {
            let max_bytes = self.max_piece_bytes();
            let read = from.read(&mut piece[..max_bytes]);
            let bytes = *read.as_ref().unwrap_or(&0);
            if !self.wait_to_pass(connection, way, bytes) {
                return;
            }
            let written = match read {
                Ok(0) => {
                    // The other direction may go on. If it cannot be shut down, it is gone already.
                    drop(to.shutdown(Shutdown::Write));
                    return;
                }
                Ok(_) => to.write_all(&piece[..bytes]),
                Err(error) => Err(error),
            };
            let is_over = written.is_err() || self.is_to_be_cut(way, bytes as u64);
            if is_over {
                self.cut_one(connection);
                return;
            }
        }
    }

    fn max_piece_bytes(&self) -> usize {
        let limit = self.lock().settings.bytes_per_second;
        limit.map_or(MAX_PIECE_BYTES, |limit| {
            let piece = (limit / PIECES_PER_SECOND).max(1);
            usize::try_from(piece).map_or(MAX_PIECE_BYTES, |piece| piece.min(MAX_PIECE_BYTES))
        })
    }

    /// Waits until so many bytes may pass, or the end of a stream; `false` if the connection was
    /// broken off.
    fn wait_to_pass(&self, connection: u64, way: Direction, bytes: usize) -> bool {
        let arrived = Instant::now();
        let mut state = self.lock();
        loop {
            if !state.open.contains_key(&connection) {
                return false;
            }
            let Some(wait) = state.wait_of(arrived, way) else {
                state = unpoisoned(self.changed.wait(state));
                continue;
            };
            if wait.is_zero() {
                state.pass(way, bytes);
                return true;
            }
            state = unpoisoned(self.changed.wait_timeout(state, wait)).0;
        }
    }

    /// Whether the connection is to be cut now that so many bytes have passed on it.
    fn is_to_be_cut(&self, way: Direction, bytes: u64) -> bool {
        let mut state = self.lock();
        match (way, state.settings.cut_after_sent) {
            (Direction::ToServer, Some(left)) => {
                state.settings.cut_after_sent = left.checked_sub(bytes).filter(|left| *left > 0);
                state.settings.cut_after_sent.is_none()
            }
            _ => false,
        }
    }

    fn cut_one(&self, connection: u64) {
        let mut state = self.lock();
        if let Some(sockets) = state.open.remove(&connection) {
            shut_down(&sockets);
            self.changed.notify_all();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        unpoisoned(self.state.lock())
    }
}

impl State {
    /// How long a piece that arrived then has to wait still; `None` until the settings change.
    fn wait_of(&self, arrived: Instant, way: Direction) -> Option<Duration> {
        let passes = match self.settings.traffic {
            Traffic::Forward => true,
            Traffic::HoldAnswers => matches!(way, Direction::ToServer),
            Traffic::Silent | Traffic::Refuse => false,
        };
        let delayed_until = arrived + self.settings.delay;
        let due = self.free_at[way as usize].map_or(delayed_until, |free| free.max(delayed_until));
        passes.then(|| due.saturating_duration_since(Instant::now()))
    }

    /// Counts the bytes of a piece that passes now, before they can be seen on the other side, and
    /// notes when the next piece may follow.
    fn pass(&mut self, way: Direction, bytes: usize) {
        self.passed[way as usize] += bytes as u64;
        if let Some(limit) = self.settings.bytes_per_second {
            let takes = Duration::from_secs_f64(bytes as f64 / limit as f64);
            self.free_at[way as usize] = Some(Instant::now() + takes);
        }
    }
}

fn shut_down(sockets: &[TcpStream]) {
    for socket in sockets {
        // It may be gone already.
        drop(socket.shutdown(Shutdown::Both));
    }
}

fn unpoisoned<T>(result: Result<T, PoisonError<T>>) -> T {
    result.unwrap_or_else(PoisonError::into_inner)
}
