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
        let deaths = Arc::<AtomicUsize>::default();
        let died = Arc::clone(&deaths);
        let accepting = tokio::spawn(async move {
            let has_frozen = Arc::new(AtomicBool::new(false));
            loop {
                let (client, _) = listener.accept().await.unwrap();
                let server = TcpStream::connect(&server).await.unwrap();
                let (from_client, to_client) = client.into_split();
                let (from_server, to_server) = server.into_split();
                let freezing = Some((text, Arc::clone(&has_frozen)));
                let life = Life::begin(&died);
                let frozen = || Arc::clone(&frozen);
                tokio::spawn(pass(
                    from_client,
                    to_server,
                    freezing,
                    frozen(),
                    life.clone(),
                ));
                tokio::spawn(pass(from_server, to_client, None, frozen(), life));
            }
        });
        Self {
            url,
            is_frozen,
            deaths,
            accepting,
        }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Waits until nothing is passed on any more.
    pub(crate) async fn frozen(&self) {
        let mut is_frozen = self.is_frozen.subscribe();
        is_frozen.wait_for(|is_frozen| *is_frozen).await.unwrap();
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

async fn pass(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    freezing: Option<(&'static str, Arc<AtomicBool>)>,
    is_frozen: Arc<watch::Sender<bool>>,
    life: Life,
) {
    let mut thawed = is_frozen.subscribe();
    let mut buffer = vec![0; 1 << 16];
    let mut is_prepared = false;
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        let sent = &buffer[..length];
        let is_gone = thawed.wait_for(|is_frozen| !is_frozen).await.is_err();
        if life.is_over() {
            std::future::pending::<()>().await;
        }
        if is_gone || to.write_all(sent).await.is_err() {
            return;
        }
        let Some((text, has_frozen)) = &freezing else {
            continue;
        };
        // A statement is prepared by one message, and run by the next.
        if is_prepared && !has_frozen.swap(true, Ordering::Relaxed) {
            is_frozen.send_replace(true);
        }
        is_prepared = sent.windows(text.len()).any(|part| part == text.as_bytes());
    }
}
