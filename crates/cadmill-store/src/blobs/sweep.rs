//! Removing what nothing refers to any more, and what was left half done.

use std::path::Path;

use cadmill_domain::{ContentHash, Failure, FailureCode, MediaAssets, Moment};
use futures_util::TryStreamExt as _;
use object_store::{Error, ObjectMeta, ObjectStore as _, ObjectStoreExt as _, path::Path as Key};
use tokio::task::spawn_blocking;
use tracing::warn;

use super::{INCOMING, ObjectBlobs, PREFIX, PROBES, failure, key};

/// How many blobs are swept at once.
const BATCH: usize = 1000;

/// What a sweep did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sweep {
    /// Blobs that were looked at.
    pub seen: u64,
    /// Blobs that nothing refers to any more, and that were removed.
    pub removed: u64,
}

impl ObjectBlobs {
    /// Removes blobs that nothing in `assets` refers to and that were written before `older_than`:
    /// those of a worker that died before it published, and of files that are gone. What is being
    /// made now is younger than that.
    ///
    /// # Errors
    /// If the store or the database does not answer; then some orphans are left.
    pub async fn sweep(
        &self,
        assets: &dyn MediaAssets,
        older_than: Moment,
    ) -> Result<Sweep, Failure> {
        if let Some(folder) = self.folder.clone() {
            let swept = spawn_blocking(move || remove_torn(&folder, older_than)).await;
            swept.map_err(|error| Failure::new(FailureCode::Storage, error.to_string()))?;
        }
        self.sweep_incoming(older_than).await?;
        let mut swept = Sweep::default();
        let prefix = Key::from(PREFIX);
        let mut blobs = self.store.list(Some(&prefix)).try_chunks(BATCH);
        loop {
            let chunk = blobs.try_next().await;
            let chunk = chunk.map_err(|error| failure("Listing the blobs", &error.1))?;
            let Some(chunk) = chunk else {
                return Ok(swept);
            };
            swept.seen += chunk.len() as u64;
            let old = chunk.iter().filter(|meta| meta.last_modified < older_than);
            let old = old.filter_map(hash_of).collect();
            for orphan in assets.orphans(old).await? {
                let deleted = self.store.delete(&key(orphan)).await;
                deleted.map_err(|error| failure("Removing an orphan", &error))?;
                swept.removed += 1;
            }
        }
    }

    /// Removes uploads that were never ended, and what a check left.
    async fn sweep_incoming(&self, older_than: Moment) -> Result<(), Failure> {
        for folder in [INCOMING, PROBES] {
            let left = self.store.list(Some(&Key::from(folder)));
            let left = left.try_filter(|meta| std::future::ready(meta.last_modified < older_than));
            let left: Vec<_> = left
                .try_collect()
                .await
                .map_err(|error| failure("Listing the uploads", &error))?;
            for meta in left {
                match self.store.delete(&meta.location).await {
                    Ok(()) | Err(Error::NotFound { .. }) => {}
                    Err(error) => return Err(failure("Removing an upload", &error)),
                }
            }
        }
        Ok(())
    }
}

fn hash_of(meta: &ObjectMeta) -> Option<ContentHash> {
    meta.location.filename()?.parse().ok()
}

/// Removes what was being written when a process died: the store gives such a file the name of the
/// blob with `#` and a number, and never shows it. What cannot be removed is left for the next time.
fn remove_torn(folder: &Path, older_than: Moment) {
    let files = walkdir::WalkDir::new(folder)
        .into_iter()
        .filter_map(Result::ok);
    let torn = files.filter(|file| file.file_name().to_string_lossy().contains('#'));
    for file in torn {
        let modified = file.metadata().ok().and_then(|found| found.modified().ok());
        if modified.is_some_and(|modified| Moment::from(modified) < older_than)
            && let Err(error) = std::fs::remove_file(file.path())
        {
            warn!(path = %file.path().display(), %error, "A torn blob could not be removed.");
        }
    }
}
