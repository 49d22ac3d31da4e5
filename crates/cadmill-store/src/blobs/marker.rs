//! The marker by which blobs say whose they are.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use cadmill_domain::{DeploymentId, Failure, FailureCode};
use futures_util::TryStreamExt as _;
use object_store::{
    Error, ObjectStore as _, ObjectStoreExt as _, PutMode, PutOptions, path::Path as Key,
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::time::Instant;

use super::{
    ObjectBlobs, failure,
    folder::Folder,
    keys::{COPIES, PREFIX},
};

/// The name of the marker.
pub(crate) const MARKER: &str = "cadmill-owner.json";
/// In a bucket the marker is not read again within this time before something is stored. In a folder
/// it is read each time: a disk may be unmounted while a process runs.
const TRUST: Duration = Duration::from_secs(5);

/// Which database owns some blobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// The database, as of the last `cadmill adopt`: each draws another id, so no two copies of a
    /// database that adopted the same blobs have the same.
    pub id: DeploymentId,
    /// How often the blobs were adopted, from 1.
    pub generation: u64,
}

/// What is found where the marker of some blobs should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Marker {
    /// There is none.
    Missing,
    /// It is torn or empty, or of a later version; why it cannot be read.
    Unreadable(String),
    /// Whose the blobs are.
    Owner(Owner),
}

/// The owner whose marker the blobs must bear, and when they were last seen to bear it.
#[derive(Debug, Default)]
pub(super) struct Expected(Mutex<Option<(Owner, Instant)>>);

impl Expected {
    fn get(&self) -> Option<(Owner, Instant)> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn seen(&self, owner: Owner) {
        let mut expected = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *expected = Some((owner, Instant::now()));
    }
}

impl ObjectBlobs {
    /// Reads the marker.
    ///
    /// # Errors
    /// `storage` if the store does not answer.
    pub async fn marker(&self) -> Result<Marker, Failure> {
        let read = async { self.store.get(&Key::from(MARKER)).await?.bytes().await };
        match read.await {
            Ok(marker) => Ok(match serde_json::from_slice(&marker) {
                Ok(owner) => Marker::Owner(owner),
                Err(error) => Marker::Unreadable(error.to_string()),
            }),
            Err(Error::NotFound { .. }) => Ok(Marker::Missing),
            Err(error) => Err(failure("Reading whose the blobs are", &error)),
        }
    }

    /// From now on the blobs must bear the marker of this owner whenever something is stored. False
    /// if they already must bear another one: they were adopted while this process ran.
    pub(crate) fn expect_owner(&self, owner: Owner) -> bool {
        match self.expected.get() {
            Some((expected, _)) if expected != owner => false,
            _ => {
                self.expected.seen(owner);
                true
            }
        }
    }

    /// Checks that blobs which bore a marker still bear the same. If not, they are not those that were
    /// there: a disk is not mounted, or a bucket was emptied.
    pub(super) async fn check_marker(&self) -> Result<(), Failure> {
        let Some((owner, _)) = self.expected.get() else {
            return Ok(());
        };
        let detail = match self.marker().await? {
            Marker::Owner(found) if found == owner => {
                self.expected.seen(owner);
                return Ok(());
            }
            Marker::Owner(_) => format!(
                "`{MARKER}` beside the blobs has changed: `cadmill adopt` was run while this process \
                 worked. Stop it, and start it again if the blobs are its database's."
            ),
            Marker::Unreadable(error) => format!(
                "`{MARKER}` beside the blobs cannot be read ({error}); check their disk, then stop all \
                 processes and run `cadmill adopt`."
            ),
            Marker::Missing => format!(
                "`{MARKER}` is gone from beside the blobs; check that their disk is mounted, or that \
                 the bucket is the same as before."
            ),
        };
        Err(Failure::new(FailureCode::Storage, detail))
    }

    /// The same, before something is stored.
    pub(super) async fn check_before_storing(&self) -> Result<(), Failure> {
        let is_trusted = |(_, seen): (Owner, Instant)| seen.elapsed() < TRUST;
        if self.folder.is_none() && self.expected.get().is_some_and(is_trusted) {
            return Ok(());
        }
        self.check_marker().await
    }

    /// Checks, where one blob is missing, that the folder of all of them holds anything. If not, none
    /// of them counts as lost: a disk is not mounted there.
    pub(super) fn check_others(&self) -> Result<(), Failure> {
        match &self.folder {
            Some(folder) if self.expected.get().is_some() && !folder.holds_anything() => {
                let detail = format!(
                    "`{PREFIX}` beside `{MARKER}` is empty or missing; check that its disk is mounted, \
                     or put the blobs back from a backup."
                );
                Err(Failure::new(FailureCode::Storage, detail))
            }
            _ => Ok(()),
        }
    }

    /// Marks blobs that bear no marker. False if another process has just marked them.
    ///
    /// # Errors
    /// `storage` or `disk_full` if the marker cannot be written.
    pub async fn mark(&self, owner: Owner) -> Result<bool, Failure> {
        if let Some(folder) = &self.folder {
            return mark_folder(folder, owner, false).await;
        }
        match self.put_marker(owner, PutMode::Create).await {
            Err(Error::AlreadyExists { .. }) => Ok(false),
            Ok(()) => Ok(true),
            // Some stores cannot write on a condition, and each says so in its own way.
            Err(_) => self.mark_again(owner).await.map(|()| true),
        }
    }

    /// Marks blobs in place of any marker that they bear.
    ///
    /// # Errors
    /// `storage` or `disk_full` if the marker cannot be written.
    pub async fn mark_again(&self, owner: Owner) -> Result<(), Failure> {
        if let Some(folder) = &self.folder {
            return mark_folder(folder, owner, true).await.map(drop);
        }
        let written = self.put_marker(owner, PutMode::Overwrite).await;
        written.map_err(|error| failure("Marking the blobs", &error))
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

    async fn put_marker(&self, owner: Owner, mode: PutMode) -> Result<(), Error> {
        let options = PutOptions::from(mode);
        let marker = in_json(owner).into();
        let key = Key::from(MARKER);
        self.store.put_opts(&key, marker, options).await.map(drop)
    }
}

/// Writes the marker of a folder, so that a power cut leaves the old one or the new one, and no part.
/// False if there is one that may not be replaced.
async fn mark_folder(folder: &Folder, owner: Owner, replaces: bool) -> Result<bool, Failure> {
    let key = Key::from(MARKER);
    let written = async {
        let staged = folder.stage_bytes(in_json(owner).into()).await?;
        if replaces {
            folder.publish(staged, &key).await.map(|()| true)
        } else {
            folder.publish_new(staged, &key).await
        }
    };
    let written = written.await;
    written.map_err(|error| Failure::writing("whose the blobs are", &error))
}

fn in_json(owner: Owner) -> Vec<u8> {
    json!(owner).to_string().into_bytes()
}
