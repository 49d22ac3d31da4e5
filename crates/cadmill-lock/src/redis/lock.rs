//! The lock on Redis.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use fred::{
    prelude::{
        ClientLike as _, Error, Expiration, FromValue, KeysInterface as _, LuaInterface as _,
        SetOptions,
    },
    types::scripts::Script,
};
use tokio::{
    runtime::Handle,
    time::{Instant, sleep},
};

use super::{connection::Connection, stored};
use crate::{DedupLock, Holder, Lease, LockError, LockKey};

/// Lets the lease run on from now. ARGV: what its value begins with, and the new time in ms. A key of
/// another type than a string is not ours; reading it gives a table with an error.
const RENEW: &str = "local value = redis.pcall('GET', KEYS[1]) \
    if type(value) == 'string' and string.sub(value, 1, #ARGV[1]) == ARGV[1] \
    then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) else return 0 end";
/// Ends the lease. ARGV: what its value begins with.
const RELEASE: &str = "local value = redis.pcall('GET', KEYS[1]) \
    if type(value) == 'string' and string.sub(value, 1, #ARGV[1]) == ARGV[1] \
    then return redis.call('DEL', KEYS[1]) else return 0 end";
/// The value and how long it stays, in ms; of a key of another type, what its value says is its type.
const HOLDER: &str = "local value = redis.pcall('GET', KEYS[1]) \
    if type(value) == 'table' then value = redis.call('TYPE', KEYS[1]).ok end \
    return {value, redis.call('PTTL', KEYS[1])}";

/// How long to wait before a release is tried again that nobody waits for.
const RELEASE_AGAIN_AFTER: Duration = Duration::from_millis(500);

/// A lock that all processes share which use the same Redis.
///
/// Every method is one round trip, fails at once while there is no connection and after 2 s
/// without an answer, and never sends a command twice. The connection is mended in the background.
/// A key that someone else set, in whatever way, is held.
#[derive(Debug, Clone)]
pub struct RedisLock(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    connection: Connection,
    who: String,
    renew: Script,
    release: Script,
    holder: Script,
}

impl RedisLock {
    /// Connects to the Redis at `url`; `who` is shown to those who ask for the holder.
    ///
    /// # Errors
    /// Within 6 s: [`Config`](LockError::Config) if the URL is not understood or the server does
    /// not accept the credentials, [`Unavailable`](LockError::Unavailable) if it cannot be reached.
    pub async fn connect(url: &str, who: impl Into<String>) -> Result<Self, LockError> {
        Ok(Self(Arc::new(Shared {
            connection: Connection::open(url).await?,
            who: who.into(),
            renew: Script::from_lua(RENEW),
            release: Script::from_lua(RELEASE),
            holder: Script::from_lua(HOLDER),
        })))
    }
}

#[async_trait]
impl DedupLock for RedisLock {
    async fn try_acquire(&self, key: &LockKey, ttl: Duration) -> Result<Option<Lease>, LockError> {
        let lease = Lease::fresh(key.clone());
        let value = stored::value(lease.token(), SystemTime::now(), &self.0.who);
        let expiration = Some(Expiration::PX(ms(ttl)));
        let unknown = Unknown::new(&self.0, &lease, ttl);
        let commands = self.0.connection.commands();
        let answer = commands
            .set::<Option<String>, _, _>(
                key.as_str(),
                value,
                expiration,
                Some(SetOptions::NX),
                false,
            )
            .await;
        let answer = self.0.connection.checked(answer)?;
        unknown.answered();
        Ok(answer.map(|_| lease))
    }

    async fn renew(&self, lease: &Lease, ttl: Duration) -> Result<bool, LockError> {
        let args = vec![stored::prefix(lease.token()), ms(ttl).to_string()];
        let renewed: i64 = self.0.run(&self.0.renew, lease.key(), args).await?;
        Ok(renewed == 1)
    }

    async fn release(&self, lease: &Lease) -> Result<bool, LockError> {
        self.0.release(lease).await
    }

    async fn holder(&self, key: &LockKey) -> Result<Option<Holder>, LockError> {
        let answer = self.0.run(&self.0.holder, key, Vec::new()).await?;
        let (value, left_ms): (Option<Vec<u8>>, i64) = answer;
        // A key without an expiry has -1 left.
        let time_left = u64::try_from(left_ms).ok().map(Duration::from_millis);
        Ok(value.map(|value| stored::holder(&value, time_left)))
    }

    async fn held(&self, keys: &[LockKey]) -> Result<Vec<bool>, LockError> {
        match keys {
            [] => Ok(Vec::new()),
            // Keys that live on different servers cannot be asked for by one command.
            _ if self.0.connection.is_cluster() => self.0.held_one_by_one(keys).await,
            _ => self.0.held_together(keys).await,
        }
    }

    async fn ping(&self) -> Result<(), LockError> {
        let connection = &self.0.connection;
        connection.checked(connection.commands().ping::<()>(None).await)
    }
}

impl Shared {
    async fn release(&self, lease: &Lease) -> Result<bool, LockError> {
        let args = vec![stored::prefix(lease.token())];
        let deleted: i64 = self.run(&self.release, lease.key(), args).await?;
        Ok(deleted == 1)
    }

    /// One command if all of the keys are free or all are held, two if they are strings, as locks are.
    async fn held_together(&self, keys: &[LockKey]) -> Result<Vec<bool>, LockError> {
        let names: Vec<&str> = keys.iter().map(LockKey::as_str).collect();
        let commands = self.connection.commands();
        let there = commands.exists::<usize, _>(names.clone()).await;
        let there = self.connection.checked(there)?;
        if there == 0 || there == keys.len() {
            return Ok(vec![there > 0; keys.len()]);
        }
        let values = commands.mget::<Vec<Option<Vec<u8>>>, _>(names).await;
        let values = self.connection.checked(values)?;
        let held: Vec<_> = values.iter().map(Option::is_some).collect();
        // A key of another type has no value to get.
        if held.iter().filter(|held| **held).count() < there || held.len() != keys.len() {
            return self.held_one_by_one(keys).await;
        }
        Ok(held)
    }

    /// A command for each, all of them sent at once.
    async fn held_one_by_one(&self, keys: &[LockKey]) -> Result<Vec<bool>, LockError> {
        let commands = self.connection.commands();
        let there = keys
            .iter()
            .map(|key| commands.exists::<bool, _>(key.as_str()));
        let there = futures_util::future::try_join_all(there).await;
        self.connection.checked(there)
    }

    /// Runs a script, which is sent whole only if the server does not know it.
    async fn run<T: FromValue>(
        &self,
        script: &Script,
        key: &LockKey,
        args: Vec<String>,
    ) -> Result<T, LockError> {
        let commands = self.connection.commands();
        let key = key.as_str();
        let known = commands
            .evalsha(script.sha1().clone(), key, args.clone())
            .await;
        let answer = match (known, script.lua()) {
            (Err(error), Some(lua)) if is_unknown_script(&error) => {
                commands.eval(lua.clone(), key, args).await
            }
            (answer, _) => answer,
        };
        self.connection.checked(answer)
    }
}

fn is_unknown_script(error: &Error) -> bool {
    error.details().starts_with("NOSCRIPT")
}

/// A time in ms that Redis accepts.
fn ms(ttl: Duration) -> i64 {
    i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX).max(1)
}

/// An acquisition of which it is not known whether it came about. If that is never known, because
/// the answer was lost or nobody waits for it any more, it is undone in the background.
struct Unknown(Option<(Arc<Shared>, Lease, Instant)>);

impl Unknown {
    fn new(lock: &Arc<Shared>, lease: &Lease, ttl: Duration) -> Self {
        // What is not sent needs no undoing.
        let is_sent = lock.connection.is_open();
        Self(is_sent.then(|| (Arc::clone(lock), lease.clone(), lease.asked_at() + ttl)))
    }

    fn answered(mut self) {
        self.0 = None;
    }
}

impl Drop for Unknown {
    fn drop(&mut self) {
        if let Some((lock, lease, until)) = self.0.take()
            && let Ok(runtime) = Handle::try_current()
        {
            runtime.spawn(async move {
                while lock.release(&lease).await.is_err() && Instant::now() < until {
                    sleep(RELEASE_AGAIN_AFTER).await;
                }
            });
        }
    }
}
