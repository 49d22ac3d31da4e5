//! What the meshes of the recipe *standard* measure, against the exact surfaces.

use crate::{
    geometry::{Measured, agreeing_normals, assert_close, placements, signed_volume_mm3},
    inputs::{INPUTS, input},
    milled::MILLED,
};

#[test]
fn the_glb_measures_what_another_program_measured() {
    for input in INPUTS.iter() {
        if let Some(expected) = &input.expected {
            let measured = Measured::of(&MILLED.scene(input));
            assert_close(&input.stem, &measured, &expected.into());
        }
    }
}

#[test]
fn every_part_measures_what_the_kernel_reports_and_faces_outwards() {
    for input in INPUTS.iter() {
        let scene = MILLED.scene(input);
        let reports = MILLED.record(input).tessellation.part_reports;
        assert_eq!(scene.parts.len(), reports.len(), "{}", input.stem);
        for (part, report) in scene.parts.iter().zip(reports) {
            let name = format!("{}: {}", input.stem, part.name);
            assert_eq!(part.key.as_str(), report.key, "{name}");
            let agreeing = agreeing_normals(part);
            assert!(agreeing > 0.99, "{name}: {agreeing}");
            // An open shell has no volume, and a mesh with a hole has none that is exact.
            if report.volume_mm3 > 0.0 && report.faces.unmeshed == 0 {
                let ratio = signed_volume_mm3(part) / report.volume_mm3;
                assert!((0.99..=1.01).contains(&ratio), "{name}: {ratio}");
            }
        }
    }
}

#[test]
fn a_cube_of_one_inch_is_25_4_mm_wide() {
    let cube = Measured::of(&MILLED.scene(input("inch-cube")));
    let [x, y, z, max_x, max_y, max_z] = cube.bbox_mm;
    for side in [max_x - x, max_y - y, max_z - z] {
        assert!((side - 25.4).abs() < 1e-4, "{side}");
    }
}

#[test]
fn mirrored_occurrences_are_there_and_face_outwards() {
    let mut mirrored = 0;
    for input in INPUTS.iter() {
        let scene = MILLED.scene(input);
        for (part, placed) in placements(&scene) {
            let determinant = placed.matrix3.determinant();
            assert!((determinant.abs() - 1.0).abs() < 1e-6, "{determinant}");
            if determinant < 0.0 {
                mirrored += 1;
                // Viewers turn a mirrored node's triangles back, so the part's own volume counts.
                let volume = signed_volume_mm3(part);
                assert!(volume > 0.0, "{}: {}: {volume}", input.stem, part.name);
            }
        }
    }
    assert!(mirrored > 0, "no input has a mirrored occurrence");
}
