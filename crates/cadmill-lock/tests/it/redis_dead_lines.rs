//! Connections that die without a word, as they do when a router forgets them.

use std::time::{Duration, Instant};

use cadmill_lock::{
    DedupLock as _, LockKey,
    redis::{RedisLock, RedisWorkNotifier},
};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
    time::timeout,
};

use crate::{redis_faults::until, redis_server::RedisServer};

/// A way to a server that can be cut.
struct Line {
    port: u16,
    cut: watch::Sender<()>,
}

impl Line {
    async fn to(server: &RedisServer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let target = server.port();
        let (cut, was_cut) = watch::channel(());
        tokio::spawn(async move {
            loop {
                let (mut client, _) = listener.accept().await.unwrap();
                let mut was_cut = was_cut.clone();
                was_cut.mark_unchanged();
                tokio::spawn(async move {
                    let mut server = TcpStream::connect(("127.0.0.1", target)).await.unwrap();
                    tokio::select! {
                        _ = copy_bidirectional(&mut client, &mut server) => {}
                        // The sockets stay open, and nothing passes any more.
                        _ = was_cut.changed() => std::future::pending().await,
                    }
                });
            }
        });
        Self { port, cut }
    }

    fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Whoever is connected hears no more; new connections work.
    fn cut(&self) {
        self.cut.send_replace(());
    }
}

#[tokio::test]
async fn a_lock_leaves_a_dead_connection_however_busy_it_is() {
    let server = RedisServer::start();
    let line = Line::to(&server).await;
    let lock = RedisLock::connect(&line.url(), "worker").await.unwrap();
    let key = LockKey::new("key");
    let ttl = Duration::from_mins(10);
    let lease = lock.try_acquire(&key, ttl).await.unwrap().unwrap();
    line.cut();
    let cut_at = Instant::now();
    let again = async || {
        let second = Duration::from_secs(1);
        matches!(timeout(second, lock.renew(&lease, ttl)).await, Ok(Ok(true)))
    };
    let busy = async || {
        timeout(Duration::from_millis(100), lock.ping())
            .await
            .is_ok_and(|p| p.is_ok())
    };
    tokio::join!(until(again), until(busy), async {
        // Only who waits for an answer finds out.
        assert!(lock.holder(&key).await.is_err());
    });
    println!("renewed {:?} after the cut", cut_at.elapsed());
    assert!(lock.release(&lease).await.unwrap());
}

#[tokio::test]
async fn a_signal_leaves_a_dead_connection_and_wakes() {
    let server = RedisServer::start();
    let line = Line::to(&server).await;
    let signal = RedisWorkNotifier::connect(&line.url(), "work")
        .await
        .unwrap();
    let mut waiter = signal.waiter();
    line.cut();
    let cut_at = Instant::now();
    let woken = timeout(Duration::from_secs(30), waiter.wait()).await;
    woken.expect("it is woken, since it may have missed something");
    println!("woke {:?} after the cut", cut_at.elapsed());
    until(async || signal.notify().await.is_ok()).await;
    let woken = timeout(Duration::from_secs(10), waiter.wait()).await;
    woken.expect("it hears what is sent");
}
