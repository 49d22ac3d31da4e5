//! `generate_gltf_geometry`: the canonical scene, by the tessellator in a child process. The same
//! bytes under many names are tessellated once.

use cadmill_domain::{Cancelled, Failure, FailureCode, MediaKind, TessellationRequest};
use cadmill_lock::{Held, LockError, LockKey};
use serde_json::{Value, json};

use super::{Made, cached, store};
use crate::{Failpoint, mill::Job, scratch};

pub(super) async fn run(job: &Job<'_>) -> Result<Made, Failure> {
    if let Some(made) = cached(job, MediaKind::GltfGeometry).await? {
        return Ok(made);
    }
    job.meter.enter("wait");
    let keep = content_lock(job).await?;
    if let Some(made) = cached(job, MediaKind::GltfGeometry).await? {
        return Ok(made);
    }
    let settings = &job.mill.settings;
    let folder = scratch::private_folder(&settings.scratch)?;
    job.meter.enter("fetch");
    let source = job.file.source;
    let request = TessellationRequest {
        source: job.mill.blobs.fetch(&source, folder.path()).await?,
        source_hash: source.sha256,
        source_faces: declared_faces(job.file.step.as_ref()),
        recipe: settings.making.recipe(),
        timeout: settings.timeout,
        memory_bytes: settings.memory_bytes,
        threads: settings.threads,
    };
    Failpoint::BeforeSpawn.reach();
    let cancelled = Cancelled::when(job.cancelled.clone().cancelled_owned());
    let tessellator = &job.mill.tessellator;
    let made = tessellator.tessellate(&request, job.meter.sink(), cancelled);
    let made = made.await?;
    Failpoint::AfterTessellation.reach();
    let product = store(job, made.glb, json!(made.report)).await?;
    Ok(Made {
        product,
        keep: Some(keep),
    })
}

/// Waits for others that tessellate the same bytes by the same recipe.
async fn content_lock(job: &Job<'_>) -> Result<Held, Failure> {
    let settings = &job.mill.settings;
    let key = LockKey::tessellation(job.file.source.sha256, settings.making.fingerprint());
    tokio::select! {
        held = Held::acquire(&job.mill.lock, &key, settings.lease) => {
            held.map_err(|error| lock_lost(&error))
        }
        () = job.cancelled.cancelled() => {
            Err(Failure::new(FailureCode::Cancelled, "It was not begun."))
        }
    }
}

fn lock_lost(error: &LockError) -> Failure {
    Failure::new(FailureCode::LockLost, cadmill_domain::sentence(error))
}

/// The faces that `process_step_file` has counted.
fn declared_faces(step: Option<&Value>) -> u64 {
    let faces = step.and_then(|step| step.pointer("/geometry/faces"));
    faces.and_then(Value::as_u64).unwrap_or(0)
}
