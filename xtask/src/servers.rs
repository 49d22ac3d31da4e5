//! The servers that tests and benches share, and the variables that lead there.

use std::env;

use anyhow::{Context, Result};
use cadmill_servers::{Postgres, Redis};

/// The URL of a PostgreSQL database whose user may make further databases.
const POSTGRES_URL: &str = "CADMILL_TEST_POSTGRES_URL";
/// The URL of a Redis server.
const REDIS_URL: &str = "CADMILL_TEST_REDIS_URL";

/// Private servers, each only if the user has not named one by its variable. Dropping them stops
/// them.
#[derive(Debug)]
pub(crate) struct Servers {
    postgres: Option<Postgres>,
    redis: Option<Redis>,
}

impl Servers {
    /// Starts them; their programs must be there ([`packages::SERVERS`](crate::packages::SERVERS)).
    pub(crate) fn start() -> Result<Self> {
        // A Ctrl-C is for the programs that run, too: they end, and then so do we, in good order.
        // Without this we would end at once and leave the servers' folders.
        ctrlc::set_handler(|| {}).context("Ctrl-C cannot be caught")?;
        let is_unset = |variable| env::var_os(variable).is_none();
        let postgres = is_unset(POSTGRES_URL).then(Postgres::start);
        let redis = is_unset(REDIS_URL).then(Redis::start);
        Ok(Self {
            postgres: postgres.transpose()?,
            redis: redis.transpose()?,
        })
    }

    /// The URL of a PostgreSQL database whose user may make further databases.
    pub(crate) fn postgres_url(&self) -> Result<String> {
        url(self.postgres.as_ref().map(Postgres::url), POSTGRES_URL)
    }

    /// The URL of a Redis server.
    pub(crate) fn redis_url(&self) -> Result<String> {
        url(self.redis.as_ref().map(Redis::url), REDIS_URL)
    }

    /// What a program must have in its environment to find them.
    pub(crate) fn variables(&self) -> impl Iterator<Item = (&'static str, String)> {
        let postgres = self.postgres.as_ref().map(|it| (POSTGRES_URL, it.url()));
        let redis = self.redis.as_ref().map(|it| (REDIS_URL, it.url()));
        postgres.into_iter().chain(redis)
    }
}

/// That of our own, or that which the user has named.
fn url(ours: Option<String>, variable: &str) -> Result<String> {
    let named = || env::var(variable).with_context(|| format!("{variable} is no text"));
    ours.map_or_else(named, Ok)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_variables_lead_to_the_servers() {
        let redis = Redis::start().unwrap();
        let servers = Servers {
            postgres: None,
            redis: Some(redis),
        };
        let variables: Vec<_> = servers.variables().collect();
        let [(REDIS_URL, url)] = variables.as_slice() else {
            panic!("{variables:?}");
        };
        assert!(url.starts_with("redis://127.0.0.1:"), "{url}");
    }
}
