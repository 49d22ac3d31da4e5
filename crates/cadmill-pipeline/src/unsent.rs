//! Media that were made and could not be stored: they are kept in the worker's scratch folder, so
//! that the next try of the same work on this worker sends them without making them again.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::SystemTime,
};

use cadmill_domain::{ContentHash, Failure, FailureCode, MediaReport, ledger::Claim};
use tokio::task::spawn_blocking;
use tracing::{info, warn};

use crate::runner::Job;

/// The folder below the scratch folder.
const FOLDER: &str = "unsent";
/// So many media are kept, the newest.
const MAX_MEDIA: usize = 16;
/// So many bytes are kept, of the newest media.
const MAX_BYTES: u64 = 8 << 30;

/// What was made of the same input by an earlier try of the same claim's row, and its report. What
/// was made of another input is removed.
pub(crate) async fn find(job: &Job<'_>) -> Option<(Vec<u8>, MediaReport)> {
    let place = Place::of(job);
    let found = spawn_blocking(move || place.find()).await.ok().flatten();
    if found.is_some() {
        info!(
            cad_file.id = %job.claim.work.cad_file_id, fence = job.claim.fence.0,
            "a medium that was made before is sent again"
        );
    }
    found
}

/// Keeps what was made for the next try. That it cannot be kept is only logged.
pub(crate) async fn keep(job: &Job<'_>, bytes: bytes::Bytes, report: MediaReport) {
    let place = Place::of(job);
    let kept = spawn_blocking(move || place.keep(&bytes, &report)).await;
    if let Err(error) = kept.map_err(io::Error::other).flatten() {
        warn!(%error, "a medium that could not be stored could not be kept either");
    }
}

/// Removes what was kept, when it is stored.
pub(crate) async fn forget(job: &Job<'_>) {
    let place = Place::of(job);
    // What stays is removed when more is kept, and with the scratch folder.
    let _ = spawn_blocking(move || place.forget()).await;
}

/// Whether a medium that could not be stored for this reason may be stored later.
pub(crate) fn may_be_sent_later(failure: &Failure) -> bool {
    use FailureCode::{Database, DiskFull, Storage};
    matches!(failure.code, Storage | DiskFull | Database)
}

/// Where what is made of one input is kept: beside what was made for the same row of other inputs.
#[derive(Debug)]
struct Place {
    root: PathBuf,
    row: PathBuf,
    medium: PathBuf,
}

impl Place {
    fn of(job: &Job<'_>) -> Self {
        Self::new(&job.runner.settings.scratch, job.claim)
    }

    fn new(scratch: &Path, claim: &Claim) -> Self {
        let root = scratch.join(FOLDER);
        let row = root.join(format!("{}-{}", claim.work.cad_file_id, claim.work.kind));
        // What was made again on demand is not what was made before.
        let input = format!("{}, forced: {}", claim.input, claim.force);
        let medium = row.join(ContentHash::of(input.as_bytes()).to_string());
        Self { root, row, medium }
    }

    fn report(&self) -> PathBuf {
        self.medium.with_extension("json")
    }

    fn find(&self) -> Option<(Vec<u8>, MediaReport)> {
        let entries = fs::read_dir(&self.row).ok()?;
        let known = [self.medium.clone(), self.report()];
        for entry in entries.filter_map(Result::ok) {
            if !known.contains(&entry.path()) {
                let _ = fs::remove_file(entry.path());
            }
        }
        // The report is written last.
        let report = serde_json::from_slice(&fs::read(self.report()).ok()?).ok()?;
        Some((fs::read(&self.medium).ok()?, report))
    }

    fn keep(&self, bytes: &[u8], report: &MediaReport) -> io::Result<()> {
        if bytes.len() as u64 > MAX_BYTES {
            return Ok(());
        }
        fs::create_dir_all(&self.row)?;
        let written = fs::write(&self.medium, bytes)
            .and_then(|()| fs::write(self.report(), serde_json::to_vec(report)?));
        if written.is_err() {
            let _ = self.forget();
        }
        written?;
        remove_oldest(&self.root)
    }

    fn forget(&self) -> io::Result<()> {
        fs::remove_dir_all(&self.row)?;
        // The last one takes the folder along.
        let _ = fs::remove_dir(&self.root);
        Ok(())
    }
}

/// Removes the oldest rows until what is left is within the limits.
fn remove_oldest(root: &Path) -> io::Result<()> {
    let mut rows = Vec::new();
    for row in fs::read_dir(root)?.filter_map(Result::ok) {
        let mut bytes = 0;
        let mut written = SystemTime::UNIX_EPOCH;
        for file in fs::read_dir(row.path())?.filter_map(Result::ok) {
            let file = file.metadata()?;
            bytes += file.len();
            written = written.max(file.modified()?);
        }
        rows.push((written, bytes, row.path()));
    }
    rows.sort();
    let mut media = rows.len();
    let mut bytes: u64 = rows.iter().map(|(_, bytes, _)| bytes).sum();
    for (_, size, row) in rows {
        if media <= MAX_MEDIA && bytes <= MAX_BYTES {
            break;
        }
        fs::remove_dir_all(row)?;
        media -= 1;
        bytes -= size;
    }
    Ok(())
}
