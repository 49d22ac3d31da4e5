//! Compares stored blobs with their hashes, and lets the ledger know what is lost.

use std::{collections::BTreeSet, num::NonZeroU64, sync::Arc, time::Duration};

use cadmill_domain::{
    Blob, Blobs, ContentHash, Failure, FailureCode, TaskKind,
    blobs::{BlobExamination, BlobLoss, BlobState, report_blob_loss},
    ledger::WorkerName,
};
use serde::{Deserialize, Serialize};
use tracing::{error, info, warn};

use crate::{Records, metrics};

/// How many blobs are listed at once.
const PAGE: usize = 200;
/// How many findings are kept to be shown. All are counted.
const MAX_FINDINGS: usize = 1000;
/// How much is read at once where the rate is limited, in bytes. No request to the blob store is left
/// open while a pause lasts.
const PIECE: u64 = 4 << 20;
/// What looking for a blob counts for at least, in bytes.
const MIN_COST: u64 = 64 << 10;
/// What a pass counts for in addition, in bytes. Where there is hardly anything to read, this is what
/// keeps passes apart.
const PASS_COST: u64 = 16 << 20;

/// If a scrub finds more than so many that are lost, and more than a tenth of all that it has examined,
/// it leaves the rest to a person: the disk of the blobs may be another one.
const MAX_LOST: u64 = 100;

/// Compares the blobs to which files and media refer with their hashes.
#[derive(Debug, Clone)]
pub struct Verifier {
    /// What refers to blobs.
    pub records: Records,
    /// The blobs.
    pub blobs: Arc<dyn Blobs>,
    /// Who looks, for events and metrics: `verify` or `scrub`.
    pub finder: &'static str,
    /// Whether what is lost is reported to the ledger, so that media are made again.
    pub repairs: bool,
    /// How fast it reads, in bytes per second; as fast as it can if nothing is said.
    pub rate: Option<NonZeroU64>,
}

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Verified {
    /// How many blobs were examined.
    pub blobs: u64,
    /// How many bytes they should have.
    pub bytes: u64,
    /// How many are missing.
    pub missing: u64,
    /// How many have another length or another hash.
    pub damaged: u64,
    /// How many cannot be read, though the blob store works.
    pub unreadable: u64,
    /// How many media are made again.
    pub media: u64,
    /// How many files have lost their source.
    pub sources: u64,
    /// How many files are read again whose source was lost and is there again.
    pub found: u64,
    /// The first of what is wrong.
    pub findings: Vec<Finding>,
}

/// A blob that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Finding {
    /// Its hash.
    pub sha256: ContentHash,
    /// How many bytes it should have.
    pub bytes: u64,
    /// What is wrong.
    pub fault: Fault,
}

/// What is wrong with a blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// It is not there.
    Missing,
    /// It has another length or another hash.
    Damaged,
    /// The blob store works, but not for this one.
    Unreadable,
}

impl Verified {
    /// Whether every blob is as it should be.
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        self.missing == 0 && self.damaged == 0 && self.unreadable == 0
    }

    /// Whether so much is lost that the fault may lie elsewhere.
    const fn is_suspicious(&self) -> bool {
        let lost = self.missing + self.damaged;
        lost > MAX_LOST && lost > self.blobs / 10
    }

    fn note(&mut self, blob: &Blob, fault: Fault) {
        match fault {
            Fault::Missing => self.missing += 1,
            Fault::Damaged => self.damaged += 1,
            Fault::Unreadable => self.unreadable += 1,
        }
        if self.findings.len() < MAX_FINDINGS {
            let Blob { sha256, bytes } = *blob;
            self.findings.push(Finding {
                sha256,
                bytes,
                fault,
            });
        }
    }
}

/// How careful a pass is.
#[derive(Debug, Clone, Copy)]
enum Care {
    /// It repairs all that is lost.
    None,
    /// It repairs what is lost unless that is very much.
    Normal,
    /// The pass before has found very much, so this one only looks.
    Looks,
}

impl Care {
    const fn allows(self, verified: &Verified) -> bool {
        match self {
            Self::None => true,
            Self::Normal => !verified.is_suspicious(),
            Self::Looks => false,
        }
    }
}

impl Verifier {
    /// Examines all blobs once. `progress` is called after each. All that is lost is repaired, however
    /// much that is.
    ///
    /// # Errors
    /// If the database or the blob store does not answer.
    pub async fn run(&self, progress: &(dyn Fn(&Verified) + Sync)) -> Result<Verified, Failure> {
        self.pass(None, Care::None, progress).await
    }

    /// Examines all blobs again and again. What is lost is repaired unless it is very much. Each process
    /// begins anywhere, so that no blob has to wait for all before it if processes are often restarted.
    pub async fn scrub(&self) {
        let mut after = Some(ContentHash::from_digest(rand::random()));
        let mut care = Care::Normal;
        loop {
            match self.pass(after, care, &|_| {}).await {
                Ok(verified) => {
                    after = None;
                    care = if verified.is_suspicious() {
                        Care::Looks
                    } else {
                        Care::Normal
                    };
                    info!(
                        blobs.examined = verified.blobs,
                        blobs.bytes = verified.bytes,
                        blobs.missing = verified.missing,
                        blobs.damaged = verified.damaged,
                        blobs.unreadable = verified.unreadable,
                        "blobs scrubbed",
                    );
                }
                Err(failure) => warn!("scrubbing the blobs was broken off: {failure}"),
            }
            self.pause(PASS_COST).await;
        }
    }

    async fn pass(
        &self,
        mut after: Option<ContentHash>,
        care: Care,
        progress: &(dyn Fn(&Verified) + Sync),
    ) -> Result<Verified, Failure> {
        let mut verified = Verified::default();
        let lost = self.lost_sources().await?;
        loop {
            let page = self.records.assets.blobs(after, PAGE).await?;
            let Some(last) = page.last() else {
                return Ok(verified);
            };
            after = Some(last.sha256);
            for blob in &page {
                let repairs = self.repairs && care.allows(&verified);
                self.verify(blob, &lost, repairs, &mut verified).await?;
                if repairs && !care.allows(&verified) {
                    error!(
                        blobs.missing = verified.missing,
                        blobs.damaged = verified.damaged,
                        blobs.examined = verified.blobs,
                        "so many blobs are lost that no more are repaired; check that their disk or \
                         bucket is the right one, then run `cadmill verify --repair`",
                    );
                }
                progress(&verified);
            }
        }
    }

    async fn verify(
        &self,
        blob: &Blob,
        lost_sources: &BTreeSet<ContentHash>,
        repairs: bool,
        verified: &mut Verified,
    ) -> Result<(), Failure> {
        verified.blobs += 1;
        verified.bytes += blob.bytes;
        metrics::blob_examined();
        let (fault, code) = match self.examine(blob).await {
            Ok(BlobState::Whole) => {
                if self.repairs && lost_sources.contains(&blob.sha256) {
                    verified.found += self.records.requests.blob_found(blob.sha256).await?;
                }
                return Ok(());
            }
            Ok(BlobState::Missing) => (Fault::Missing, FailureCode::BlobMissing),
            Ok(BlobState::Damaged) => (Fault::Damaged, FailureCode::BlobDamaged),
            Err(failure) => {
                // If nothing at all can be read, that is no finding.
                self.blobs.probe().await?;
                error!(blob.sha256 = %blob.sha256, "a blob cannot be read: {failure}");
                verified.note(blob, Fault::Unreadable);
                return Ok(());
            }
        };
        // What nothing refers to any more may have been swept since it was listed.
        if !self.is_referred_to(blob).await? {
            return Ok(());
        }
        verified.note(blob, fault);
        let mut loss = BlobLoss::default();
        if repairs {
            loss = self.repair(blob, code).await?;
            verified.media += loss.media;
            verified.sources += loss.sources;
        }
        if lost_sources.contains(&blob.sha256) {
            return Ok(());
        }
        metrics::blob_lost(self.finder);
        warn!(
            blob.sha256 = %blob.sha256, blob.bytes = blob.bytes, fault = ?fault,
            media = loss.media, sources = loss.sources, "bytes are missing or damaged",
        );
        Ok(())
    }

    async fn examine(&self, blob: &Blob) -> Result<BlobState, Failure> {
        let mut examination = BlobExamination::new(&*self.blobs, *blob);
        let limit = self.rate.map_or(u64::MAX, |_| PIECE);
        let mut read = 0;
        loop {
            let state = examination.read(limit).await?;
            let bytes = examination.bytes_read() - read;
            read += bytes;
            metrics::bytes_examined(bytes);
            self.pause(bytes.max(MIN_COST)).await;
            if let Some(state) = state {
                return Ok(state);
            }
        }
    }

    async fn repair(&self, blob: &Blob, code: FailureCode) -> Result<BlobLoss, Failure> {
        let failure = Failure::new(code, format!("The blob {} is lost.", blob.sha256));
        let finder = WorkerName::new(self.finder);
        let (blobs, requests) = (&*self.blobs, &*self.records.requests);
        match report_blob_loss(blobs, requests, blob, failure, &finder).await {
            // It is there again.
            Err(failure) if failure.code == FailureCode::Storage => {
                self.blobs.probe().await?;
                Ok(BlobLoss::default())
            }
            reported => reported,
        }
    }

    async fn is_referred_to(&self, blob: &Blob) -> Result<bool, Failure> {
        let before = predecessor(blob.sha256);
        let found = self.records.assets.blobs(before, 1).await?;
        Ok(found
            .first()
            .is_some_and(|found| found.sha256 == blob.sha256))
    }

    /// The sources that were found to be lost.
    async fn lost_sources(&self) -> Result<BTreeSet<ContentHash>, Failure> {
        let mut lost = BTreeSet::new();
        if !self.repairs {
            return Ok(lost);
        }
        let mut after = None;
        loop {
            let page = self.records.view.failures(after, PAGE).await?;
            let Some((last, _)) = page.last() else { break };
            after = Some(*last);
            for (work, failure) in page {
                if work.kind == TaskKind::ProcessStep
                    && failure.code == FailureCode::SourceLost
                    && let Some(file) = self.records.files.get(work.cad_file_id).await?
                {
                    lost.insert(file.source.sha256);
                }
            }
        }
        Ok(lost)
    }

    /// Waits for as long as so many bytes may take.
    async fn pause(&self, bytes: u64) {
        if let Some(rate) = self.rate {
            tokio::time::sleep(Duration::from_secs_f64(bytes as f64 / rate.get() as f64)).await;
        }
    }
}

/// The hash before this one; none before the first.
fn predecessor(hash: ContentHash) -> Option<ContentHash> {
    let mut digest = *hash.as_bytes();
    for byte in digest.iter_mut().rev() {
        let (less, borrows) = byte.overflowing_sub(1);
        *byte = less;
        if !borrows {
            return Some(ContentHash::from_digest(digest));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_have_predecessors() {
        let hash = |last: [u8; 2]| {
            let mut digest = [0; 32];
            digest[30..].copy_from_slice(&last);
            ContentHash::from_digest(digest)
        };
        assert_eq!(predecessor(hash([1, 0])), Some(hash([0, 255])));
        assert_eq!(predecessor(hash([1, 7])), Some(hash([1, 6])));
        assert_eq!(predecessor(hash([0, 0])), None);
    }
}
