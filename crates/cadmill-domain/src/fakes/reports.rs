//! Facts and reports for tests, with plausible values.

use crate::{
    ContentHash, FormatRevision, GeometryFacts, HeaderFacts, Input, SchemaFacts, StepFacts,
    TaskKind, TreeFacts,
    tessellator::{FaceCount, TessellationReport, Timings},
};

/// The facts about a file with these `bytes` that holds one part with one face.
#[must_use]
pub fn step_facts(bytes: &[u8]) -> StepFacts {
    StepFacts {
        hash: ContentHash::of(bytes),
        bytes: bytes.len() as u64,
        lines: 1,
        instances: 1,
        header: HeaderFacts::default(),
        schema: SchemaFacts::default(),
        length_unit: None,
        products: Vec::new(),
        occurrences: Vec::new(),
        counts: TreeFacts {
            parts: 1,
            roots: 1,
            part_occurrences: 1,
            depth: 1,
            ..TreeFacts::default()
        },
        geometry: GeometryFacts {
            faces: 1,
            ..GeometryFacts::default()
        },
        external_files: Vec::new(),
        names_other_files: false,
        missing_geometry: Vec::new(),
        warnings: Vec::new(),
    }
}

/// The report of a tessellation of one part with one face.
#[must_use]
pub fn tessellation_report() -> TessellationReport {
    TessellationReport {
        kernel: "kernel 1".to_owned(),
        parts: 1,
        occurrences: 1,
        triangles: 2,
        faces: FaceCount {
            total: 1,
            unmeshed: 0,
        },
        source_faces: 1,
        unread_faces: 0,
        volume_mm3: 0.0,
        area_mm2: 1.0,
        bounds: None,
        part_reports: Vec::new(),
        partial: false,
        missing_geometry: Vec::new(),
        warnings: Vec::new(),
        retried: None,
        timings: Timings::default(),
    }
}

/// The input of reading the file with this hash.
#[must_use]
pub const fn reading_input(source: ContentHash) -> Input {
    Input::Reading {
        source,
        revision: FormatRevision::current(TaskKind::ProcessStep.revision()),
    }
}
