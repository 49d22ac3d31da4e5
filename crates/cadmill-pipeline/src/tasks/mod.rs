//! The tasks: one file each, with one `run`.

mod generate_gltf_geometry;
mod generate_thumbnail;
mod generate_usd_master;
mod generate_web_glb;
mod input;
mod process_step_file;
mod scene;

use bytes::Bytes;
use cadmill_domain::{
    ContentHash, Failure, FailureCode, MediaKind, MediaReport, NewMediaAsset, TaskKind,
    blobs::{BlobIntent, keep_intended},
    ledger::TaskOutput,
    sentence,
};
use cadmill_lock::Held;

use crate::{Failpoint, runner::Job, unsent};

/// What a task has made.
#[derive(Debug)]
pub(crate) struct Made {
    pub(crate) product: TaskOutput,
    /// Held until it is published: others wait to use it.
    pub(crate) keep: Option<Held>,
}

impl From<TaskOutput> for Made {
    fn from(product: TaskOutput) -> Self {
        let keep = None;
        Self { product, keep }
    }
}

/// Does the work of a claim. What an earlier try has made and could not store is only stored; the
/// canonical scene under the lock of its content.
pub(crate) async fn run(job: &Job<'_>) -> Result<Made, Failure> {
    if let TaskKind::Make(kind) = job.claim.work.kind
        && kind != MediaKind::GltfGeometry
        && let Some((bytes, report)) = unsent::find(job).await
    {
        return match cached(job, kind).await? {
            Some(made) => Ok(made),
            None => Ok(send(job, bytes.into(), report).await?.into()),
        };
    }
    match job.claim.work.kind {
        TaskKind::ProcessStep => Box::pin(process_step_file::run(job)).await,
        TaskKind::Make(MediaKind::GltfGeometry) => Box::pin(generate_gltf_geometry::run(job)).await,
        TaskKind::Make(MediaKind::UsdMaster) => Box::pin(generate_usd_master::run(job)).await,
        TaskKind::Make(MediaKind::WebGlb) => Box::pin(generate_web_glb::run(job)).await,
        TaskKind::Make(MediaKind::Thumbnail) => Box::pin(generate_thumbnail::run(job)).await,
    }
}

/// The medium of this kind that was made of the same, of this file or of any other; none if it is to
/// be made again all the same.
async fn cached(job: &Job<'_>, kind: MediaKind) -> Result<Option<Made>, Failure> {
    if job.claim.force {
        return Ok(None);
    }
    let found = job.runner.records.assets.made_of(kind, &job.claim.input);
    let Some(asset) = job.runner.ask(found).await? else {
        return Ok(None);
    };
    if input::is_there(job, &asset.blob).await? {
        return Ok(Some(TaskOutput::Cached(asset.id).into()));
    }
    Ok(None)
}

/// Stores the bytes of a medium.
async fn store(
    job: &Job<'_>,
    bytes: Vec<u8>,
    mut report: MediaReport,
) -> Result<TaskOutput, Failure> {
    if job.claim.force {
        report.force = true;
    }
    send(job, bytes.into(), report).await
}

/// Sends the bytes of a medium to the blob store. If that fails they are kept for the next try.
async fn send(job: &Job<'_>, bytes: Bytes, report: MediaReport) -> Result<TaskOutput, Failure> {
    job.meter.enter("store");
    Failpoint::BeforeBlob.reach();
    let stored = match intend(job, ContentHash::of(&bytes)).await {
        Ok(intent) => keep_intended(&*job.runner.blobs, bytes.clone(), intent).await,
        Err(failure) => Err(failure),
    };
    let blob = match stored {
        Ok(blob) => blob,
        Err(failure) => {
            if unsent::may_be_sent_later(&failure) {
                unsent::keep(job, bytes, report).await;
            }
            return Err(failure);
        }
    };
    unsent::forget(job).await;
    Failpoint::AfterBlob.reach();
    Ok(TaskOutput::Asset(NewMediaAsset { blob, report }))
}

/// Records that a row will refer to a blob. While the database is away, or read-only, it is asked
/// again: what was made waits for it.
async fn intend(job: &Job<'_>, sha256: ContentHash) -> Result<BlobIntent, Failure> {
    let refs = &job.runner.records.refs;
    let intended = job
        .runner
        .retry_while_unavailable(&job.cancelled, || refs.intend(sha256))
        .await;
    intended.map_err(|error| {
        if job.cancelled.is_cancelled() {
            Failure::new(FailureCode::Cancelled, sentence(&error))
        } else {
            error.into()
        }
    })
}
