//! Wires a deployment: which database, lock, blobs and bell the configuration asks for.

use std::{path::Path, sync::Arc, time::Duration};

use anyhow::{Context as _, Result};
use async_trait::async_trait;
use cadmill_domain::{
    CadFile, CadFileId, CadFiles as _, Clock, SystemClock, WorkNotifier, WorkerName,
};
use cadmill_lock::{
    DedupLock, MemoryLock,
    redis::{RedisLock, RedisWorkNotifier, Waiter},
};
use cadmill_pipeline::{ProcessTessellator, Records, Scratch, TaskRunner, TaskRunnerSettings};
use cadmill_store::{
    Database, DatabaseClock, FolderLock, LocalWorkNotifier, ObjectBlobs, PostgresWorkNotifier,
    SessionTimeouts, Store,
};
use tokio::sync::Mutex;
use tracing::warn;

use crate::{
    config::{Config, Wake},
    exit::Failed,
    machine, tessellator,
};

/// The channel of Redis on which workers are woken.
const CHANNEL: &str = "cadmill:work";
/// What is told if Redis cannot be used.
const REDIS: &str = "Redis cannot be used; check `redis_url`, and that it runs and lets us in";
/// How long the process waits for its database to be closed when it ends.
const CLOSE_WITHIN: Duration = Duration::from_secs(1);
/// The database file in the data folder.
const DATABASE: &str = "cadmill.db";

/// An open deployment.
#[derive(Debug)]
pub(crate) struct Deployment {
    pub(crate) config: Config,
    pub(crate) store: Arc<Store>,
    pub(crate) blobs: Arc<ObjectBlobs>,
    pub(crate) notifier: Arc<dyn WorkNotifier>,
    /// The clock of the database, which all processes share.
    pub(crate) clock: Arc<dyn Clock>,
    /// The right to work in the data folder, if this process has it.
    folder: Option<FolderLock>,
}

impl Deployment {
    /// Opens a deployment for a command that asks and looks, but works only if nobody else does.
    pub(crate) async fn open(config: Config) -> Result<Self> {
        let database = ready_database(&config).await?;
        let notifier = open_bell(&config, &database).await?;
        let clock: Arc<dyn Clock> = clock(&database).await?;
        let store = Store::new(database, config.plan(), clock.clone(), notifier.clone());
        Ok(Self {
            store: Arc::new(store),
            blobs: Arc::new(open_blobs(&config)?),
            notifier,
            clock,
            config,
            folder: None,
        })
    }

    /// Opens a deployment to work in it. In embedded mode no other process may do so.
    pub(crate) async fn open_to_work(config: Config, what: &str) -> Result<Self> {
        let folder = is_embedded(&config)
            .then(|| lock_folder(&config.data_dir, what))
            .transpose()?;
        if folder.is_some() {
            check_after_unclean_end(&config).await?;
        }
        let deployment = Self::open(config).await?;
        deployment.own_blobs().await?;
        Ok(Self {
            folder,
            ..deployment
        })
    }

    /// Checks that the blobs are those of the database, before any is added or relied upon.
    pub(crate) async fn own_blobs(&self) -> Result<()> {
        self.store.own_blobs(&self.blobs).await?;
        Ok(())
    }

    /// Whether everything is in one folder.
    pub(crate) fn is_embedded(&self) -> bool {
        is_embedded(&self.config)
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

    /// Where rows are kept.
    pub(crate) fn records(&self) -> Records {
        let store = &self.store;
        Records {
            files: store.clone(),
            assets: store.clone(),
            ledger: store.clone(),
            log: store.clone(),
            refs: store.clone(),
        }
    }

    /// What does the work here, and the folder that it works in.
    pub(crate) async fn runner(&self) -> Result<(TaskRunner, Scratch)> {
        let config = &self.config;
        let worker = config.name.clone().unwrap_or_else(machine::process_name);
        let scratch = Scratch::open(&config.data_dir.join("scratch"))?;
        let lock = open_lock(config, &worker).await?;
        let threads = (machine::cores().get() / config.slots).max(1);
        let tessellator = tessellator::find()
            .with_scratch(scratch.path())
            .require_sandbox(config.require_sandbox);
        look_at_sandbox(&tessellator, config.require_sandbox).await?;
        let runner = TaskRunner {
            records: self.records(),
            blobs: self.blobs.clone(),
            lock,
            tessellator: Arc::new(tessellator),
            clock: self.clock.clone(),
            settings: TaskRunnerSettings {
                worker: WorkerName::new(worker),
                plan: config.plan(),
                lease: config.lease,
                timeout: config.timeout,
                memory_bytes: config.memory_bytes(),
                threads,
                scratch: scratch.path(),
            },
        };
        Ok((runner, scratch))
    }

    /// Closes the database, so that the next start need not read all of it.
    pub(crate) async fn close(&self) {
        if tokio::time::timeout(CLOSE_WITHIN, self.store.close_database())
            .await
            .is_err()
        {
            tracing::warn!("the database was not closed in time; the next start checks it");
        }
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
}

/// Says before the first file whether the tessellator can be confined.
async fn look_at_sandbox(tessellator: &ProcessTessellator, is_required: bool) -> Result<()> {
    let report = match tessellator.sandbox().await {
        Ok(report) => report,
        // Each file will fail with the same reason.
        Err(failure) => {
            warn!(%failure, "the sandbox of the tessellator cannot be checked");
            return Ok(());
        }
    };
    if report.is_whole() {
        return Ok(());
    }
    let lacks = report.lacks();
    if is_required {
        return Err(Failed(format!(
            "`require_sandbox` is set, but the sandbox lacks {lacks}; `cadmill doctor` says more"
        ))
        .into());
    }
    warn!(
        sandbox.lacks = lacks,
        "the tessellator is not wholly confined"
    );
    Ok(())
}

/// Checks that there is a database in the data folder, where there should be one.
pub(crate) fn require_database(config: &Config) -> Result<()> {
    if !is_embedded(config) || config.data_dir.join(DATABASE).is_file() {
        return Ok(());
    }
    let folder = config.data_dir.display();
    let text = format!("there is no database in `{folder}`; name the data folder by `--data-dir`");
    Err(Failed(text).into())
}

/// Brings the tables to the newest version.
pub(crate) async fn migrate(config: &Config) -> Result<()> {
    Ok(open_database(config, SessionTimeouts::UNLIMITED)
        .await?
        .migrate()
        .await?)
}

/// The rows alone, for one who looks whether they can be had, and what they are kept in.
pub(crate) async fn open_store(config: &Config) -> Result<(Store, Database)> {
    let database = ready_database(config).await?;
    let kept_in = database.clone();
    let (clock, notifier) = (clock(&database).await?, LocalWorkNotifier::default());
    let store = Store::new(database, config.plan(), clock, Arc::new(notifier));
    Ok((store, kept_in))
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

/// A process that was killed, or lost its power, may leave a damaged database.
async fn check_after_unclean_end(config: &Config) -> Result<()> {
    let path = config.data_dir.join(DATABASE);
    if !Database::was_left_open(&path) {
        return Ok(());
    }
    tracing::info!("the database was not closed; it is checked");
    let database = Database::open_sqlite(&path).await?;
    let verified = database.verify().await;
    database.close().await;
    Ok(verified?)
}

async fn clock(database: &Database) -> Result<Arc<DatabaseClock>> {
    Ok(DatabaseClock::measure(database, Arc::new(SystemClock)).await?)
}

fn is_embedded(config: &Config) -> bool {
    config.database_url.is_none()
}

/// The database, whose tables are the newest: of a data folder they are brought to that.
async fn ready_database(config: &Config) -> Result<Database> {
    let timeouts = SessionTimeouts {
        lock: config.database_lock_timeout,
        statement: config.database_statement_timeout,
        idle_in_transaction: config.database_idle_timeout,
        tcp: config.database_tcp_timeout,
    };
    let database = open_database(config, timeouts).await?;
    if is_embedded(config) {
        database.migrate().await?;
    } else {
        database.check().await?;
    }
    Ok(database)
}

async fn open_database(config: &Config, timeouts: SessionTimeouts) -> Result<Database> {
    if let Some(url) = &config.database_url {
        let connections = config.database_connections;
        let connected = Database::connect_postgres_with(url.reveal(), connections, timeouts);
        return Ok(connected.await?);
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

async fn open_bell(config: &Config, database: &Database) -> Result<Arc<dyn WorkNotifier>> {
    match (&config.redis_url, config.wake) {
        (None, _) => Ok(Arc::new(LocalWorkNotifier::default())),
        (Some(_), Wake::Postgres) => Ok(Arc::new(PostgresWorkNotifier::listen(database)?)),
        (Some(url), Wake::Redis) => {
            let signal = RedisWorkNotifier::connect(url.reveal(), CHANNEL).await;
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
    cadmill_store::make_folder(folder)
        .with_context(|| format!("the data folder `{}` cannot be made", folder.display()))
}

/// Wakes workers through Redis.
#[derive(Debug)]
struct RedisDoorbell {
    signal: RedisWorkNotifier,
    waiter: Mutex<Waiter>,
}

#[async_trait]
impl WorkNotifier for RedisDoorbell {
    async fn notify(&self) {
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
