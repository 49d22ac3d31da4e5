//! A way to PostgreSQL that stops passing anything on once the client has run a given statement, as
//! if the client's machine were frozen.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::watch,
};

/// Listens until it is dropped.
#[derive(Debug)]
pub(crate) struct FreezingProxy {
    url: String,
    is_frozen: Arc<watch::Sender<bool>>,
    /// Whether the server has answered the statement; the answer is held back.
    is_answered: Arc<watch::Sender<bool>>,
    /// How often all connections have died.
    deaths: Arc<AtomicUsize>,
    accepting: tokio::task::JoinHandle<()>,
}

impl FreezingProxy {
    /// Passes everything on to the server at `url`, until a statement that contains `text` is run
    /// for the first time.
    pub(crate) async fn start(url: &str, text: &'static str) -> Self {
        let (_, place) = url.rsplit_once('@').unwrap();
        let (server, _) = place.split_once('/').unwrap();
        let server = server.to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let url = url.replace(&format!("@{server}/"), &format!("@127.0.0.1:{port}/"));
        let is_frozen = Arc::new(watch::Sender::new(false));
        let frozen = Arc::clone(&is_frozen);
        let is_answered = Arc::new(watch::Sender::new(false));
        let answered = Arc::clone(&is_answered);
        let deaths = Arc::<AtomicUsize>::default();
        let died = Arc::clone(&deaths);
        let accepting = tokio::spawn(async move {
            let has_frozen = Arc::new(AtomicBool::new(false));
            loop {
                let (client, _) = listener.accept().await.unwrap();
                let server = TcpStream::connect(&server).await.unwrap();
                let (from_client, to_client) = client.into_split();
                let (from_server, to_server) = server.into_split();
                let freezing = Side::Client(text, Arc::clone(&has_frozen));
                let answering = Side::Server(Arc::clone(&answered));
                let life = Life::begin(&died);
                let frozen = || Arc::clone(&frozen);
                tokio::spawn(pass(
                    from_client,
                    to_server,
                    freezing,
                    frozen(),
                    life.clone(),
                ));
                tokio::spawn(pass(from_server, to_client, answering, frozen(), life));
            }
        });
        Self {
            url,
            is_frozen,
            is_answered,
            deaths,
            accepting,
        }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Waits until the server has run the statement and nothing is passed on any more.
    pub(crate) async fn frozen(&self) {
        let mut is_answered = self.is_answered.subscribe();
        is_answered
            .wait_for(|is_answered| *is_answered)
            .await
            .unwrap();
    }

    /// Passes on what comes by new connections; the old ones are dead, without a word to either side.
    pub(crate) fn thaw_for_others(&self) {
        self.deaths.fetch_add(1, Ordering::Relaxed);
        self.is_frozen.send_replace(false);
    }

    /// Passes on again, also what was sent meanwhile.
    pub(crate) fn thaw(&self) {
        self.is_frozen.send_replace(false);
    }
}

impl Drop for FreezingProxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Whether a connection still lives.
#[derive(Debug, Clone)]
struct Life {
    deaths: Arc<AtomicUsize>,
    begun_after: usize,
}

impl Life {
    fn begin(deaths: &Arc<AtomicUsize>) -> Self {
        Self {
            deaths: Arc::clone(deaths),
            begun_after: deaths.load(Ordering::Relaxed),
        }
    }

    fn is_over(&self) -> bool {
        self.deaths.load(Ordering::Relaxed) > self.begun_after
    }
}

/// The sender of the bytes that are passed on.
#[derive(Debug)]
enum Side {
    /// It freezes the proxy by a statement with this text, unless that has happened before.
    Client(&'static str, Arc<AtomicBool>),
    /// Its first answer that is held back is reported.
    Server(Arc<watch::Sender<bool>>),
}

async fn pass(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    side: Side,
    is_frozen: Arc<watch::Sender<bool>>,
    life: Life,
) {
    let mut thawed = is_frozen.subscribe();
    let mut buffer = vec![0; 1 << 16];
    let mut is_prepared = false;
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        let sent = &buffer[..length];
        if let Side::Server(is_answered) = &side
            && *is_frozen.borrow()
        {
            is_answered.send_replace(true);
        }
        let is_gone = thawed.wait_for(|is_frozen| !is_frozen).await.is_err();
        if life.is_over() {
            std::future::pending::<()>().await;
        }
        if is_gone {
            return;
        }
        if let Side::Client(text, has_frozen) = &side {
            // A statement is prepared by one message, and run by the next. The proxy is frozen before
            // the server can answer that.
            if is_prepared && !has_frozen.swap(true, Ordering::Relaxed) {
                is_frozen.send_replace(true);
            }
            is_prepared = sent.windows(text.len()).any(|part| part == text.as_bytes());
        }
        if to.write_all(sent).await.is_err() {
            return;
        }
    }
}
