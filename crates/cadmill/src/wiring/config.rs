//! The configuration of a deployment: a file, then `CADMILL_…` variables, then flags; the later
//! wins. An unknown key is an error, since it is usually a mistyped one.

mod arguments;
mod environment;
mod recipe;
mod values;

use std::{
    net::{Ipv4Addr, SocketAddr},
    num::{NonZero, NonZeroU64},
    ops::RangeInclusive,
    path::PathBuf,
    time::Duration,
};

use anyhow::Result;
use axum::http::HeaderValue;
use cadmill_domain::{MediaKind, MediaPlan};
use config::{Environment, File, FileFormat};
use ipnet::IpNet;
use secrecy::SecretString;
use serde::Deserialize;

use self::environment::{PREFIX, variables};
pub(crate) use self::{
    arguments::{DeploymentArguments, SlotsArgument, TraceArguments},
    recipe::NamedRecipe,
};
use crate::{
    exit::Failed,
    wiring::{machine, traces::Endpoint},
};

/// The file that is read if it exists and no other is named.
const DEFAULT_FILE: &str = "cadmill.toml";

/// A shorter stream mostly reconnects; a longer one outlives its token.
const EVENT_STREAM_RANGE: RangeInclusive<Duration> =
    Duration::from_millis(100)..=Duration::from_hours(24);

/// A shorter time-out ends healthy work on a busy machine; a longer one is no limit.
const DATABASE_TIMEOUT_RANGE: RangeInclusive<Duration> =
    Duration::from_secs(1)..=Duration::from_hours(1);

/// The configuration of a deployment.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    /// The folder of all data that is not stored elsewhere.
    pub(crate) data_dir: PathBuf,
    /// The URL of a PostgreSQL database; without it, SQLite in the data folder.
    pub(crate) database_url: Option<SecretString>,
    /// The maximum number of connections to PostgreSQL.
    pub(crate) database_connections: u32,
    /// How long a statement waits for a row that another transaction has locked.
    #[serde(deserialize_with = "values::duration")]
    pub(crate) database_lock_timeout: Duration,
    /// How long a statement may take.
    #[serde(deserialize_with = "values::duration")]
    pub(crate) database_statement_timeout: Duration,
    /// How long a transaction may be idle.
    #[serde(deserialize_with = "values::duration")]
    pub(crate) database_idle_timeout: Duration,
    /// How long the other end of a connection may be silent.
    #[serde(deserialize_with = "values::duration")]
    pub(crate) database_tcp_timeout: Duration,
    /// The URL of the Redis with the locks; without it, they are in the memory of the only process.
    pub(crate) redis_url: Option<SecretString>,
    /// A bucket, `s3://bucket/prefix`; without it, blobs are in the data folder.
    pub(crate) blob_url: Option<SecretString>,
    /// What notifies workers of new work.
    pub(crate) wake: Wake,
    /// How finely canonical scenes are tessellated.
    #[serde(deserialize_with = "values::recipe")]
    pub(crate) recipe: NamedRecipe,
    /// Which media are derived from each canonical scene.
    pub(crate) media: Vec<MediaKind>,
    /// How many media are made at once.
    pub(crate) slots: usize,
    /// How long one run of the tessellator may take.
    #[serde(deserialize_with = "values::duration")]
    pub(crate) timeout: Duration,
    /// How much address space one tessellator may use, in bytes.
    #[serde(deserialize_with = "values::memory")]
    pub(crate) memory: Option<u64>,
    /// Whether files are refused if the system cannot provide the whole sandbox of the tessellator.
    pub(crate) require_sandbox: bool,
    /// How long a lock outlives its owner.
    #[serde(deserialize_with = "values::duration")]
    pub(crate) lease: Duration,
    /// How often a worker looks for work without a notification.
    #[serde(deserialize_with = "values::duration")]
    pub(crate) poll: Duration,
    /// How long work may continue after a signal to stop.
    #[serde(deserialize_with = "values::duration")]
    pub(crate) grace: Duration,
    /// How fast stored bytes are compared with their hashes in the background, in bytes per second;
    /// `None` disables it.
    #[serde(deserialize_with = "values::bytes_or_off")]
    pub(crate) scrub_rate: Option<NonZeroU64>,
    /// The name of this worker.
    pub(crate) name: Option<String>,
    /// The address on which the API listens.
    pub(crate) listen: SocketAddr,
    /// Whether the API requires tokens.
    pub(crate) access: AccessMode,
    /// Whether `/metrics` can be read without a token.
    pub(crate) open_metrics: bool,
    /// Origins of web pages that may call the API.
    #[serde(deserialize_with = "values::origins")]
    pub(crate) cors_origins: Vec<HeaderValue>,
    /// Whether a proxy in front adds the address of the client to `X-Forwarded-For`.
    pub(crate) behind_proxy: bool,
    /// The size of the largest STEP file that the API accepts, in bytes.
    #[serde(deserialize_with = "values::bytes")]
    pub(crate) upload_limit: u64,
    /// How long the URLs of the bucket are valid to which downloads are redirected; without it, all
    /// bytes come through the API.
    #[serde(deserialize_with = "values::optional_duration")]
    pub(crate) redirect_downloads: Option<Duration>,
    /// After which time a client of the event stream has to reconnect and to authenticate again.
    #[serde(deserialize_with = "values::duration")]
    pub(crate) events_longest: Duration,
    /// Networks that are not public and to which webhooks may be sent.
    pub(crate) webhook_networks: Vec<IpNet>,
    /// The collector that receives traces; without it, there are none.
    pub(crate) otlp_endpoint: Option<Endpoint>,
}

/// Who may use the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum AccessMode {
    /// Clients with a token.
    Tokens,
    /// All clients, which must be on this machine.
    Open,
}

/// What notifies workers of new work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Wake {
    /// Redis, with publish and subscribe.
    Redis,
    /// PostgreSQL, with notify and listen.
    Postgres,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data_dir: "./cadmill-data".into(),
            database_url: None,
            database_connections: 10,
            database_lock_timeout: Duration::from_secs(5),
            database_statement_timeout: Duration::from_secs(20),
            database_idle_timeout: Duration::from_secs(10),
            database_tcp_timeout: Duration::from_secs(15),
            redis_url: None,
            blob_url: None,
            wake: Wake::Redis,
            recipe: NamedRecipe::Standard,
            media: vec![
                MediaKind::UsdMaster,
                MediaKind::WebGlb,
                MediaKind::Thumbnail,
            ],
            slots: machine::cores().get(),
            timeout: Duration::from_mins(15),
            memory: None,
            require_sandbox: false,
            lease: Duration::from_secs(30),
            poll: Duration::from_secs(5),
            grace: Duration::from_secs(30),
            scrub_rate: NonZeroU64::new(1 << 20),
            name: None,
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
            access: AccessMode::Tokens,
            open_metrics: false,
            cors_origins: Vec::new(),
            behind_proxy: false,
            upload_limit: 4 << 30,
            redirect_downloads: None,
            events_longest: Duration::from_mins(15),
            webhook_networks: Vec::new(),
            otlp_endpoint: None,
        }
    }
}

impl Config {
    /// Reads the file, the environment and the flags of a command without slots.
    pub(crate) fn load(arguments: &DeploymentArguments) -> Result<Self> {
        Self::load_with_slots(arguments, None)
    }

    /// Reads the file, the environment and the flags.
    pub(crate) fn load_with_slots(
        arguments: &DeploymentArguments,
        slots: Option<NonZero<usize>>,
    ) -> Result<Self> {
        let named = arguments.config.as_ref();
        let path = named.cloned().unwrap_or_else(|| DEFAULT_FILE.into());
        let file = File::from(path)
            .format(FileFormat::Toml)
            .required(named.is_some());
        let variables = Environment::with_prefix(PREFIX)
            .prefix_separator("_")
            .source(Some(variables()))
            .try_parsing(true)
            .list_separator(",")
            .with_list_parse_key("media")
            .with_list_parse_key("cors_origins")
            .with_list_parse_key("webhook_networks");
        let mut builder = config::Config::builder()
            .add_source(file)
            .add_source(variables);
        if let Some(folder) = &arguments.data_dir {
            let folder = folder.to_string_lossy().into_owned();
            builder = builder.set_override("data_dir", folder)?;
        }
        if let Some(slots) = slots {
            builder = builder.set_override("slots", slots.get() as u64)?;
        }
        let read = builder.build().and_then(config::Config::try_deserialize);
        let config: Self =
            read.map_err(|error| Failed(format!("the configuration cannot be used: {error}")))?;
        config.check()?;
        Ok(config)
    }

    /// Whether all data is in one folder, in which only one process may work.
    pub(crate) const fn is_embedded(&self) -> bool {
        self.database_url.is_none()
    }

    /// Overrides where traces go.
    pub(crate) fn with_traces(self, arguments: &TraceArguments) -> Self {
        let endpoint = arguments.otlp_endpoint.clone();
        Self {
            otlp_endpoint: endpoint.or(self.otlp_endpoint),
            ..self
        }
    }

    /// Checks the ranges of keys, and keys that depend on each other.
    fn check(&self) -> Result<()> {
        let problem = match (&self.database_url, &self.redis_url) {
            (Some(_), None) => {
                "PostgreSQL is for several workers, which do not see each other's locks in memory: set \
                 `redis_url` too"
            }
            (None, Some(_)) => {
                "`redis_url` is of no use without `database_url`: SQLite has one process, with its \
                 locks in memory"
            }
            _ if self.slots == 0 => "`slots` must be at least 1",
            _ if self.lease < Duration::from_secs(1) => "`lease` must be at least 1s",
            _ if !EVENT_STREAM_RANGE.contains(&self.events_longest) => {
                "`events_longest` must lie between 100ms and 24h"
            }
            _ if self.database_connections < 2 => "`database_connections` must be at least 2",
            _ if !self
                .database_timeouts()
                .iter()
                .all(|(_, timeout)| DATABASE_TIMEOUT_RANGE.contains(timeout)) =>
            {
                "`database_lock_timeout`, `database_statement_timeout`, `database_idle_timeout` and \
                 `database_tcp_timeout` must lie between 1s and 1h"
            }
            _ if self.media.contains(&MediaKind::GltfGeometry) => {
                "`media` lists what is derived from the canonical scene, which itself is always made"
            }
            _ => return Ok(()),
        };
        Err(Failed(format!("the configuration cannot be used: {problem}")).into())
    }

    /// The keys after whose time PostgreSQL ends what one of our sessions does.
    pub(crate) const fn database_timeouts(&self) -> [(&'static str, Duration); 4] {
        [
            ("database_lock_timeout", self.database_lock_timeout),
            (
                "database_statement_timeout",
                self.database_statement_timeout,
            ),
            ("database_idle_timeout", self.database_idle_timeout),
            ("database_tcp_timeout", self.database_tcp_timeout),
        ]
    }

    /// Which media are made, and by which recipe.
    pub(crate) fn plan(&self) -> MediaPlan {
        MediaPlan::new(self.recipe.into(), self.media.iter().copied())
    }

    /// How much address space one tessellator may use, in bytes.
    pub(crate) fn memory_bytes(&self) -> u64 {
        let slots = NonZero::new(self.slots).unwrap_or(NonZero::<usize>::MIN);
        self.memory
            .unwrap_or_else(|| machine::memory_per_job(slots))
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    /// The guide has all keys, and their defaults where these are values.
    #[test]
    fn the_guide_has_all_keys_and_defaults() {
        let guide = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/configuration.md");
        let guide = std::fs::read_to_string(guide).unwrap();
        let rows = guide.lines().filter(|line| line.starts_with("| `"));
        let mut documented = Vec::new();
        let mut builder = config::Config::builder();
        for row in rows {
            let cells: Vec<_> = row.trim_matches('|').split(" | ").map(str::trim).collect();
            let [key, variable, .., default] = &cells[..] else {
                panic!("a row of fewer cells: {row}");
            };
            let key = key.trim_matches('`');
            let expected = format!("`CADMILL_{}`", key.to_uppercase());
            assert!(variable.starts_with(&expected), "{row}");
            let value = default
                .strip_prefix('`')
                .and_then(|it| it.strip_suffix('`'));
            if let Some(value) = value.filter(|value| !value.contains('`')) {
                builder = builder.set_override(key, value).unwrap();
            }
            documented.push(key.to_owned());
        }
        let default = format!("{:#?}", Config::default());
        let fields = default.lines().filter_map(|line| {
            let line = line.strip_prefix("    ")?;
            let name = line.split_once(':')?.0;
            (!name.starts_with(' ')).then(|| name.to_owned())
        });
        let mut fields: Vec<_> = fields.collect();
        documented.sort();
        fields.sort();
        assert_eq!(documented, fields);
        let read: Config = builder.build().unwrap().try_deserialize().unwrap();
        assert_eq!(format!("{read:#?}"), default);
    }

    #[test]
    fn urls_are_never_formatted() {
        let keys = ["database_url", "redis_url", "blob_url"];
        let set = |builder: config::ConfigBuilder<_>, key: &&str| {
            builder.set_override(*key, format!("{key}://me:s3cret@host"))
        };
        let builder = keys
            .iter()
            .try_fold(config::Config::builder(), set)
            .unwrap();
        let read: Config = builder.build().unwrap().try_deserialize().unwrap();
        let url = read.database_url.as_ref().unwrap();
        assert_eq!(url.expose_secret(), "database_url://me:s3cret@host");
        assert!(!format!("{read:#?} {read:?}").contains("s3cret"));
    }
}
