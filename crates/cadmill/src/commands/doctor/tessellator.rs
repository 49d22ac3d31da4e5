//! Checks the tessellator: that it starts, converts a cube, and confines itself.

use std::{io, sync::Arc, time::Duration};

use cadmill_domain::{
    ContentHash, ExternalReferences, Failure, FailureCode, Recipe,
    tessellator::{Cancelled, NoProgress, Tessellation, TessellationRequest, Tessellator as _},
};
use cadmill_pipeline::ProcessTessellator;

use super::finding::Finding;
use crate::{terminal::text::counted, wiring::machine};

/// A cube with edges of 10 mm.
const CUBE: &str = include_str!("cube.step");
/// The number of its faces.
const CUBE_FACES: u64 = 6;
/// Its volume, in mm³.
const CUBE_VOLUME: f64 = 1000.0;
/// How long its conversion may take.
const TIMEOUT: Duration = Duration::from_mins(1);

/// Starts the tessellator.
pub(super) async fn check_program(tessellator: &ProcessTessellator) -> Finding {
    let version = tessellator.version().await;
    let program = tessellator.program().display();
    let found = version.map(|version| format!("{version}, at {program}"));
    Finding::of_failure("tessellator", found)
}

/// Converts the cube through the kernel, and compares its volume.
pub(super) async fn check_conversion(tessellator: &ProcessTessellator) -> Finding {
    let found = tessellate_cube(tessellator).await.and_then(|made| {
        let volume = made.report.volume_mm3;
        if (volume - CUBE_VOLUME).abs() > 1e-3 * CUBE_VOLUME {
            let detail = format!("A cube of {CUBE_VOLUME} mm³ came out with {volume} mm³.");
            return Err(Failure::new(FailureCode::OutputInvalid, detail));
        }
        let triangles = counted(made.report.triangles, "triangle");
        Ok(format!(
            "a cube of {CUBE_VOLUME} mm³ comes out right, in {triangles}"
        ))
    });
    Finding::of_failure("conversion", found)
}

/// Lets the tessellator confine itself and try what is then forbidden.
pub(super) async fn check_sandbox(tessellator: &ProcessTessellator, is_required: bool) -> Finding {
    const SUBJECT: &str = "sandbox";
    let report = match tessellator.sandbox().await {
        Ok(report) => report,
        Err(failure) => return Finding::of_failure(SUBJECT, Err(failure)),
    };
    if report.is_whole() {
        let tried = counted(report.refused.len() as u64, "forbidden operation");
        return Finding::new(SUBJECT, Ok(format!("whole: {tried} tried, all refused")));
    }
    let lacks = format!("It lacks {}.", report.lacks());
    if is_required {
        let remedy = FailureCode::SandboxMissing.remedy().to_owned();
        return Finding::new(SUBJECT, Err((lacks, remedy)));
    }
    let remedy = "Files are converted all the same. Set `require_sandbox` to refuse them; \
                  docs/operations.md lists what each system provides.";
    let mut finding = Finding::new(SUBJECT, Ok("not whole".to_owned()));
    finding.warnings.push((lacks, remedy.to_owned()));
    finding
}

async fn tessellate_cube(tessellator: &ProcessTessellator) -> Result<Tessellation, Failure> {
    let unwritable = |error: io::Error| Failure::writing("a scratch file", &error);
    let folder = tempfile::tempdir().map_err(unwritable)?;
    let source = folder.path().join("cube.step");
    std::fs::write(&source, CUBE).map_err(unwritable)?;
    let request = TessellationRequest {
        source,
        source_hash: ContentHash::of(CUBE.as_bytes()),
        source_faces: CUBE_FACES,
        external: ExternalReferences::default(),
        recipe: Recipe::STANDARD,
        timeout: TIMEOUT,
        memory_bytes: machine::memory_per_job(machine::cores()),
        threads: 1,
    };
    let progress = Arc::new(NoProgress);
    tessellator
        .tessellate(&request, progress, Cancelled::never())
        .await
}
