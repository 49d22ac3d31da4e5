//! What all media have in common that are derived from the canonical scene.

use std::sync::Arc;

use cadmill_domain::{ConversionReport, Failure, FailureCode, Input, MediaKind, TaskKind, Work};
use tokio::task::spawn_blocking;

use super::{Made, cached, input, store};
use crate::{
    CONVERTER,
    convert::{StyledScene, join},
    runner::Job,
};

/// Makes the medium of this kind of the canonical scene and the materials of the file.
pub(super) async fn derive(job: &Job<'_>, kind: MediaKind) -> Result<Made, Failure> {
    if let Some(made) = cached(job, kind).await? {
        return Ok(made);
    }
    job.meter.enter("fetch");
    let canonical = canonical(job).await?;
    job.meter.enter("make");
    let materials = Arc::new(job.file.materials.clone());
    let made = spawn_blocking(move || {
        let styled = StyledScene::new(canonical, materials)?;
        Ok((styled.medium(kind)?, styled.overlay.unmatched))
    });
    let (bytes, unmatched) = join(made.await)?;
    let report = ConversionReport {
        converter: CONVERTER.to_owned(),
        unmatched_materials: unmatched,
    };
    Ok(store(job, bytes, report.into()).await?.into())
}

/// The canonical scene of which the input of this work says that it is made. One that is being made again still serves: its
/// bytes will be the same.
async fn canonical(job: &Job<'_>) -> Result<Vec<u8>, Failure> {
    let kind = TaskKind::Make(MediaKind::GltfGeometry);
    let no_scene = || Failure::new(FailureCode::NoScene, "It was not made, or is gone.");
    let scene = job.claim.input.scene().ok_or_else(no_scene)?;
    let wanted = Input::Scene(scene.clone());
    let cad_file_id = job.file.id;
    let row = job.runner.row(Work { cad_file_id, kind }).await?;
    let asset = match row.and_then(|row| row.asset) {
        Some(id) => job.runner.ask(job.runner.records.assets.get(id)).await?,
        None => None,
    };
    let asset = asset.filter(|asset| asset.input == wanted);
    input::get(job, &asset.ok_or_else(no_scene)?.blob).await
}
