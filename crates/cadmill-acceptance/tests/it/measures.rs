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
fn the_glb_measures_what_the_kernel_reports() {
    for input in INPUTS.iter() {
        let measured = Measured::of(&MILLED.scene(input));
        assert_close(&input.stem, &measured, &MILLED.record(input).exact());
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
fn every_part_faces_outwards() {
    for input in INPUTS.iter() {
        for part in &MILLED.scene(input).parts {
            let volume = signed_volume_mm3(part);
            assert!(volume > 0.0, "{}: {}: {volume} mm³", input.stem, part.name);
            let agreeing = agreeing_normals(part);
            assert!(agreeing > 0.99, "{}: {}: {agreeing}", input.stem, part.name);
        }
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
            mirrored += usize::from(determinant < 0.0);
            // Viewers turn the triangles of a mirrored node back, so the part's own volume counts.
            assert!(
                signed_volume_mm3(part) > 0.0,
                "{}: {}",
                input.stem,
                part.name
            );
        }
    }
    assert!(mirrored > 0, "no input has a mirrored occurrence");
}
