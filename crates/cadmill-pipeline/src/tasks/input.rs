//! The bytes that a task is made of. What is found to be lost is reported to the ledger.

use std::path::{Path, PathBuf};

use cadmill_domain::{
    Blob, Failure, TaskKind,
    blobs::{BlobLoss, report_blob_loss},
};
use tracing::warn;

use crate::{metrics, runner::Job};

/// The bytes of a blob.
///
/// # Errors
/// As [`lost`], or as the blob store says.
pub(super) async fn get(job: &Job<'_>, blob: &Blob) -> Result<Vec<u8>, Failure> {
    match job.runner.blobs.get(blob).await {
        Err(failure) => Err(lost(job, blob, failure).await),
        got => got,
    }
}

/// A file in `folder` with the bytes of a blob.
///
/// # Errors
/// As [`lost`], or as the blob store says.
pub(super) async fn fetch(job: &Job<'_>, blob: &Blob, folder: &Path) -> Result<PathBuf, Failure> {
    match job.runner.blobs.fetch(blob, folder).await {
        Err(failure) => Err(lost(job, blob, failure).await),
        fetched => fetched,
    }
}

/// Whether the blob is there with its length. If not, all media of these bytes are made again.
///
/// # Errors
/// If the blob store or the database does not answer.
pub(super) async fn is_there(job: &Job<'_>, blob: &Blob) -> Result<bool, Failure> {
    let Err(failure) = job.runner.blobs.read(blob, 0..0).await else {
        return Ok(true);
    };
    report(job, blob, failure).await.map(|_| false)
}

/// What reading `blob` has failed with. If its bytes are lost, the ledger knows that by now: that the
/// source of the file is lost is the failure of `process_step_file`, and all other tasks have to wait
/// until their input is there again, which `blob_missing` and `blob_damaged` say.
pub(super) async fn lost(job: &Job<'_>, blob: &Blob, failure: Failure) -> Failure {
    match report(job, blob, failure.clone()).await {
        Err(other) => other,
        Ok(_) if job.claim.work.kind == TaskKind::ProcessStep => Failure::source_lost(blob.sha256),
        Ok(_) => failure,
    }
}

async fn report(job: &Job<'_>, blob: &Blob, failure: Failure) -> Result<BlobLoss, Failure> {
    let (blobs, requests) = (&*job.runner.blobs, &*job.runner.records.requests);
    let worker = &job.runner.settings.worker;
    let loss = report_blob_loss(blobs, requests, blob, failure, worker).await?;
    metrics::blob_lost("work");
    warn!(
        cad_file.id = %job.file.id, blob.sha256 = %blob.sha256, blob.bytes = blob.bytes,
        media = loss.media, sources = loss.sources, "bytes are missing or damaged",
    );
    Ok(loss)
}
