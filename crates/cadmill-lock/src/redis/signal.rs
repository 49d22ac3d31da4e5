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
    time::{Instant, sleep_until},
};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::connection::Connection;
use crate::LockError;

/// How often the subscription is renewed, by which a dead connection is found out.
const SUBSCRIBE_AGAIN_AFTER: Duration = Duration::from_secs(10);
/// How long to wait after that failed.
const RETRY_AFTER: Duration = Duration::from_millis(500);

/// Wakes whoever waits for it, in every process.
///
/// A wake-up says that something may have changed, not what, and any number of them may come as
/// one. None is lost on a waiter that was created before it was sent: after a broken connection is
/// mended all waiters wake once, since some may have been missed.
#[derive(Debug, Clone)]
pub struct RedisSignal(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    publisher: Connection,
    channel: String,
    heard: watch::Receiver<u64>,
    _stop: DropGuard,
}

impl RedisSignal {
    /// Connects to the Redis at `url` and listens on `channel`.
    ///
    /// # Errors
    /// As for [`RedisLock::connect`](super::RedisLock::connect).
    pub async fn connect(url: &str, channel: impl Into<String>) -> Result<Self, LockError> {
        let channel = channel.into();
        let publisher = Connection::open(url).await?;
        let subscriber = Connection::open(url).await?;
        let client = subscriber.client();
        let (messages, reconnects) = (client.message_rx(), client.reconnect_rx());
        subscriber.checked(client.subscribe(channel.as_str()).await)?;
        let (heard_sender, heard) = watch::channel(0);
        let stop = CancellationToken::new();
        let listener = Listener {
            subscriber,
            channel: channel.clone(),
            heard: heard_sender,
        };
        tokio::spawn({
            let stop = stop.clone();
            async move {
                stop.run_until_cancelled(listener.run(messages, reconnects))
                    .await
            }
        });
        Ok(Self(Arc::new(Shared {
            publisher,
            channel,
            heard,
            _stop: stop.drop_guard(),
        })))
    }

    /// Wakes all who wait, also in this process.
    ///
    /// # Errors
    /// The server gave no answer; nobody may have been woken.
    pub async fn notify(&self) -> Result<(), LockError> {
        let (publisher, channel) = (&self.0.publisher, self.0.channel.as_str());
        publisher.checked(publisher.commands().publish::<(), _, _>(channel, "").await)
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
    _signal: RedisSignal,
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
struct Listener {
    subscriber: Connection,
    channel: String,
    heard: watch::Sender<u64>,
}

impl Listener {
    async fn run(self, mut messages: Receiver<Message>, mut reconnects: Receiver<Server>) {
        let mut is_missing_some = false;
        let mut subscribe_at = Instant::now() + SUBSCRIBE_AGAIN_AFTER;
        loop {
            tokio::select! {
                message = messages.recv() => match message {
                    Ok(_) | Err(RecvError::Lagged(_)) => self.wake(),
                    Err(RecvError::Closed) => return,
                },
                server = reconnects.recv() => match server {
                    Ok(_) | Err(RecvError::Lagged(_)) => {
                        is_missing_some = true;
                        subscribe_at = Instant::now();
                    }
                    Err(RecvError::Closed) => return,
                },
                () = sleep_until(subscribe_at) => {
                    let subscribed = self.subscriber.client().subscribe(self.channel.as_str()).await;
                    let pause = match self.subscriber.checked(subscribed) {
                        Ok(()) if is_missing_some => {
                            is_missing_some = false;
                            self.wake();
                            SUBSCRIBE_AGAIN_AFTER
                        }
                        Ok(()) => SUBSCRIBE_AGAIN_AFTER,
                        Err(_) => RETRY_AFTER,
                    };
                    subscribe_at = Instant::now() + pause;
                }
            }
        }
    }

    fn wake(&self) {
        self.heard
            .send_modify(|heard| *heard = heard.wrapping_add(1));
    }
}
