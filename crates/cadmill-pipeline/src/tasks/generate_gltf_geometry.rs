//! `generate_gltf_geometry`: the canonical scene, by the tessellator in a child process. The same
//! bytes under many names are tessellated once. A scene that came out coarser than the recipe is
//! published under an input of its own.

use std::{path::Path, sync::PoisonError, time::Duration};

use cadmill_domain::{
    ExternalReferences, Failure, FailureCode, Input, MediaKind, MediaReport, StepFacts,
    ledger::TaskOutput,
    tessellator::{Cancelled, TessellationRequest},
};
use cadmill_lock::{Held, LockError};
use cadmill_step::inspect_path;
use tokio::task::spawn_blocking;

use super::{Made, cached, input, store};
use crate::{Failpoint, convert::join, runner::Job, scratch, unsent};

/// How often the lock of the content is tried.
const POLL: Duration = Duration::from_millis(200);

pub(super) async fn run(job: &Job<'_>) -> Result<Made, Failure> {
    if let Some(made) = cached(job, MediaKind::GltfGeometry).await? {
        return Ok(made);
    }
    if let Some(made) = coarser_before(job).await? {
        return Ok(made);
    }
    job.meter.enter("wait");
    let keep = content_lock(job).await?;
    if let Some(made) = cached(job, MediaKind::GltfGeometry).await? {
        return Ok(made);
    }
    if let Some((glb, report)) = unsent::find(job).await {
        return made(job, glb, report, keep).await;
    }
    let settings = &job.runner.settings;
    let folder = scratch::private_folder(&settings.scratch)?;
    job.meter.enter("fetch");
    let source = job.file.source;
    let path = input::fetch(job, &source, folder.path()).await?;
    let request = TessellationRequest {
        external: external_references(job.file.step.as_ref(), &path).await?,
        source: path,
        source_hash: source.sha256,
        source_faces: job.file.step.as_ref().map_or(0, |step| step.geometry.faces),
        recipe: settings.plan.recipe(),
        timeout: settings.timeout,
        memory_bytes: settings.memory_bytes,
        threads: settings.threads,
    };
    Failpoint::BeforeSpawn.reach();
    let cancelled = Cancelled::when(job.cancelled.clone().cancelled_owned());
    let tessellator = &job.runner.tessellator;
    let tessellated = tessellator.tessellate(&request, job.meter.sink(), cancelled);
    let tessellated = tessellated.await?;
    Failpoint::AfterTessellation.reach();
    made(job, tessellated.glb, tessellated.report.into(), keep).await
}

/// Stores a scene, under an input of its own if it was made by a coarser try.
async fn made(
    job: &Job<'_>,
    glb: Vec<u8>,
    report: MediaReport,
    content: Held,
) -> Result<Made, Failure> {
    let coarser = coarser_input(job, &report);
    let product = match (store(job, glb, report).await?, coarser) {
        (TaskOutput::Asset(made), Some(input)) => TaskOutput::Coarser { made, input },
        (product, _) => product,
    };
    Ok(Made {
        product,
        keep: Some(content),
    })
}

/// The input of a scene that was made by a coarser try, as its report says.
fn coarser_input(job: &Job<'_>, report: &MediaReport) -> Option<Input> {
    let retried = report.tessellation()?.retried.as_ref()?;
    let recipe = job.runner.settings.plan.recipe();
    let conditions = retried.conditions.as_ref()?;
    Some(job.claim.input.coarser(recipe, conditions))
}

/// The coarser scene of this file that was made under the conditions that hold here: the recipe would
/// fail again. None if it is to be tried again all the same.
async fn coarser_before(job: &Job<'_>) -> Result<Option<Made>, Failure> {
    let assets = job
        .runner
        .ask(job.runner.records.assets.of_file(job.file.id))
        .await?;
    let wanted = &job.claim.input;
    let coarser: Vec<_> = assets
        .into_iter()
        .filter(|asset| asset.input.is_coarser_than(wanted))
        .collect();
    if job.claim.force || coarser.is_empty() {
        return Ok(None);
    }
    // Work is done for a scene that is there only when the recipe is to be tried again.
    let row = job.runner.row(job.claim.work).await?.unwrap_or_default();
    if row.ready.is_some_and(|ready| ready.is_coarser_than(wanted)) {
        return Ok(None);
    }
    let conditions = job.runner.conditions().await?;
    let input = wanted.coarser(job.runner.settings.plan.recipe(), &conditions);
    let found = coarser.iter().find(|asset| asset.input == input);
    Ok(found.map(|asset| TaskOutput::Cached(asset.id).into()))
}

/// The lock that was taken before the claim; else waits for others that tessellate the same bytes by
/// the same recipe. That is only done for a task that was called by name, or is made again.
async fn content_lock(job: &Job<'_>) -> Result<Held, Failure> {
    let taken = job
        .content
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .take();
    if let Some(held) = taken {
        return Ok(held);
    }
    let key = job.runner.content_key(job.file);
    let (lock, lease) = (&job.runner.lock, job.runner.settings.lease);
    loop {
        let held = Held::try_acquire_while(lock, &key, lease, job.renewal).await;
        if let Some(held) = held.map_err(|error| lock_lost(&error))? {
            return Ok(held);
        }
        tokio::select! {
            () = tokio::time::sleep(POLL) => {}
            () = job.cancelled.cancelled() => {
                return Err(Failure::new(FailureCode::Cancelled, "It was not begun."));
            }
        }
    }
}

fn lock_lost(error: &LockError) -> Failure {
    Failure::new(FailureCode::LockLost, cadmill_domain::sentence(error))
}

/// The references to other files that `process_step_file` has found; the file is read again if its
/// facts are missing.
async fn external_references(
    step: Option<&StepFacts>,
    path: &Path,
) -> Result<ExternalReferences, Failure> {
    if let Some(step) = step {
        return Ok(step.external_references());
    }
    let path = path.to_owned();
    let read = spawn_blocking(move || Ok(inspect_path(&path)?.external_references()));
    join(read.await)
}
