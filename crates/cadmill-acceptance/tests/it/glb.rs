//! GLBs: what Khronos' validator says of them, and whether they hold the whole tree.

use cadmill_domain::MediaKind;

use crate::{inputs::INPUTS, milled::MILLED, oracles::assert_valid_gltf};

#[test]
fn every_canonical_glb_is_valid() {
    assert_valid_gltf(&MILLED.media(MediaKind::GltfGeometry));
}

#[test]
fn every_web_glb_is_valid() {
    assert_valid_gltf(&MILLED.media(MediaKind::WebGlb));
}

#[test]
fn parts_and_occurrences_are_those_of_the_file() {
    for input in INPUTS.iter() {
        let scene = MILLED.scene(input);
        let shown = scene
            .occurrences
            .iter()
            .filter(|o| o.part.is_some())
            .count();
        let report = MILLED.record(input).tessellation;
        let found = (scene.parts.len(), shown);
        assert_eq!(found, (report.parts, report.occurrences), "{}", input.stem);
        if let Some(expected) = &input.expected {
            let expected = (expected.parts, expected.occurrences);
            assert_eq!(found, expected, "{}", input.stem);
        }
    }
}
