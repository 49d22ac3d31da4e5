//! An open deployment, and what its commands have in common.

mod adapters;

use std::{sync::Arc, time::Duration};

use anyhow::Result;
use cadmill_domain::{CadFile, CadFileId, CadFiles as _, Clock, WorkNotifier, ledger::WorkerName};
use cadmill_lock::DedupLock;
use cadmill_pipeline::{Records, Scratch, TaskRunner, TaskRunnerSettings};
use cadmill_store::{Database, FolderLock, LocalWorkNotifier, ObjectBlobs, SessionTimeouts, Store};
use tracing::{info, warn};

pub(crate) use self::adapters::{open_blobs, open_lock};
use crate::{
    exit::{Exit, Failed},
    wiring::{
        config::{Config, DeploymentArguments},
        machine, tessellator,
    },
};

/// How long closing the database may take.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// An open deployment.
#[derive(Debug)]
pub(crate) struct Deployment {
    pub(crate) config: Config,
    pub(crate) store: Arc<Store>,
    pub(crate) blobs: Arc<ObjectBlobs>,
    pub(crate) notifier: Arc<dyn WorkNotifier>,
    /// The clock of the database, which all processes share.
    pub(crate) clock: Arc<dyn Clock>,
    /// The lock of the data folder, if this process holds it.
    folder: Option<FolderLock>,
}

impl Deployment {
    /// Opens a deployment without the right to work in it.
    pub(crate) async fn open(config: Config) -> Result<Self> {
        let database = adapters::open_ready_database(&config).await?;
        let notifier = adapters::open_notifier(&config, &database).await?;
        let clock: Arc<dyn Clock> = adapters::measure_clock(&database).await?;
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

    /// Opens a deployment for `command` to work in it. In an embedded one no other process may do
    /// that.
    pub(crate) async fn open_to_work(config: Config, command: &str) -> Result<Self> {
        let folder = config
            .is_embedded()
            .then(|| adapters::lock_data_dir(&config, command))
            .transpose()?;
        if folder.is_some() {
            check_after_unclean_end(&config).await?;
        }
        let deployment = Self {
            folder,
            ..Self::open(config).await?
        };
        if let Err(error) = deployment.own_blobs().await {
            deployment.close().await;
            return Err(error);
        }
        Ok(deployment)
    }

    /// Checks that the blobs belong to the database. Blobs may be added or used only after that.
    pub(crate) async fn own_blobs(&self) -> Result<()> {
        self.store.own_blobs(&self.blobs).await?;
        Ok(())
    }

    /// Tries to get the right to work in the data folder, and returns whether this process has it.
    /// It never has it in a distributed deployment, where workers do the work.
    pub(crate) fn try_to_work(&mut self, command: &str) -> bool {
        if self.config.is_embedded() && self.folder.is_none() {
            self.folder = adapters::lock_data_dir(&self.config, command).ok();
        }
        self.folder.is_some()
    }

    /// Opens the lock by which work is done only once.
    pub(crate) async fn lock(&self) -> Result<Arc<dyn DedupLock>> {
        open_lock(&self.config, &machine::process_name()).await
    }

    /// The ports of the rows.
    pub(crate) fn records(&self) -> Records {
        let store = &self.store;
        Records {
            files: store.clone(),
            assets: store.clone(),
            requests: store.clone(),
            queue: store.clone(),
            view: store.clone(),
            log: store.clone(),
            refs: store.clone(),
        }
    }

    /// Creates the runner of tasks, and its scratch folder.
    pub(crate) async fn task_runner(&self) -> Result<(TaskRunner, Scratch)> {
        let config = &self.config;
        let worker = config.name.clone().unwrap_or_else(machine::process_name);
        let scratch = Scratch::open(&config.data_dir.join("scratch"))?;
        let lock = open_lock(config, &worker).await?;
        let threads = (machine::cores().get() / config.slots).max(1);
        let tessellator = tessellator::find()
            .with_scratch(scratch.path())
            .require_sandbox(config.require_sandbox);
        tessellator::check_sandbox(&tessellator, config.require_sandbox).await?;
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

    /// Closes the database. The next start then does not check a SQLite database for damage.
    pub(crate) async fn close(&self) {
        let closing = self.store.close_database();
        if tokio::time::timeout(CLOSE_TIMEOUT, closing).await.is_err() {
            warn!("database not closed in time, the next start checks it");
        }
    }

    /// Finds a file by its id or its name.
    pub(crate) async fn find(&self, id_or_name: &str) -> Result<CadFile> {
        let found = match id_or_name.parse::<CadFileId>() {
            Ok(id) => self.store.get(id).await?,
            Err(_) => self.store.named(id_or_name).await?,
        };
        let unknown = || {
            Failed(format!(
                "there is no CAD file `{id_or_name}`; give the name under which it was imported, or \
                 its id"
            ))
        };
        Ok(found.ok_or_else(unknown)?)
    }
}

/// Runs `body` with the deployment of `arguments`, and closes the deployment.
pub(crate) fn with_deployment(
    arguments: &DeploymentArguments,
    body: impl AsyncFnOnce(&mut Deployment) -> Result<Exit>,
) -> Result<Exit> {
    with_deployment_of(Config::load(arguments)?, body)
}

/// Runs `body` with the deployment of `config`, and closes the deployment.
pub(crate) fn with_deployment_of(
    config: Config,
    body: impl AsyncFnOnce(&mut Deployment) -> Result<Exit>,
) -> Result<Exit> {
    machine::runtime()?.block_on(async {
        let mut deployment = Deployment::open(config).await?;
        let ended = body(&mut deployment).await;
        deployment.close().await;
        ended
    })
}

/// Checks that the database of an embedded deployment exists.
pub(crate) fn require_database(config: &Config) -> Result<()> {
    if !config.is_embedded() || adapters::sqlite_path(config).is_file() {
        return Ok(());
    }
    let folder = config.data_dir.display();
    let text = format!("there is no database in `{folder}`; name the data folder by `--data-dir`");
    Err(Failed(text).into())
}

/// Migrates the tables to this version.
pub(crate) async fn migrate(config: &Config) -> Result<()> {
    let database = adapters::open_database(config, SessionTimeouts::UNLIMITED).await?;
    let migrated = database.migrate().await;
    database.close().await;
    Ok(migrated?)
}

/// Opens only the store, to check it, and returns its database, too.
pub(crate) async fn open_store(config: &Config) -> Result<(Store, Database)> {
    let database = adapters::open_ready_database(config).await?;
    let clock = adapters::measure_clock(&database).await?;
    let notifier = Arc::new(LocalWorkNotifier::default());
    let store = Store::new(database.clone(), config.plan(), clock, notifier);
    Ok((store, database))
}

/// Checks a SQLite database that was not closed: a killed process, or a loss of power, may have
/// damaged it.
async fn check_after_unclean_end(config: &Config) -> Result<()> {
    let path = adapters::sqlite_path(config);
    if !Database::was_left_open(&path) {
        return Ok(());
    }
    info!("database was not closed, checking it");
    let database = Database::open_sqlite(&path).await?;
    let verified = database.verify().await;
    database.close().await;
    Ok(verified?)
}
