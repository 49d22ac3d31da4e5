//! The canonical GLB.

mod corrupted;
mod refused;

use cadmill_domain::MaterialMaps;
use cadmill_scene::{Overlay, Scene, SceneError, glb, sample};
use proptest::prelude::*;

use crate::generated;

fn canonical(scene: &Scene) -> Vec<u8> {
    glb::write(scene, &Overlay::none(scene)).unwrap()
}

/// Asserts that two scenes are equal except for rounding errors of transforms.
#[track_caller]
fn assert_same(found: &Scene, expected: &Scene) {
    let mut rounded = found.clone();
    for (found, expected) in rounded.occurrences.iter_mut().zip(&expected.occurrences) {
        assert!(
            found.transform.abs_diff_eq(expected.transform, 1e-12),
            "{}: {} instead of {}",
            expected.key,
            found.transform,
            expected.transform
        );
        found.transform = expected.transform;
    }
    assert_eq!(&rounded, expected);
}

pub(crate) fn chunk<'a>(glb: &'a [u8], kind: &[u8]) -> &'a [u8] {
    let mut rest = &glb[12..];
    while !rest.is_empty() {
        let length = u32::from_le_bytes(rest[..4].try_into().unwrap()) as usize;
        if &rest[4..8] == kind {
            return &rest[8..8 + length];
        }
        rest = &rest[8 + length..];
    }
    &[]
}

pub(crate) fn json(glb: &[u8]) -> serde_json::Value {
    serde_json::from_slice(chunk(glb, b"JSON")).unwrap()
}

/// Replaces the JSON chunk and adjusts the lengths.
fn with_json(glb: &[u8], json: &serde_json::Value) -> Vec<u8> {
    let mut text = serde_json::to_vec(json).unwrap();
    text.resize(text.len().next_multiple_of(4), b' ');
    let bin = chunk(glb, b"BIN\0");
    let mut edited = b"glTF\x02\0\0\0".to_vec();
    edited.extend(((28 + text.len() + bin.len()) as u32).to_le_bytes());
    edited.extend((text.len() as u32).to_le_bytes());
    edited.extend(b"JSON");
    edited.extend(text);
    edited.extend((bin.len() as u32).to_le_bytes());
    edited.extend(b"BIN\0");
    edited.extend(bin);
    edited
}

#[test]
fn samples_round_trip() {
    for scene in [sample::empty(), sample::cube(), sample::gearbox_like()] {
        assert_same(&glb::read(&canonical(&scene)).unwrap(), &scene);
    }
}

#[test]
fn the_document_of_a_cube() {
    let document = json(&canonical(&sample::cube()));
    insta::assert_json_snapshot!(document);
}

#[test]
fn a_mesh_with_many_vertices_has_32_bit_indices() {
    let mut scene = sample::cube();
    let primitive = &mut scene.parts[0].primitives[0];
    let count = primitive.positions.len();
    primitive.positions = primitive
        .positions
        .iter()
        .copied()
        .cycle()
        .take(70_000)
        .collect();
    primitive.normals = primitive
        .normals
        .iter()
        .copied()
        .cycle()
        .take(70_000)
        .collect();
    primitive.indices.push(69_999);
    primitive.indices.extend([0, count as u32]);
    let glb = canonical(&scene);
    assert_eq!(json(&glb)["accessors"][2]["componentType"], 5125);
    assert_same(&glb::read(&glb).unwrap(), &scene);
}

#[test]
fn meshes_of_a_recoloured_occurrence_share_their_arrays() {
    let document = json(&canonical(&sample::gearbox_like()));
    let gears: Vec<_> = document["meshes"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|mesh| mesh["name"] == "Gear")
        .map(|mesh| &mesh["primitives"][0])
        .collect();
    assert_eq!(gears.len(), 2);
    assert_eq!(gears[0]["attributes"], gears[1]["attributes"]);
    assert_eq!(gears[0]["indices"], gears[1]["indices"]);
    assert_ne!(gears[0]["material"], gears[1]["material"]);
}

#[test]
fn write_errors_are_returned() {
    let scene = sample::cube();
    let mut small = [0; 1000];
    let result = glb::write_to(&scene, &Overlay::none(&scene), &mut &mut small[..]);
    assert!(matches!(result, Err(SceneError::Write(_))));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_scene_round_trips(scene in generated::scene(), maps in generated::maps()) {
        let canonical = canonical(&scene);
        assert_same(&glb::read(&canonical).unwrap(), &scene);

        let overlaid = glb::overlay(&canonical, &maps).unwrap();
        let overlay = Overlay::resolve(&scene, &maps);
        prop_assert_eq!(&overlaid.unmatched, &overlay.unmatched);
        prop_assert!(overlaid.glb == glb::write(&scene, &overlay).unwrap());
        prop_assert!(chunk(&overlaid.glb, b"BIN\0") == chunk(&canonical, b"BIN\0"));
        assert_same(&glb::read(&overlaid.glb).unwrap(), &scene);

        let repeated = glb::overlay(&overlaid.glb, &maps).unwrap();
        prop_assert!(repeated == overlaid);
        let restored = glb::overlay(&overlaid.glb, &MaterialMaps::default()).unwrap();
        prop_assert!(restored.glb == canonical);
    }
}
