//! What the stand-in writes: the cube of the sample scenes and its report.

use std::{fs, path::Path};

use cadmill_domain::tessellator::{Bounds, FaceCount, PartReport, TessellationReport, Timings};
use cadmill_scene::{Overlay, Provenance, Scene, glb, sample};

use crate::Request;

/// Edge of the cube, in millimetres.
const EDGE: f64 = 100.0;

/// Writes the result, changed by `change` before.
pub(crate) fn write(request: &Request, change: impl FnOnce(&mut Scene, &mut TessellationReport)) {
    let mut scene = Scene {
        provenance: Provenance {
            source_hash: request.option("--source-hash").parse().expect("a hash"),
            recipe: request.recipe().fingerprint(),
            converter: "fake".to_owned(),
        },
        ..sample::cube()
    };
    let mut report = report(request, &scene);
    change(&mut scene, &mut report);
    let folder = Path::new(request.option("--output-dir"));
    let bytes = glb::write(&scene, &Overlay::none(&scene)).expect("the cube is sound");
    fs::write(folder.join("scene.glb"), bytes).expect("the scene can be written");
    let report = serde_json::to_vec(&report).expect("the report is sound");
    fs::write(folder.join("report.json"), report).expect("the report can be written");
}

fn report(request: &Request, scene: &Scene) -> TessellationReport {
    let faces = FaceCount {
        total: 6,
        unmeshed: 0,
    };
    let half = EDGE / 2.0;
    let bounds = Some(Bounds {
        min_mm: [-half; 3],
        max_mm: [half; 3],
    });
    let part = &scene.parts[0];
    let triangles = part.primitives.iter().map(|p| p.indices.len() as u64 / 3);
    let triangles = triangles.sum();
    let (volume_mm3, area_mm2) = (EDGE.powi(3), 6.0 * EDGE.powi(2));
    TessellationReport {
        kernel: "no kernel".to_owned(),
        parts: 1,
        occurrences: 1,
        triangles,
        faces,
        source_faces: request.option("--source-faces").parse().expect("a number"),
        unread_faces: 0,
        volume_mm3,
        area_mm2,
        bounds,
        part_reports: vec![PartReport {
            key: part.key.to_string(),
            name: part.name.clone(),
            occurrences: 1,
            triangles,
            faces,
            volume_mm3,
            area_mm2,
            bounds,
            deflection: request.recipe().deflection(EDGE * 3.0_f64.sqrt()),
            material: None,
            density_kg_m3: None,
        }],
        partial: false,
        missing_geometry: Vec::new(),
        warnings: Vec::new(),
        retried: None,
        timings: Timings::default(),
    }
}
