//! What a child wrote, read again and checked before anything trusts it.

use std::{fs::File, io::Read as _, path::Path};

use cadmill_domain::{
    Failure, FailureCode,
    tessellator::{Tessellation, TessellationReport, TessellationRequest},
};
use cadmill_scene::{Scene, glb};

/// The GLB's name in the private folder.
pub(super) const GLB: &str = "scene.glb";
/// The report's name in the private folder.
pub(super) const REPORT: &str = "report.json";
/// The header of a GLB counts its bytes in 32 bits.
const MAX_GLB_BYTES: u64 = u32::MAX as u64;
/// Some hundred bytes per part, so more than a million parts.
const MAX_REPORT_BYTES: u64 = 1 << 30;

/// Reads the result of `request` from `folder`.
pub(super) fn read(folder: &Path, request: &TessellationRequest) -> Result<Tessellation, Failure> {
    let report = read_file(folder, REPORT, MAX_REPORT_BYTES)?;
    let report: TessellationReport = serde_json::from_slice(&report)
        .map_err(|error| invalid(format!("`{REPORT}` cannot be read: {error}.")))?;
    let glb = read_file(folder, GLB, MAX_GLB_BYTES)?;
    let scene =
        glb::read(&glb).map_err(|error| invalid(format!("`{GLB}` cannot be read: {error}.")))?;
    check_provenance(&scene, request)?;
    check_counts(&scene, &report, request)?;
    Ok(Tessellation { glb, report })
}

fn read_file(folder: &Path, name: &str, largest: u64) -> Result<Vec<u8>, Failure> {
    let unreadable = |error: std::io::Error| invalid(format!("`{name}` cannot be read: {error}."));
    let path = folder.join(name);
    let meta = path.symlink_metadata().map_err(unreadable)?;
    if !meta.is_file() {
        return Err(invalid(format!("`{name}` is no regular file.")));
    }
    if meta.len() > largest {
        let detail = format!("`{name}` has {} bytes.", meta.len());
        return Err(Failure::new(FailureCode::TooLarge, detail));
    }
    let mut bytes = Vec::with_capacity(meta.len() as usize);
    File::open(path)
        .and_then(|file| file.take(largest).read_to_end(&mut bytes))
        .map_err(unreadable)?;
    Ok(bytes)
}

fn check_provenance(scene: &Scene, request: &TessellationRequest) -> Result<(), Failure> {
    if scene.provenance.source_hash != request.source_hash {
        return Err(invalid(format!(
            "It was made of another file ({} instead of {}).",
            scene.provenance.source_hash, request.source_hash
        )));
    }
    let asked = request.recipe.fingerprint();
    if scene.provenance.recipe != asked {
        return Err(invalid(format!(
            "It was made by another recipe ({} instead of {asked}).",
            scene.provenance.recipe
        )));
    }
    Ok(())
}

fn check_counts(
    scene: &Scene,
    report: &TessellationReport,
    request: &TessellationRequest,
) -> Result<(), Failure> {
    let same = |what: &str, reported: u64, found: u64| {
        if reported == found {
            Ok(())
        } else {
            Err(invalid(format!(
                "It reports {reported} {what}, but there are {found}."
            )))
        }
    };
    let shown = scene.occurrences.iter().filter(|o| o.part.is_some());
    let primitives = scene.parts.iter().flat_map(|part| &part.primitives);
    let triangles: usize = primitives.map(|p| p.indices.len() / 3).sum();
    same("parts", report.parts as u64, scene.parts.len() as u64)?;
    same(
        "part reports",
        report.part_reports.len() as u64,
        scene.parts.len() as u64,
    )?;
    same(
        "occurrences",
        report.occurrences as u64,
        shown.count() as u64,
    )?;
    same("triangles", report.triangles, triangles as u64)?;
    same(
        "faces of the source",
        report.source_faces,
        request.source_faces,
    )?;
    if report.faces.unmeshed > report.faces.total {
        return Err(invalid("It reports more faces unmeshed than there are."));
    }
    if triangles == 0 {
        let detail = "It reports success, but there is no triangle.";
        return Err(Failure::new(FailureCode::KernelEmpty, detail));
    }
    Ok(())
}

fn invalid(detail: impl Into<String>) -> Failure {
    Failure::new(FailureCode::OutputInvalid, detail)
}
