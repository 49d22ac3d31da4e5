//! One connection to Redis, which mends itself, and the limits that hold on it.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use fred::{
    clients::WithOptions,
    prelude::{
        Builder, Client, ClientLike as _, ConnectionConfig, Error, ErrorKind, Options,
        ReconnectPolicy,
    },
    types::ConnectHandle,
};
use tokio::time::{sleep, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::url;
use crate::LockError;

/// How long the first connection may take, whatever it has to find out.
const CONNECT_WITHIN: Duration = Duration::from_secs(6);
/// How long one server may take to be connected to.
const SERVER_WITHIN: Duration = Duration::from_secs(2);
/// How long a command may take.
const COMMAND_WITHIN: Duration = Duration::from_secs(2);
/// The pauses between attempts to reconnect double from the first to the second, in ms.
const RECONNECT_MS: (u32, u32) = (50, 2_000);

/// A connection to Redis, closed when dropped.
pub(super) struct Connection {
    client: Client,
    is_mending: Arc<AtomicBool>,
    _close: DropGuard,
}

impl Connection {
    /// Connects, and finds out that the server lets us in.
    pub(super) async fn open(url: &str) -> Result<Self, LockError> {
        let config = url::config(url)?;
        let hosts: Vec<_> = config
            .server
            .hosts()
            .iter()
            .map(ToString::to_string)
            .collect();
        let hosts = hosts.join(", ");
        let mut builder = Builder::from_config(config);
        builder
            .with_connection_config(limit)
            .with_performance_config(|config| config.default_command_timeout = COMMAND_WITHIN)
            .set_policy(reconnect_policy());
        let client = builder.build().map_err(lock_error)?;
        let close = CancellationToken::new();
        let this = Self {
            client: client.clone(),
            is_mending: Arc::default(),
            _close: close.clone().drop_guard(),
        };
        match timeout(CONNECT_WITHIN, client.init()).await {
            Ok(Ok(task)) => tokio::spawn(keep_open(client, task, close)),
            Ok(Err(error)) => {
                return Err(match lock_error(error) {
                    LockError::Unavailable(why) => {
                        LockError::unavailable(format!("{hosts}: {why}"))
                    }
                    error => error,
                });
            }
            Err(_) => {
                tokio::spawn(async move { client.quit().await });
                let why = format!("{hosts}: not connected within {CONNECT_WITHIN:?}");
                return Err(LockError::unavailable(why));
            }
        };
        // A server that wants a password tells only now if none was given.
        this.checked(this.commands().ping::<()>(None).await)?;
        Ok(this)
    }

    /// For commands that fail at once while there is no connection, and are never sent twice.
    pub(super) fn commands(&self) -> WithOptions<Client> {
        self.client.with_options(&Options {
            max_attempts: Some(1),
            timeout: Some(COMMAND_WITHIN),
            fail_fast: true,
            ..Options::default()
        })
    }

    /// Whether the keys live on several servers.
    pub(super) fn is_cluster(&self) -> bool {
        self.client.is_clustered()
    }

    /// Whether there is a connection, as far as is known.
    pub(super) fn is_open(&self) -> bool {
        self.client.is_connected()
    }

    /// For commands that wait for the connection.
    pub(super) const fn client(&self) -> &Client {
        &self.client
    }

    /// What came of a command. If there was no answer the connection may be dead, of which the
    /// operating system tells only after minutes, so it is made anew.
    pub(super) fn checked<T>(&self, answer: Result<T, Error>) -> Result<T, LockError> {
        answer.map_err(|error| {
            if *error.kind() == ErrorKind::Timeout {
                self.mend();
            }
            lock_error(error)
        })
    }

    /// Makes the connection anew, in the background.
    // fred can watch for connections that owe an answer, but counts from the last command that was
    // sent, so it never gives one up that is used all the time.
    pub(super) fn mend(&self) {
        if self.is_open() && !self.is_mending.swap(true, Ordering::AcqRel) {
            let (client, is_mending) = (self.client.clone(), Arc::clone(&self.is_mending));
            tokio::spawn(async move {
                // That it is tried is enough: it is tried until it succeeds.
                drop(timeout(SERVER_WITHIN, client.force_reconnection()).await);
                is_mending.store(false, Ordering::Release);
            });
        }
    }
}

impl fmt::Debug for Connection {
    // The client knows the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connection")
    }
}

fn limit(config: &mut ConnectionConfig) {
    config.connection_timeout = SERVER_WITHIN;
    config.internal_command_timeout = SERVER_WITHIN;
    // A command that is sent again after its answer was lost could acquire a key twice.
    config.max_command_attempts = 1;
    config.reconnect_on_auth_error = true;
}

fn reconnect_policy() -> ReconnectPolicy {
    let (first, last) = RECONNECT_MS;
    ReconnectPolicy::new_exponential(0, first, last, 2)
}

/// Starts the client again if it gives up, which it does when what it meets on reconnecting looks
/// like a wrong configuration.
async fn keep_open(client: Client, mut task: ConnectHandle, close: CancellationToken) {
    while close.run_until_cancelled(&mut task).await.is_some() {
        tracing::warn!("the connection to Redis ended and is made anew");
        if close
            .run_until_cancelled(sleep(SERVER_WITHIN))
            .await
            .is_none()
        {
            return;
        }
        task = client.connect();
    }
    // What is still under way, such as a last release, is answered before.
    if timeout(COMMAND_WITHIN, client.quit()).await.is_err() {
        task.abort();
    }
}

/// What an error of fred means for a lock.
fn lock_error(error: Error) -> LockError {
    let details = error.details();
    match error.kind() {
        ErrorKind::Auth | ErrorKind::Config | ErrorKind::Url => {
            LockError::Config(details.to_owned())
        }
        // A cluster that is not whole at the moment.
        ErrorKind::Protocol if details.contains("cluster state") => LockError::unavailable(error),
        _ if details.starts_with("NOPERM") => LockError::Config(details.to_owned()),
        ErrorKind::InvalidArgument
        | ErrorKind::InvalidCommand
        | ErrorKind::NotFound
        | ErrorKind::Parse
        | ErrorKind::Protocol => LockError::Answer(error.to_string()),
        _ if details.starts_with("ERR ") => LockError::Answer(details.to_owned()),
        _ => LockError::unavailable(error),
    }
}
