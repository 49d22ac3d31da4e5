//! The marker by which blobs say whose they are.

use std::sync::atomic::Ordering;

use cadmill_domain::{DeploymentId, Failure, FailureCode};
use futures_util::TryStreamExt as _;
use object_store::{
    Error, ObjectStore as _, ObjectStoreExt as _, PutMode, PutOptions, path::Path as Key,
};
use serde::{Deserialize, Serialize};

use super::{
    ObjectBlobs, failure,
    keys::{COPIES, PREFIX},
};

/// The name of the marker.
const MARKER: &str = "cadmill-owner.json";

/// Which database owns some blobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// The deployment; each database has its own, but a copy has the same.
    pub id: DeploymentId,
    /// Grows with each `cadmill adopt`, which distinguishes a database from its copies.
    pub generation: u64,
}

impl ObjectBlobs {
    /// Whose the blobs are; none if no database has claimed them.
    ///
    /// # Errors
    /// `storage` if the store does not answer, or the marker cannot be understood.
    pub async fn owner(&self) -> Result<Option<Owner>, Failure> {
        let read = async { self.store.get(&Key::from(MARKER)).await?.bytes().await };
        let marker = match read.await {
            Ok(marker) => marker,
            Err(Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(failure("Reading whose the blobs are", &error)),
        };
        match serde_json::from_slice(&marker) {
            Ok(owner) => Ok(Some(owner)),
            Err(error) => {
                let detail = format!("`{MARKER}` beside the blobs cannot be understood: {error}.");
                Err(Failure::new(FailureCode::Storage, detail))
            }
        }
    }

    /// Remembers that the blobs are those of the database.
    pub(crate) fn note_owned(&self) {
        self.is_owned.store(true, Ordering::Relaxed);
    }

    /// Checks that blobs that bore a marker still do. Without it, they are not those that were there:
    /// a disk is not mounted, or a bucket was emptied.
    pub(super) async fn check_marker(&self) -> Result<(), Failure> {
        if !self.is_owned.load(Ordering::Relaxed) || self.owner().await?.is_some() {
            return Ok(());
        }
        let detail = format!(
            "`{MARKER}` is gone from beside the blobs; check that their disk is mounted, or that the \
             bucket is the same as before."
        );
        Err(Failure::new(FailureCode::Storage, detail))
    }

    /// Marks blobs that bear no marker. False if another process has just marked them.
    ///
    /// # Errors
    /// `storage` or `disk_full` if the marker cannot be written.
    pub async fn mark(&self, owner: Owner) -> Result<bool, Failure> {
        let mode = PutMode::Create;
        match self.write_marker(owner, mode).await {
            Err(Error::AlreadyExists { .. }) => Ok(false),
            Ok(()) => self.sync_marker().await.map(|()| true),
            // Some stores cannot write on a condition, and each says so in its own way.
            Err(_) => self.mark_again(owner).await.map(|()| true),
        }
    }

    /// Marks blobs in place of any marker that they bear.
    ///
    /// # Errors
    /// `storage` or `disk_full` if the marker cannot be written.
    pub async fn mark_again(&self, owner: Owner) -> Result<(), Failure> {
        let written = self.write_marker(owner, PutMode::Overwrite).await;
        written.map_err(|error| failure("Marking the blobs", &error))?;
        self.sync_marker().await
    }

    /// Whether there is no blob at all.
    ///
    /// # Errors
    /// `storage` if the store does not answer.
    pub async fn is_empty(&self) -> Result<bool, Failure> {
        for prefix in [PREFIX, COPIES] {
            let first = self.store.list(Some(&Key::from(prefix))).try_next().await;
            let first = first.map_err(|error| failure("Listing the blobs", &error))?;
            if first.is_some() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn write_marker(&self, owner: Owner, mode: PutMode) -> Result<(), Error> {
        let json = serde_json::to_vec(&owner).map_err(|error| Error::Generic {
            store: "marker",
            source: error.into(),
        })?;
        let options = PutOptions::from(mode);
        let key = Key::from(MARKER);
        self.store.put_opts(&key, json.into(), options).await?;
        Ok(())
    }

    async fn sync_marker(&self) -> Result<(), Failure> {
        let Some(folder) = &self.folder else {
            return Ok(());
        };
        let synced = folder.sync_file(MARKER).await;
        synced.map_err(|error| Failure::writing("whose the blobs are", &error))
    }
}
