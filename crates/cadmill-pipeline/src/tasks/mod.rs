//! The tasks: one file each, with one `run`.

mod generate_gltf_geometry;
mod generate_thumbnail;
mod generate_usd_master;
mod generate_web_glb;
mod process_step_file;
mod scene;

use cadmill_domain::{
    Failure, MediaKind, NewMediaAsset, Product, TaskKind, provenance::note_forced,
};
use cadmill_lock::Held;

use crate::{Failpoint, mill::Job};

/// What a task has made.
#[derive(Debug)]
pub(crate) struct Made {
    pub(crate) product: Product,
    /// Held until it is published: others wait to use it.
    pub(crate) keep: Option<Held>,
}

impl From<Product> for Made {
    fn from(product: Product) -> Self {
        let keep = None;
        Self { product, keep }
    }
}

/// Does the work of a claim.
pub(crate) async fn run(job: &Job<'_>) -> Result<Made, Failure> {
    match job.claim.work.kind {
        TaskKind::ProcessStep => process_step_file::run(job).await,
        TaskKind::Make(MediaKind::GltfGeometry) => generate_gltf_geometry::run(job).await,
        TaskKind::Make(MediaKind::UsdMaster) => generate_usd_master::run(job).await,
        TaskKind::Make(MediaKind::WebGlb) => generate_web_glb::run(job).await,
        TaskKind::Make(MediaKind::Thumbnail) => generate_thumbnail::run(job).await,
    }
}

/// The medium of this kind that was made of the same, of this file or of any other; none if it is to
/// be made again all the same.
async fn cached(job: &Job<'_>, kind: MediaKind) -> Result<Option<Made>, Failure> {
    if job.claim.forced {
        return Ok(None);
    }
    let found = job.mill.records.assets.made_of(kind, &job.claim.input);
    Ok(found.await?.map(|asset| Product::Cached(asset.id).into()))
}

/// Stores the bytes of a medium.
async fn store(
    job: &Job<'_>,
    bytes: Vec<u8>,
    mut report: serde_json::Value,
) -> Result<Product, Failure> {
    if job.claim.forced {
        note_forced(&mut report);
    }
    job.meter.enter("store");
    Failpoint::BeforeBlob.reach();
    let blob = job.mill.blobs.put(bytes).await?;
    Failpoint::AfterBlob.reach();
    Ok(Product::Asset(NewMediaAsset { blob, report }))
}
