//! The configuration of a deployment: a file, then `CADMILL_…` variables, then flags; the later
//! wins. A key that nobody knows is an error, for it is most often a mistyped one.

use std::{
    collections::HashMap,
    env, fmt,
    net::{Ipv4Addr, SocketAddr},
    num::NonZeroU64,
    ops::RangeInclusive,
    path::PathBuf,
    time::Duration,
};

use anyhow::Result;
use axum::http::HeaderValue;
use cadmill_domain::{MediaKind, MediaPlan};
use clap::ValueEnum as _;
use config::{Environment, File, FileFormat};
use ipnet::IpNet;
use serde::{Deserialize, Deserializer, de::Error as _};

use crate::{
    cli::{DeploymentArguments, NamedRecipe},
    exit::Failed,
    machine, quantity,
    traces::Endpoint,
};

/// The file that is read if it is there and no other is named.
const DEFAULT_FILE: &str = "cadmill.toml";
/// Variables of this prefix are keys,
const PREFIX: &str = "CADMILL";
/// but for these, which others read.
const NO_KEYS: [&str; 9] = [
    "CADMILL_BIN",
    "CADMILL_CI_TARGET",
    "CADMILL_CONFIG",
    "CADMILL_FAILPOINT",
    "CADMILL_LOG",
    "CADMILL_ORACLES",
    "CADMILL_TESSELLATOR",
    "CADMILL_TEST_",
    "CADMILL_URL",
];

/// A stream that is shorter is mostly coming and going; one that is longer outlives its token.
const EVENTS_LONGEST: RangeInclusive<Duration> =
    Duration::from_millis(100)..=Duration::from_hours(24);

/// A shorter time-out ends healthy work on a busy machine; a longer one limits nothing.
const DATABASE_TIMEOUTS: RangeInclusive<Duration> =
    Duration::from_secs(1)..=Duration::from_hours(1);

/// How a deployment is set up.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    /// Where everything is kept that is not kept elsewhere.
    pub(crate) data_dir: PathBuf,
    /// A PostgreSQL database; SQLite in the data folder if there is none.
    pub(crate) database_url: Option<Secret>,
    /// How many connections to PostgreSQL are opened at most.
    pub(crate) database_connections: u32,
    /// How long a statement waits for a row that another transaction has locked.
    #[serde(deserialize_with = "duration")]
    pub(crate) database_lock_timeout: Duration,
    /// How long a statement may take.
    #[serde(deserialize_with = "duration")]
    pub(crate) database_statement_timeout: Duration,
    /// How long a transaction may send nothing.
    #[serde(deserialize_with = "duration")]
    pub(crate) database_idle_timeout: Duration,
    /// How long the other end of a connection may not answer.
    #[serde(deserialize_with = "duration")]
    pub(crate) database_tcp_timeout: Duration,
    /// The Redis that keeps the locks; the memory of the one process if there is none.
    pub(crate) redis_url: Option<Secret>,
    /// A bucket, `s3://bucket/prefix`; the data folder if there is none.
    pub(crate) blob_url: Option<Secret>,
    /// What is wakened by.
    pub(crate) wake: Wake,
    /// How finely canonical scenes are made.
    #[serde(deserialize_with = "recipe")]
    pub(crate) recipe: NamedRecipe,
    /// Which media are made of each canonical scene.
    pub(crate) media: Vec<MediaKind>,
    /// How many pieces of work are done at once.
    pub(crate) slots: usize,
    /// How long the tessellator may take for one file.
    #[serde(deserialize_with = "duration")]
    pub(crate) timeout: Duration,
    /// How much memory it may use for one file, in bytes.
    #[serde(deserialize_with = "memory")]
    pub(crate) memory: Option<u64>,
    /// Whether files are refused where the system does not offer the tessellator's whole sandbox.
    pub(crate) require_sandbox: bool,
    /// How long a lock lasts when its owner is gone.
    #[serde(deserialize_with = "duration")]
    pub(crate) lease: Duration,
    /// How often the ledger is looked at although nobody rang.
    #[serde(deserialize_with = "duration")]
    pub(crate) poll: Duration,
    /// How long work may go on when the process is told to stop.
    #[serde(deserialize_with = "duration")]
    pub(crate) grace: Duration,
    /// How fast stored bytes are compared with their hashes in the background, in bytes per second;
    /// never if nothing is said.
    #[serde(deserialize_with = "bytes_or_off")]
    pub(crate) scrub_rate: Option<NonZeroU64>,
    /// What this worker is called.
    pub(crate) name: Option<String>,
    /// Where the API listens.
    pub(crate) listen: SocketAddr,
    /// Whether the API asks for tokens.
    pub(crate) access: AccessMode,
    /// Whether `/metrics` can be read without one.
    pub(crate) open_metrics: bool,
    /// Pages of these origins may call the API.
    #[serde(deserialize_with = "origins")]
    pub(crate) cors_origins: Vec<HeaderValue>,
    /// Whether clients are told apart by what a proxy in front says of them.
    pub(crate) behind_proxy: bool,
    /// The greatest STEP file that the API takes, in bytes.
    #[serde(deserialize_with = "limit")]
    pub(crate) upload_limit: u64,
    /// For how long clients get addresses of the bucket itself; all bytes come through the API if
    /// nothing is said.
    #[serde(deserialize_with = "some_duration")]
    pub(crate) redirect_downloads: Option<Duration>,
    /// After which time whoever follows the events has to come again, and to show its token again.
    #[serde(deserialize_with = "duration")]
    pub(crate) events_longest: Duration,
    /// Networks that are not public and into which webhooks may be sent all the same.
    pub(crate) webhook_networks: Vec<IpNet>,
    /// The collector that traces go to; none are made if nothing is said.
    pub(crate) otlp_endpoint: Option<Endpoint>,
}

/// Whether the API asks for tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum AccessMode {
    /// It does.
    Tokens,
    /// It does not; then only this machine may reach it.
    Open,
}

/// What wakes workers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Wake {
    /// Redis, by publish and subscribe.
    Redis,
    /// PostgreSQL, by notify and listen.
    Postgres,
}

/// Something that is never shown, since it may hold a password.
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub(crate) struct Secret(String);

impl Secret {
    /// What nobody else shall see.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
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
    /// Reads file, environment and flags.
    pub(crate) fn load(arguments: &DeploymentArguments) -> Result<Self> {
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
        if let Some(slots) = arguments.slots {
            builder = builder.set_override("slots", slots.get() as u64)?;
        }
        let read = builder.build().and_then(config::Config::try_deserialize);
        let config: Self =
            read.map_err(|error| Failed(format!("the configuration cannot be used: {error}")))?;
        config.check()?;
        Ok(config)
    }

    /// Checks what each key alone cannot tell.
    fn check(&self) -> Result<()> {
        let problem = match (&self.database_url, &self.redis_url) {
            (Some(_), None) => {
                "PostgreSQL is for several workers, which would not see each other's locks in \
                 memory: set `redis_url` too"
            }
            (None, Some(_)) => {
                "`redis_url` is of no use without `database_url`: SQLite has one process, which \
                 keeps its locks in memory"
            }
            _ if self.slots == 0 => "`slots` must be at least 1",
            _ if self.lease < Duration::from_secs(1) => "`lease` must be at least 1s",
            _ if !EVENTS_LONGEST.contains(&self.events_longest) => {
                "`events_longest` must lie between 100ms and 24h"
            }
            _ if self.database_connections < 2 => "`database_connections` must be at least 2",
            _ if !self
                .database_timeouts()
                .iter()
                .all(|(_, timeout)| DATABASE_TIMEOUTS.contains(timeout)) =>
            {
                "`database_lock_timeout`, `database_statement_timeout`, `database_idle_timeout` and \
                 `database_tcp_timeout` must lie between 1s and 1h"
            }
            _ if self.media.contains(&MediaKind::GltfGeometry) => {
                "`media` lists what is made of the canonical scene, which itself is always made"
            }
            _ => return Ok(()),
        };
        Err(Failed(format!("the configuration cannot be used: {problem}")).into())
    }

    /// The keys that say when PostgreSQL ends what a session of ours does.
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

    /// What is made here, and how.
    pub(crate) fn plan(&self) -> MediaPlan {
        MediaPlan::new(self.recipe.into(), self.media.iter().copied())
    }

    /// How much memory the tessellator may use for one file, in bytes.
    pub(crate) fn memory_bytes(&self) -> u64 {
        let slots = std::num::NonZero::new(self.slots).unwrap_or(std::num::NonZero::<usize>::MIN);
        self.memory
            .unwrap_or_else(|| machine::memory_per_job(slots))
    }
}

/// The variables that are keys.
fn variables() -> HashMap<String, String> {
    let ours = env::vars_os().filter_map(|(name, value)| {
        let (name, value) = (name.into_string().ok()?, value.into_string().ok()?);
        let is_key = name.starts_with("CADMILL_")
            && !NO_KEYS
                .iter()
                .any(|other| *other == name || (other.ends_with('_') && name.starts_with(other)));
        // An empty variable is one that is not set.
        (is_key && !value.is_empty()).then_some((name, value))
    });
    ours.collect()
}

fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    quantity::duration(&text).map_err(|error| D::Error::custom(format!("`{text}`: {error}")))
}

fn memory<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let memory = quantity::memory(&text).map(Some);
    memory.map_err(|error| D::Error::custom(format!("`{text}`: {error}")))
}

fn recipe<'de, D: Deserializer<'de>>(deserializer: D) -> Result<NamedRecipe, D::Error> {
    let text = String::deserialize(deserializer)?;
    let recipe = NamedRecipe::from_str(&text, true);
    recipe.map_err(|_| {
        let error = format!("`{text}` is no recipe; write draft, standard or fine");
        D::Error::custom(error)
    })
}

fn bytes_or_off<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<NonZeroU64>, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text == "off" {
        return Ok(None);
    }
    let bytes = quantity::bytes(&text).map(NonZeroU64::new);
    bytes.map_err(|error| D::Error::custom(format!("`{text}`: {error}, or `off`")))
}

fn some_duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    duration(deserializer).map(Some)
}

fn limit<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let text = String::deserialize(deserializer)?;
    quantity::bytes(&text).map_err(|error| D::Error::custom(format!("`{text}`: {error}")))
}

fn origins<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<HeaderValue>, D::Error> {
    let origins = Vec::<String>::deserialize(deserializer)?;
    let parse = |origin: String| {
        let parsed = HeaderValue::try_from(&origin);
        let is_origin = origin.contains("://") && !origin.ends_with('/');
        let parsed = parsed.ok().filter(|_| is_origin);
        parsed.ok_or_else(|| D::Error::custom(format!("`{origin}` is no origin (`https://host`)")))
    };
    origins.into_iter().map(parse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Its keys, and the defaults that are values.
    #[test]
    fn the_table_of_the_guide_is_true() {
        let guide = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/configuration.md");
        let guide = std::fs::read_to_string(guide).unwrap();
        let rows = guide.lines().filter(|line| line.starts_with("| `"));
        let mut told = Vec::new();
        let mut builder = config::Config::builder();
        for row in rows {
            let cells: Vec<_> = row.trim_matches('|').split(" | ").map(str::trim).collect();
            let [key, variable, .., default] = &cells[..] else {
                panic!("a row of fewer cells: {row}");
            };
            let key = key.trim_matches('`');
            let wanted = format!("`CADMILL_{}`", key.to_uppercase());
            assert!(variable.starts_with(&wanted), "{row}");
            let value = default
                .strip_prefix('`')
                .and_then(|it| it.strip_suffix('`'));
            if let Some(value) = value.filter(|value| !value.contains('`')) {
                builder = builder.set_override(key, value).unwrap();
            }
            told.push(key.to_owned());
        }
        let default = format!("{:#?}", Config::default());
        let fields = default.lines().filter_map(|line| {
            let line = line.strip_prefix("    ")?;
            let name = line.split_once(':')?.0;
            (!name.starts_with(' ')).then(|| name.to_owned())
        });
        told.sort();
        let mut fields: Vec<_> = fields.collect();
        fields.sort();
        assert_eq!(told, fields);
        let read: Config = builder.build().unwrap().try_deserialize().unwrap();
        assert_eq!(format!("{read:#?}"), default);
    }
}
