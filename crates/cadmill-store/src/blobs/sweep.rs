//! Removes what nothing refers to: blobs, uploads that were never ended, and what a killed process
//! left.

use std::collections::BTreeMap;

use cadmill_domain::{
    ContentHash, Failure, FailureCode, Moment, SweepId,
    blobs::{BlobCopy, BlobRefs, Removal, StoredBlob},
};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use object_store::{Error, ObjectMeta, ObjectStore as _, ObjectStoreExt as _, path::Path as Key};
use serde::{Deserialize, Serialize};
use tokio::task::spawn_blocking;
use tracing::warn;

use super::{
    INCOMING, ObjectBlobs, PROBES, failure,
    keys::{COPIES, PREFIX, copy_at, key_of, other_copies},
    marker::{Marker, Owner},
};

/// How many blobs are looked at, or decided about, at once.
const BATCH: usize = 1000;
/// How many objects are deleted at once.
const DELETIONS: usize = 16;
/// So many blobs, none of which was released, are removed without a confirmation.
pub const MAX_UNRELEASED: u64 = 100;

/// How blobs are swept.
#[derive(Debug, Clone, Copy)]
pub struct SweepOptions {
    /// Which sweep it is.
    pub id: SweepId,
    /// Only blobs that were written before this are removed.
    pub older_than: Moment,
    /// Uploads that were last written before this are abandoned.
    pub unfinished_before: Moment,
    /// Whether it is confirmed that many blobs are removed that were not released.
    pub is_confirmed: bool,
    /// Whether it asks before it removes any blob that was not released, however few they are.
    pub is_careful: bool,
    /// Whose the blobs must be whenever it is decided what is removed; none if they bear no marker.
    pub owner: Option<Owner>,
}

/// What a sweep did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sweep {
    /// Blobs that were looked at.
    pub seen: u64,
    /// Blobs that nothing refers to any more, and that were removed.
    pub removed: u64,
    /// Blobs that nothing refers to, of which neither a deletion nor a new source released any. They
    /// are more than [`MAX_UNRELEASED`] and more than a tenth of all, or the sweep is careful, so
    /// nothing was removed. 0 if the sweep went on.
    pub unconfirmed: u64,
}

/// A blob that may be removed.
#[derive(Debug, Clone)]
struct Candidate {
    sha256: ContentHash,
    copies: Vec<BlobCopy>,
    is_released: bool,
}

impl ObjectBlobs {
    /// Removes blobs that no row refers to, for which no intent is open, and that were written
    /// before `options.older_than`. Each removal is recorded in the database before anything is
    /// deleted, so the bytes may be stored again at any time.
    ///
    /// If it would remove more blobs than are plausible, it removes none; see
    /// [`Sweep::unconfirmed`].
    ///
    /// # Errors
    /// If the store or the database does not answer, or another database adopts the blobs meanwhile;
    /// then some are left for the next sweep.
    pub async fn sweep(
        &self,
        refs: &dyn BlobRefs,
        options: SweepOptions,
    ) -> Result<Sweep, Failure> {
        let SweepOptions { id, older_than, .. } = options;
        let unfinished_before = options.unfinished_before;
        self.check_owner(options.owner).await?;
        if let Some(folder) = self.folder.clone() {
            let swept = spawn_blocking(move || remove_torn(folder.path(), unfinished_before)).await;
            swept.map_err(|error| Failure::new(FailureCode::Storage, error.to_string()))?;
        }
        self.sweep_incoming(unfinished_before).await?;
        self.abort_old_uploads(unfinished_before).await;
        self.finish_removals(refs, id).await?;
        let (mut swept, candidates) = self.candidates(refs, older_than).await?;
        let unreleased = candidates.iter().filter(|found| !found.is_released).count() as u64;
        let is_implausible = unreleased > MAX_UNRELEASED && unreleased > swept.seen / 10;
        let asks = is_implausible || (options.is_careful && unreleased > 0);
        if asks && !options.is_confirmed {
            swept.unconfirmed = unreleased;
            return Ok(swept);
        }
        for batch in candidates.chunks(BATCH) {
            // Listing takes long, and what another database refers to is not known here.
            self.check_owner(options.owner).await?;
            swept.removed += self.remove(refs, id, batch).await?;
        }
        Ok(swept)
    }

    /// How many blobs there are, and to how many of them no row refers.
    ///
    /// # Errors
    /// If the store or the database does not answer.
    pub async fn count_unused(&self, refs: &dyn BlobRefs) -> Result<(u64, u64), Failure> {
        let (swept, unused) = self.candidates(refs, Moment::MAX_UTC).await?;
        Ok((swept.seen, unused.len() as u64))
    }

    async fn check_owner(&self, expected: Option<Owner>) -> Result<(), Failure> {
        let found = self.marker().await?;
        if found == expected.map_or(Marker::Missing, Marker::Owner) {
            return Ok(());
        }
        let detail =
            "Another database has adopted the blobs; this one does not sweep them any more.";
        Err(Failure::new(FailureCode::Storage, detail))
    }

    /// All blobs that may be removed, and how many there are in all.
    async fn candidates(
        &self,
        refs: &dyn BlobRefs,
        older_than: Moment,
    ) -> Result<(Sweep, Vec<Candidate>), Failure> {
        let mut others = self.list_other_copies().await?;
        let mut swept = Sweep::default();
        let mut candidates = Vec::new();
        let prefix = Key::from(PREFIX);
        let mut listed = self.store.list(Some(&prefix)).try_chunks(BATCH);
        loop {
            let chunk = listed.try_next().await;
            let chunk = chunk.map_err(|error| failure("Listing the blobs", &error.1))?;
            let Some(chunk) = chunk else {
                break;
            };
            let mut found = BTreeMap::new();
            for meta in &chunk {
                if let Some((sha256, copy)) = copy_at(&meta.location) {
                    let mut stored = others.remove(&sha256).unwrap_or_default();
                    stored.add(copy, meta);
                    found.insert(sha256, stored);
                }
            }
            swept.seen += found.len() as u64;
            candidates.extend(unreferenced(refs, found, older_than).await?);
        }
        swept.seen += others.len() as u64;
        candidates.extend(unreferenced(refs, others, older_than).await?);
        Ok((swept, candidates))
    }

    async fn list_other_copies(&self) -> Result<BTreeMap<ContentHash, Stored>, Failure> {
        let prefix = Key::from(COPIES);
        let mut listed = self.store.list(Some(&prefix));
        let mut found: BTreeMap<_, Stored> = BTreeMap::new();
        while let Some(meta) = listed.next().await {
            let meta = meta.map_err(|error| failure("Listing the blobs", &error))?;
            if let Some((sha256, copy)) = copy_at(&meta.location) {
                found.entry(sha256).or_default().add(copy, &meta);
            }
        }
        Ok(found)
    }

    /// Decides which of these are removed, removes them, and says how many that were.
    async fn remove(
        &self,
        refs: &dyn BlobRefs,
        sweep: SweepId,
        candidates: &[Candidate],
    ) -> Result<u64, Failure> {
        let stored = candidates.iter().map(|candidate| StoredBlob {
            sha256: candidate.sha256,
            copies: candidate.copies.iter().max().map_or(0, |copy| copy.0) + 1,
        });
        let removals = refs.begin_removal(sweep, stored.collect()).await?;
        let copies = candidates.iter();
        let copies: BTreeMap<_, _> = copies
            .map(|candidate| (candidate.sha256, candidate.copies.clone()))
            .collect();
        let removals = removals.into_iter().map(|removal| {
            let copies = copies.get(&removal.sha256).cloned();
            (removal, copies.unwrap_or_default())
        });
        self.delete(refs, sweep, removals.collect()).await
    }

    /// Deletes what earlier sweeps had decided to remove, and had not ended.
    async fn finish_removals(&self, refs: &dyn BlobRefs, sweep: SweepId) -> Result<(), Failure> {
        let mut removals = Vec::new();
        for removal in refs.take_over_removals(sweep).await? {
            let others = other_copies(&*self.store, removal.sha256).await;
            let others = others.map_err(|error| failure("Listing the copies", &error))?;
            let others = others.iter().filter_map(|meta| copy_at(&meta.location));
            let others = others.map(|(_, copy)| copy);
            let copies = others.filter(|copy| copy.0 < removal.copies);
            removals.push((removal, copies.chain([BlobCopy::FIRST]).collect()));
        }
        self.delete(refs, sweep, removals).await.map(drop)
    }

    /// Deletes copies whose removal is recorded, and ends the removals of which all were deleted.
    async fn delete(
        &self,
        refs: &dyn BlobRefs,
        sweep: SweepId,
        removals: Vec<(Removal, Vec<BlobCopy>)>,
    ) -> Result<u64, Failure> {
        let deletions = removals.into_iter().map(async |(removal, copies)| {
            for copy in copies {
                let key = key_of(removal.sha256, copy);
                match self.deleting.delete(&key).await {
                    Ok(()) | Err(Error::NotFound { .. }) => {}
                    Err(error) => return Err(failure("Removing a blob", &error)),
                }
            }
            Ok(removal)
        });
        let ended: Vec<_> = stream::iter(deletions)
            .buffer_unordered(DELETIONS)
            .collect()
            .await;
        // A deletion that was not confirmed may still come to pass, so its removal is not ended.
        let mut removed = Vec::new();
        let mut failed = None;
        for deletion in ended {
            match deletion {
                Ok(removal) => removed.push(removal),
                Err(error) => failed = Some(error),
            }
        }
        let count = removed.len() as u64;
        if !removed.is_empty() {
            refs.end_removal(sweep, removed).await?;
        }
        failed.map_or(Ok(count), Err)
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

/// The copies of a blob that were found.
#[derive(Debug, Default)]
struct Stored {
    copies: Vec<BlobCopy>,
    newest: Option<Moment>,
}

impl Stored {
    fn add(&mut self, copy: BlobCopy, meta: &ObjectMeta) {
        self.copies.push(copy);
        self.newest = self.newest.max(Some(meta.last_modified));
    }
}

/// Which of these blobs may be removed.
async fn unreferenced(
    refs: &dyn BlobRefs,
    mut found: BTreeMap<ContentHash, Stored>,
    older_than: Moment,
) -> Result<Vec<Candidate>, Failure> {
    let old = found
        .iter()
        .filter(|(_, stored)| stored.newest.is_some_and(|newest| newest < older_than));
    let old = old.map(|(sha256, _)| *sha256).collect();
    let unreferenced = refs.unreferenced(old).await?;
    let candidates = unreferenced.into_iter().map(|blob| Candidate {
        sha256: blob.sha256,
        copies: found.remove(&blob.sha256).unwrap_or_default().copies,
        is_released: blob.is_released,
    });
    Ok(candidates.collect())
}

/// Removes what was being written when a process of an earlier version died: such a file has the
/// name of the blob with `#` and a number, and the store never shows it. What cannot be removed is
/// left for the next time.
fn remove_torn(folder: &std::path::Path, older_than: Moment) {
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
