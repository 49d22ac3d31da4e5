//! Bytes that are missing or damaged: how they are found, and what is done about it.

use futures_util::TryStreamExt as _;
use sha2::{Digest as _, Sha256};

use crate::{
    Blob, Blobs, ContentHash, Failure, FailureCode,
    ledger::{WorkRequests, WorkerName},
};

/// What the bytes of a blob are found to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlobState {
    /// All of them are there, and have their hash.
    Whole,
    /// There are none.
    Missing,
    /// They are others, or not all.
    Damaged,
}

/// What was lost with a blob.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BlobLoss {
    /// How many media had these bytes. They are made again.
    pub media: u64,
    /// How many files have these bytes as their source. They have to be uploaded again.
    pub sources: u64,
}

impl BlobLoss {
    /// Whether nothing refers to the blob.
    #[must_use]
    pub const fn is_none(self) -> bool {
        self.media == 0 && self.sources == 0
    }
}

impl Failure {
    /// How `process_step_file` has failed whose source is lost.
    #[must_use]
    pub fn source_lost(sha256: ContentHash) -> Self {
        let detail = format!("The blob {sha256} is missing or damaged.");
        Self::new(FailureCode::SourceLost, detail)
    }

    /// Whether a read failed because the bytes are missing or damaged, and not because the store does
    /// not answer.
    #[must_use]
    pub const fn is_blob_loss(&self) -> bool {
        matches!(
            self.code,
            FailureCode::BlobMissing | FailureCode::BlobDamaged
        )
    }
}

/// A comparison of a blob with its length and its hash, a piece at a time.
#[derive(Debug)]
pub struct BlobExamination<'a> {
    blobs: &'a dyn Blobs,
    blob: Blob,
    hasher: Sha256,
    /// How many bytes were read.
    read: u64,
}

impl<'a> BlobExamination<'a> {
    /// Begins to examine `blob`.
    pub fn new(blobs: &'a dyn Blobs, blob: Blob) -> Self {
        Self {
            blobs,
            blob,
            hasher: Sha256::new(),
            read: 0,
        }
    }

    /// How many bytes were read so far.
    #[must_use]
    pub const fn bytes_read(&self) -> u64 {
        self.read
    }

    /// Reads up to `limit` bytes more, at least one; what the blob is, once that is known.
    ///
    /// # Errors
    /// If the blob store does not answer.
    pub async fn read(&mut self, limit: u64) -> Result<Option<BlobState>, Failure> {
        let end = self.blob.bytes.min(self.read.saturating_add(limit.max(1)));
        match self.read_to(end).await {
            Err(failure) if failure.code == FailureCode::BlobMissing => {
                return Ok(Some(BlobState::Missing));
            }
            Err(failure) if failure.code == FailureCode::BlobDamaged => {
                return Ok(Some(BlobState::Damaged));
            }
            read => read?,
        }
        if self.read != end {
            return Ok(Some(BlobState::Damaged));
        }
        if end < self.blob.bytes {
            return Ok(None);
        }
        let found = ContentHash::from_digest(self.hasher.clone().finalize().into());
        Ok(Some(if found == self.blob.sha256 {
            BlobState::Whole
        } else {
            BlobState::Damaged
        }))
    }

    async fn read_to(&mut self, end: u64) -> Result<(), Failure> {
        let mut stream = self.blobs.read(&self.blob, self.read..end).await?;
        while let Some(piece) = stream.try_next().await? {
            self.read += piece.len() as u64;
            self.hasher.update(&piece);
        }
        Ok(())
    }
}

/// Reads all of a blob and compares length and hash.
///
/// # Errors
/// If the blob store does not answer.
pub async fn examine_blob(blobs: &dyn Blobs, blob: &Blob) -> Result<BlobState, Failure> {
    let mut examination = BlobExamination::new(blobs, *blob);
    loop {
        if let Some(state) = examination.read(u64::MAX).await? {
            return Ok(state);
        }
    }
}

/// A read of `blob` failed with `failure`. If its bytes are lost, the ledger forgets them, so that media
/// are made again and a lost source is reported; says what was lost.
///
/// # Errors
/// `failure`, as a failure of the blob store, if the bytes are not lost after all; or another if the blob
/// store or the database does not answer.
pub async fn report_blob_loss(
    blobs: &dyn Blobs,
    requests: &dyn WorkRequests,
    blob: &Blob,
    failure: Failure,
    finder: &WorkerName,
) -> Result<BlobLoss, Failure> {
    if !failure.is_blob_loss() {
        return Err(failure);
    }
    match examine_blob(blobs, blob).await? {
        BlobState::Whole => {
            // Another process has just stored them again.
            let code = FailureCode::Storage;
            return Err(Failure { code, ..failure });
        }
        // Where there is no store at all, such as in a bucket that was removed, nothing is lost yet.
        BlobState::Missing => blobs.probe().await?,
        BlobState::Damaged => {}
    }
    let loss = requests.blob_lost(blob.sha256, finder).await?;
    // The same bytes may have come while that was written; then the client that sent them may have
    // found nothing to be mended.
    if loss.sources > 0 && examine_blob(blobs, blob).await? == BlobState::Whole {
        requests.blob_found(blob.sha256).await?;
    }
    Ok(loss)
}
