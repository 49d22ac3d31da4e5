//! New, empty databases: SQLite files in folders that go with them, and databases on the PostgreSQL
//! that the tests share.

use std::{
    borrow::Borrow,
    future::{Ready, ready},
    path::Path,
    sync::Arc,
};

use cadmill_domain::{
    Blobs, WorkNotifier,
    contract::{self, Deployment, notifier::Doorbells},
    fakes::ManualClock,
};
use cadmill_servers::shared;
use cadmill_store::{Database, LocalWorkNotifier, ObjectBlobs, PostgresWorkNotifier, Store};
use sea_orm::{ConnectOptions, ConnectionTrait as _};
use tempfile::TempDir;
use uuid::Uuid;

/// A deployment, and what it is kept in.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) deployment: Deployment,
    _folder: Option<TempDir>,
}

impl Borrow<Deployment> for Opened {
    fn borrow(&self) -> &Deployment {
        &self.deployment
    }
}

/// A deployment in a SQLite file.
pub(crate) async fn sqlite() -> Opened {
    let folder = tempfile::tempdir().unwrap();
    let database = sqlite_in(folder.path()).await;
    Opened {
        deployment: deployment(database, Arc::default()).await,
        _folder: Some(folder),
    }
}

/// The SQLite file `cadmill.db` in `folder`.
pub(crate) async fn sqlite_in(folder: &Path) -> Database {
    let path = folder.join("cadmill.db");
    Database::open_sqlite(&path).await.unwrap()
}

/// A deployment in a new database of PostgreSQL.
pub(crate) async fn postgres() -> Opened {
    let url = new_postgres_database().await;
    let database = Database::connect_postgres(&url, 24).await.unwrap();
    Opened {
        deployment: deployment(database, Arc::default()).await,
        _folder: None,
    }
}

/// The URL of a new, empty database of PostgreSQL.
pub(crate) async fn new_postgres_database() -> String {
    let server = shared::postgres_url();
    let name = format!("store_{}", Uuid::now_v7().simple());
    let mut options = ConnectOptions::new(&server);
    options.max_connections(1).sqlx_logging(false);
    let connection = sea_orm::Database::connect(options).await.unwrap();
    let create = format!("CREATE DATABASE {name}");
    connection.execute_unprepared(&create).await.unwrap();
    connection.close().await.unwrap();
    let (server, _) = server.rsplit_once('/').unwrap();
    format!("{server}/{name}")
}

/// A deployment in `database`, which may be empty.
pub(crate) async fn deployment(database: Database, clock: Arc<ManualClock>) -> Deployment {
    ringing(database, clock, Arc::new(LocalWorkNotifier::default())).await
}

/// The same, with this bell.
pub(crate) async fn ringing(
    database: Database,
    clock: Arc<ManualClock>,
    notifier: Arc<dyn WorkNotifier>,
) -> Deployment {
    database.migrate().await.unwrap();
    let store = Store::new(database, contract::plan(), clock.clone(), notifier);
    let store = Arc::new(store);
    Deployment {
        files: store.clone(),
        assets: store.clone(),
        ledger: store.clone(),
        log: store.clone(),
        tokens: store.clone(),
        refs: store.clone(),
        webhooks: store,
        clock,
    }
}

/// Two processes on one PostgreSQL database, as far as bells can tell.
pub(crate) async fn postgres_doorbells() -> Doorbells {
    let url = new_postgres_database().await;
    let database = Database::connect_postgres(&url, 4).await.unwrap();
    let notifier = || Arc::new(PostgresWorkNotifier::listen(&database).unwrap());
    Doorbells {
        ringing: notifier(),
        waiting: notifier(),
    }
}

/// The bell of one process.
pub(crate) fn local_doorbell() -> Ready<Doorbells> {
    let notifier = Arc::new(LocalWorkNotifier::default());
    ready(Doorbells {
        ringing: notifier.clone(),
        waiting: notifier,
    })
}

/// Blobs in a folder that goes with them.
#[derive(Debug)]
pub(crate) struct FolderBlobs {
    pub(crate) blobs: ObjectBlobs,
    pub(crate) folder: TempDir,
}

impl Borrow<dyn Blobs> for FolderBlobs {
    fn borrow(&self) -> &(dyn Blobs + 'static) {
        &self.blobs
    }
}

/// Blobs in a new folder.
pub(crate) fn blobs_in_a_folder() -> Ready<FolderBlobs> {
    let folder = tempfile::tempdir().unwrap();
    let blobs = ObjectBlobs::in_folder(&folder.path().join("blobs")).unwrap();
    ready(FolderBlobs { blobs, folder })
}

/// Blobs in memory.
pub(crate) fn blobs_in_memory() -> Ready<Arc<dyn Blobs>> {
    ready(Arc::new(ObjectBlobs::in_memory()))
}
