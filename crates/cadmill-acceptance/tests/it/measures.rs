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
fn a_mirrored_part_faces_outwards() {
    let scene = MILLED.scene(input("gearbox"));
    let volume = |name: &str| {
        let part = scene.parts.iter().find(|part| part.name == name);
        signed_volume_mm3(part.unwrap_or_else(|| panic!("there is no {name}")))
    };
    let ratio = volume("bracket-mirrored") / volume("bracket");
    assert!((ratio - 1.0).abs() < 1e-4, "{ratio}");
}

#[test]
fn no_occurrence_is_stretched() {
    for input in INPUTS.iter() {
        for (part, placed) in placements(&MILLED.scene(input)) {
            let determinant = placed.matrix3.determinant();
            let off = (determinant.abs() - 1.0).abs();
            assert!(off < 1e-6, "{}: {}: {determinant}", input.stem, part.name);
        }
    }
}
