//! The servers that tests and benches share, and the variables that lead there.

use std::env;

use anyhow::{Context, Result};
use cadmill_servers::{
    Postgres, PostgresOptions, Redis, S3,
    shared::{POSTGRES_URL, REDIS_URL, S3_ENDPOINT},
};

use crate::{
    venv::{self, Venv},
    workspace::Workspace,
};

/// Private servers, each only if the user has not named one by its variable. Dropping them stops
/// them.
#[derive(Debug)]
pub(crate) struct Servers {
    postgres: Option<Postgres>,
    redis: Option<Redis>,
    s3: Option<S3>,
}

impl Servers {
    /// Starts PostgreSQL and Redis; their programs must be there
    /// ([`packages::SERVERS`](crate::packages::SERVERS)).
    pub(crate) fn start() -> Result<Self> {
        Self::start_with(PostgresOptions::default())
    }

    /// The same with a PostgreSQL that is set up as in production, and waits for the disk.
    pub(crate) fn start_for_bench() -> Result<Self> {
        Self::start_with(PostgresOptions {
            durable: true,
            stock_memory: true,
            ..PostgresOptions::default()
        })
    }

    fn start_with(options: PostgresOptions) -> Result<Self> {
        // A Ctrl-C is for the programs that run, too: they end, and then so do we, in good order.
        // Without this we would end at once and leave the servers' folders.
        ctrlc::set_handler(|| {}).context("Ctrl-C cannot be caught")?;
        let is_unset = |variable| env::var_os(variable).is_none();
        let postgres = is_unset(POSTGRES_URL).then(|| Postgres::start_with(options));
        let redis = is_unset(REDIS_URL).then(Redis::start);
        Ok(Self {
            postgres: postgres.transpose()?,
            redis: redis.transpose()?,
            s3: None,
        })
    }

    /// Starts S3 too, after its program was installed if it is not there.
    pub(crate) fn start_with_s3(workspace: &Workspace) -> Result<Self> {
        let mut servers = Self::start()?;
        if env::var_os(S3_ENDPOINT).is_none() {
            let requirements = workspace
                .root
                .join("crates/cadmill-servers/requirements-s3.txt");
            let folder = workspace.target.join("servers/s3");
            let venv = Venv::ensure(&venv::python_3_11()?, folder, &requirements)?;
            servers.s3 = Some(S3::start(&venv.program("moto_server"))?);
        }
        Ok(servers)
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
        let s3 = self.s3.as_ref().map(|it| (S3_ENDPOINT, it.endpoint()));
        postgres.into_iter().chain(redis).chain(s3)
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
            s3: None,
        };
        let variables: Vec<_> = servers.variables().collect();
        let [(REDIS_URL, url)] = variables.as_slice() else {
            panic!("{variables:?}");
        };
        assert!(url.starts_with("redis://127.0.0.1:"), "{url}");
    }
}
