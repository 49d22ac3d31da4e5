//! Wires a deployment: which database, lock, blobs and bell the configuration asks for.

use std::{fs, path::Path, sync::Arc};

use anyhow::{Context as _, Result};
use async_trait::async_trait;
use cadmill_domain::{CadFile, CadFileId, CadFiles as _, Clock, Doorbell, SystemClock, WorkerName};
use cadmill_lock::{
    DedupLock, MemoryLock,
    redis::{RedisLock, RedisSignal, Waiter},
};
use cadmill_pipeline::{Mill, MillSettings, Records, Scratch};
use cadmill_store::{Database, FolderLock, LocalDoorbell, ObjectBlobs, PostgresDoorbell, Store};
use tokio::sync::Mutex;

use crate::{
    config::{Config, Wake},
    exit::Failed,
    machine, tessellator,
};

/// The channel of Redis on which workers are woken.
const CHANNEL: &str = "cadmill:work";
/// What is told if Redis cannot be used.
const REDIS: &str = "Redis cannot be used; check `redis_url`, and that it runs and lets us in";
/// The database file in the data folder.
const DATABASE: &str = "cadmill.db";

/// An open deployment.
#[derive(Debug)]
pub(crate) struct Deployment {
    pub(crate) config: Config,
    pub(crate) store: Arc<Store>,
    pub(crate) blobs: Arc<ObjectBlobs>,
    pub(crate) bell: Arc<dyn Doorbell>,
    /// The right to work in the data folder, if this process has it.
    folder: Option<FolderLock>,
}

impl Deployment {
    /// Opens a deployment for a command that asks and looks, but works only if nobody else does.
    pub(crate) async fn open(config: Config) -> Result<Self> {
        let database = ready_database(&config).await?;
        let bell = open_bell(&config, &database).await?;
        let store = store(&config, database, bell.clone());
        Ok(Self {
            store: Arc::new(store),
            blobs: Arc::new(open_blobs(&config)?),
            bell,
            config,
            folder: None,
        })
    }

    /// Opens a deployment to work in it. In embedded mode no other process may do so.
    pub(crate) async fn open_to_work(config: Config, what: &str) -> Result<Self> {
        let folder = is_embedded(&config)
            .then(|| lock_folder(&config.data_dir, what))
            .transpose()?;
        let deployment = Self::open(config).await?;
        Ok(Self {
            folder,
            ..deployment
        })
    }

    /// Whether this process may work in a data folder that it is to be alone in: it tries to get it.
    pub(crate) fn try_to_work(&mut self, what: &str) -> bool {
        if is_embedded(&self.config) && self.folder.is_none() {
            self.folder = lock_folder(&self.config.data_dir, what).ok();
        }
        self.folder.is_some()
    }

    /// What keeps two from doing the same.
    pub(crate) async fn lock(&self) -> Result<Arc<dyn DedupLock>> {
        open_lock(&self.config, &machine::process_name()).await
    }

    /// What does the work here, and the folder that it works in.
    pub(crate) async fn mill(&self) -> Result<(Mill, Scratch)> {
        let config = &self.config;
        let worker = config.name.clone().unwrap_or_else(machine::process_name);
        let scratch = Scratch::open(&config.data_dir.join("scratch"))?;
        let lock = open_lock(config, &worker).await?;
        let threads = (machine::cores().get() / config.slots).max(1);
        let store = &self.store;
        let mill = Mill {
            records: Records {
                files: store.clone(),
                assets: store.clone(),
                ledger: store.clone(),
                log: store.clone(),
            },
            blobs: self.blobs.clone(),
            lock,
            tessellator: Arc::new(tessellator::find().with_scratch(scratch.path())),
            clock: Arc::new(SystemClock),
            settings: MillSettings {
                worker: WorkerName::new(worker),
                making: config.making(),
                lease: config.lease,
                timeout: config.timeout,
                memory_bytes: config.memory_bytes(),
                threads,
                scratch: scratch.path(),
            },
        };
        Ok((mill, scratch))
    }

    /// The file that is called so: by its id, or by the name it was brought in under.
    pub(crate) async fn find(&self, called: &str) -> Result<CadFile> {
        let found = match called.parse::<CadFileId>() {
            Ok(id) => self.store.get(id).await?,
            Err(_) => self.store.named(called).await?,
        };
        let unknown = || {
            Failed(format!(
                "there is no CAD file `{called}`; name it as it was brought in, or by its id"
            ))
        };
        Ok(found.ok_or_else(unknown)?)
    }

    /// Removes blobs that nothing refers to and that are older than a day: what is being made now
    /// is younger.
    pub(crate) async fn sweep(&self) -> Result<()> {
        let older_than = SystemClock.now() - chrono::TimeDelta::days(1);
        let swept = self.blobs.sweep(&*self.store, older_than).await?;
        tracing::info!(swept.seen, swept.removed, "Swept the blobs.");
        Ok(())
    }
}

/// Brings the tables to the newest version.
pub(crate) async fn migrate(config: &Config) -> Result<()> {
    Ok(open_database(config).await?.migrate().await?)
}

/// The rows alone, for one who looks whether they can be had.
pub(crate) async fn open_store(config: &Config) -> Result<Store> {
    let database = ready_database(config).await?;
    Ok(store(config, database, Arc::new(LocalDoorbell::default())))
}

/// What keeps two from doing the same.
pub(crate) async fn open_lock(config: &Config, owner: &str) -> Result<Arc<dyn DedupLock>> {
    Ok(match &config.redis_url {
        Some(url) => {
            let lock = RedisLock::connect(url.reveal(), owner.to_owned()).await;
            Arc::new(lock.context(REDIS)?)
        }
        None => Arc::new(MemoryLock::new(owner.to_owned())),
    })
}

fn store(config: &Config, database: Database, bell: Arc<dyn Doorbell>) -> Store {
    Store::new(database, config.making(), Arc::new(SystemClock), bell)
}

fn is_embedded(config: &Config) -> bool {
    config.database_url.is_none()
}

/// The database, whose tables are the newest: of a data folder they are brought to that.
async fn ready_database(config: &Config) -> Result<Database> {
    let database = open_database(config).await?;
    if is_embedded(config) {
        database.migrate().await?;
    } else {
        database.check().await?;
    }
    Ok(database)
}

async fn open_database(config: &Config) -> Result<Database> {
    if let Some(url) = &config.database_url {
        let connections = config.database_connections;
        return Ok(Database::connect_postgres(url.reveal(), connections).await?);
    }
    let folder = &config.data_dir;
    make_folder(folder)?;
    Ok(Database::open_sqlite(&folder.join(DATABASE)).await?)
}

/// Where the bytes are.
pub(crate) fn open_blobs(config: &Config) -> Result<ObjectBlobs> {
    match &config.blob_url {
        Some(url) => Ok(ObjectBlobs::in_s3(url.reveal())?),
        None => Ok(ObjectBlobs::in_folder(&config.data_dir.join("blobs"))?),
    }
}

async fn open_bell(config: &Config, database: &Database) -> Result<Arc<dyn Doorbell>> {
    match (&config.redis_url, config.wake) {
        (None, _) => Ok(Arc::new(LocalDoorbell::default())),
        (Some(_), Wake::Postgres) => Ok(Arc::new(PostgresDoorbell::listen(database)?)),
        (Some(url), Wake::Redis) => {
            let signal = RedisSignal::connect(url.reveal(), CHANNEL).await;
            let signal = signal.context(REDIS)?;
            let waiter = Mutex::new(signal.waiter());
            Ok(Arc::new(RedisDoorbell { signal, waiter }))
        }
    }
}

fn lock_folder(folder: &Path, what: &str) -> Result<FolderLock> {
    make_folder(folder)?;
    let holder = format!("{what} ({})", machine::process_name());
    let locked = FolderLock::take(folder, &holder);
    locked.with_context(|| format!("`{}` cannot be worked in", folder.display()))
}

fn make_folder(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder)
        .with_context(|| format!("the data folder `{}` cannot be made", folder.display()))
}

/// Wakes workers through Redis.
#[derive(Debug)]
struct RedisDoorbell {
    signal: RedisSignal,
    waiter: Mutex<Waiter>,
}

#[async_trait]
impl Doorbell for RedisDoorbell {
    async fn ring(&self) {
        if let Err(error) = self.signal.notify().await {
            let error: &dyn std::error::Error = &error;
            tracing::warn!(
                error,
                "Workers could not be woken; they look by themselves."
            );
        }
    }

    async fn wait(&self) {
        self.waiter.lock().await.wait().await;
    }
}
