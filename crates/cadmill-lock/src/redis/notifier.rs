//! A wake-up between processes, over Redis pub/sub.

use std::{sync::Arc, time::Duration};

use fred::{
    prelude::{EventInterface as _, PubsubInterface as _, Server},
    types::Message,
};
use tokio::{
    sync::{
        broadcast::{Receiver, error::RecvError},
        watch,
    },
    time::{Instant, sleep_until, timeout},
};
use tokio_util::sync::{CancellationToken, DropGuard};
use uuid::Uuid;

use super::connection::Connection;
use crate::LockError;

/// How often it is tried whether we hear what is sent.
const PROBE_EVERY: Duration = Duration::from_secs(10);
/// How long what was sent may take to be heard.
const HEARD_WITHIN: Duration = Duration::from_secs(2);
/// How often it is tried until we do.
const PROBE_AGAIN_AFTER: Duration = Duration::from_millis(100);
/// How long to wait after nothing was heard.
const RETRY_AFTER: Duration = Duration::from_millis(500);

/// Wakes whoever waits for it, in every process.
///
/// A wake-up says that something may have changed, not what, and any number of them may come as
/// one. None is lost on a waiter that was created before it was sent: after a broken connection is
/// mended all waiters wake once, since some may have been missed.
#[derive(Debug, Clone)]
pub struct RedisWorkNotifier(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    publisher: Arc<Connection>,
    channel: String,
    heard: watch::Receiver<u64>,
    _stop: DropGuard,
}

impl RedisWorkNotifier {
    /// Connects to the Redis at `url` and listens on `channel`.
    ///
    /// # Errors
    /// As for [`RedisLock::connect`](super::RedisLock::connect).
    pub async fn connect(url: &str, channel: impl Into<String>) -> Result<Self, LockError> {
        let channel = channel.into();
        let publisher = Arc::new(Connection::open(url).await?);
        let subscriber = Connection::open(url).await?;
        let client = subscriber.client();
        let (messages, reconnects) = (client.message_rx(), client.reconnect_rx());
        let (heard_sender, mut heard) = watch::channel(0);
        let listener = Listener {
            probe: format!("{channel}:{}", Uuid::new_v4()),
            channel: channel.clone(),
            publisher: Arc::clone(&publisher),
            subscriber,
            heard: heard_sender,
        };
        // Its error is more telling than silence.
        listener.send_probe().await?;
        let stop = CancellationToken::new();
        let this = Self(Arc::new(Shared {
            publisher,
            channel,
            heard: heard.clone(),
            _stop: stop.clone().drop_guard(),
        }));
        let listen = listener.run(messages, reconnects);
        tokio::spawn(async move { stop.run_until_cancelled(listen).await });
        match timeout(HEARD_WITHIN, heard.changed()).await {
            Ok(Ok(())) => Ok(this),
            _ => Err(LockError::unavailable("what is published is not heard")),
        }
    }

    /// Wakes all who wait, also in this process.
    ///
    /// # Errors
    /// The server gave no answer; nobody may have been woken.
    pub async fn notify(&self) -> Result<(), LockError> {
        publish(&self.0.publisher, &self.0.channel).await
    }

    /// Waits for the next wake-up from now on.
    pub async fn wait(&self) {
        self.waiter().wait().await;
    }

    /// Whoever looks for work and waits in turn wants a waiter, which misses no wake-up in between.
    #[must_use]
    pub fn waiter(&self) -> Waiter {
        let mut heard = self.0.heard.clone();
        heard.mark_unchanged();
        Waiter {
            heard,
            _signal: self.clone(),
        }
    }
}

/// Waits for wake-ups; each that is sent after its creation ends a wait.
#[derive(Debug, Clone)]
pub struct Waiter {
    heard: watch::Receiver<u64>,
    _signal: RedisWorkNotifier,
}

impl Waiter {
    /// Waits for a wake-up; returns at once if there was one since the last wait. Dropping the
    /// future loses none.
    pub async fn wait(&mut self) {
        // The listener lives as long as the signal does, and we have that.
        if self.heard.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// Hears what is sent, and stays subscribed.
///
/// The server does not say in time that we are subscribed (fred does not wait for it), nor that a
/// connection is dead. So we send ourselves a probe on a channel of our own, which is subscribed to
/// together with the other: once it is heard, so is everything that is sent from then on.
struct Listener {
    channel: String,
    probe: String,
    publisher: Arc<Connection>,
    subscriber: Connection,
    heard: watch::Sender<u64>,
}

impl Listener {
    async fn send_probe(&self) -> Result<(), LockError> {
        let channels = vec![self.channel.as_str(), self.probe.as_str()];
        let subscribed = self.subscriber.client().subscribe(channels).await;
        self.subscriber.checked(subscribed)?;
        publish(&self.publisher, &self.probe).await
    }

    fn is_probe(&self, message: &Message) -> bool {
        *message.channel == *self.probe
    }

    async fn run(self, mut messages: Receiver<Message>, mut reconnects: Receiver<Server>) {
        let mut may_have_missed = true;
        let mut probing_since = None;
        let mut next = Instant::now();
        loop {
            tokio::select! {
                message = messages.recv() => match message {
                    Ok(message) if self.is_probe(&message) => {
                        if std::mem::take(&mut may_have_missed) {
                            self.wake();
                        }
                        probing_since = None;
                        next = Instant::now() + PROBE_EVERY;
                    }
                    Ok(_) | Err(RecvError::Lagged(_)) => self.wake(),
                    Err(RecvError::Closed) => return,
                },
                server = reconnects.recv() => match server {
                    Ok(_) | Err(RecvError::Lagged(_)) => {
                        may_have_missed = true;
                        probing_since = None;
                        next = Instant::now();
                    }
                    Err(RecvError::Closed) => return,
                },
                () = sleep_until(next) => {
                    let since = *probing_since.get_or_insert_with(Instant::now);
                    let pause = if since.elapsed() >= HEARD_WITHIN {
                        self.subscriber.mend();
                        probing_since = None;
                        RETRY_AFTER
                    } else if self.send_probe().await.is_ok() {
                        // In a cluster it may be ahead of the subscription, which goes another way.
                        PROBE_AGAIN_AFTER
                    } else {
                        probing_since = None;
                        RETRY_AFTER
                    };
                    next = Instant::now() + pause;
                }
            }
        }
    }

    fn wake(&self) {
        self.heard
            .send_modify(|heard| *heard = heard.wrapping_add(1));
    }
}

async fn publish(publisher: &Connection, channel: &str) -> Result<(), LockError> {
    publisher.checked(publisher.commands().publish::<(), _, _>(channel, "").await)
}
