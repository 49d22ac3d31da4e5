//! The canonical GLB.

use cadmill_domain::MaterialMaps;
use cadmill_scene::{MeshProblem, Overlay, Scene, SceneError, glb, sample};
use proptest::prelude::*;

use crate::generated;

fn canonical(scene: &Scene) -> Vec<u8> {
    glb::write(scene, &Overlay::none(scene)).unwrap()
}

/// Equality, but for the rounding of transforms.
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

/// The GLB with other JSON, its lengths adjusted.
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
fn the_samples_come_back_as_they_were() {
    for scene in [sample::empty(), sample::cube(), sample::gearbox_like()] {
        assert_same(&glb::read(&canonical(&scene)).unwrap(), &scene);
    }
}

#[test]
fn the_document_of_a_cube_is_as_it_should_be() {
    let document = json(&canonical(&sample::cube()));
    insta::assert_json_snapshot!(document);
}

#[test]
fn a_mesh_with_many_vertices_has_wide_indices() {
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
fn a_recoloured_occurrence_has_a_mesh_that_shares_the_arrays() {
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
fn an_unsound_scene_is_not_written() {
    #[track_caller]
    fn check(spoil: impl FnOnce(&mut Scene), expected: &str) {
        let mut scene = sample::gearbox_like();
        let overlay = Overlay::none(&scene);
        spoil(&mut scene);
        let error = glb::write(&scene, &overlay).unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
    check(
        |s| s.parts[1].key = s.parts[0].key.clone(),
        "two parts have the key `housing`",
    );
    check(
        |s| s.occurrences[1].key = s.occurrences[0].key.clone(),
        "two occurrences have the key `/gearbox`",
    );
    check(
        |s| s.materials[1].base_color[1] = 1.5,
        "`green` of the material `Blue` must lie between 0 and 1, not 1.5",
    );
    check(
        |s| s.materials[0].metallic = f32::NAN,
        "`metallic` of the material `Steel` must lie between 0 and 1, not NaN",
    );
    check(
        |s| s.parts[0].primitives[0].material.0 = 77,
        "`housing` refers to material 77, which does not exist",
    );
    check(
        |s| s.parts[4].physical.as_mut().unwrap().density_kg_m3 = Some(0.0),
        "the density of the part `bolt-m6` must be a positive number, not 0",
    );
    check(
        |s| s.parts[0].primitives[1].indices[4] = 1_000_000,
        "primitive 1 of the part `housing` has an index beyond its positions",
    );
    check(
        |s| s.parts[0].primitives[0].indices.truncate(4),
        "primitive 0 of the part `housing` has a number of indices that is not a multiple of 3",
    );
    check(
        |s| s.parts[0].primitives[0].indices.clear(),
        "primitive 0 of the part `housing` has no triangle",
    );
    check(
        |s| s.parts[0].primitives[0].positions[2][1] = f32::INFINITY,
        "primitive 0 of the part `housing` has a coordinate that is not finite",
    );
    check(
        |s| s.parts[0].primitives[0].normals[2] = [0.0; 3],
        "primitive 0 of the part `housing` has a normal that is not of length 1",
    );
    check(
        |s| s.parts[0].primitives[0].normals.truncate(5),
        "primitive 0 of the part `housing` does not have as many normals as positions",
    );
    check(
        |s| s.occurrences[1].part = None,
        "no occurrence shows the part `housing`",
    );
    check(
        |s| s.occurrences[1].part = Some(cadmill_scene::PartIndex(50)),
        "the occurrence `/gearbox/housing` shows a part that does not exist",
    );
    check(
        |s| s.occurrences[1].parent = Some(cadmill_scene::OccurrenceIndex(1)),
        "the occurrence `/gearbox/housing` does not come after its parent",
    );
    check(
        |s| s.occurrences[1].transform.matrix3.x_axis.y = 0.5,
        "the transform of the occurrence `/gearbox/housing` is not a translation, rotation and scale",
    );
    check(
        |s| s.occurrences[1].transform.translation.x = f64::NAN,
        "the transform of the occurrence `/gearbox/housing` is not a translation, rotation and scale",
    );
}

#[test]
fn a_writer_that_fails_is_an_error() {
    let scene = sample::cube();
    let mut small = [0; 1000];
    let result = glb::write_to(&scene, &Overlay::none(&scene), &mut &mut small[..]);
    assert!(matches!(result, Err(SceneError::Write(_))));
}

#[test]
fn what_is_not_a_canonical_scene_says_so() {
    #[track_caller]
    fn check(edit: impl FnOnce(&mut serde_json::Value), expected: &str) {
        let glb = canonical(&sample::gearbox_like());
        let mut document = json(&glb);
        edit(&mut document);
        let edited = with_json(&glb, &document);
        assert_eq!(glb::read(&edited).unwrap_err().to_string(), expected);
    }
    let foreign = "this GLB is not a canonical scene of Cadmill: it was not written by Cadmill";
    check(
        |d| *d = serde_json::json!({"asset": {"version": "2.0"}}),
        foreign,
    );
    check(
        |d| drop(d["asset"].as_object_mut().unwrap().remove("extras")),
        foreign,
    );
    check(
        |d| d["asset"]["extras"] = serde_json::json!({"other": 1}),
        foreign,
    );
    check(
        |d| d["asset"]["extras"]["cadmill"]["format"] = 2.into(),
        "this GLB is not a canonical scene of Cadmill: its format is of another version",
    );
    check(
        |d| d["nodes"][0]["rotation"] = serde_json::json!([0, 0, 0, 1]),
        "this GLB is not a canonical scene of Cadmill: it has no root that turns the axes",
    );
    check(
        |d| d["textures"] = serde_json::json!([]),
        "the JSON chunk of the GLB cannot be read",
    );
    let damaged = |what| format!("the GLB is damaged: {what}");
    check(
        |d| d["nodes"][2]["children"] = serde_json::json!([1]),
        &damaged("the nodes are not a tree with parents first"),
    );
    check(
        |d| d["nodes"][1]["children"] = serde_json::json!([]),
        &damaged("a node is not in the tree"),
    );
    check(
        |d| d["nodes"][2]["mesh"] = 3.into(),
        &damaged("a node and its mesh disagree about the part"),
    );
    check(
        |d| d["nodes"][2]["mesh"] = 300.into(),
        &damaged("a node refers to a mesh that does not exist"),
    );
    check(
        |d| d["meshes"][0]["extras"]["cadmill"]["index"] = 40.into(),
        &damaged("the parts are not numbered without gaps"),
    );
    check(
        |d| d["accessors"][0]["count"] = 1_000_000.into(),
        &damaged("an array lies outside the BIN chunk"),
    );
    check(
        |d| d["accessors"][1]["byteOffset"] = u64::MAX.into(),
        &damaged("an array lies outside the BIN chunk"),
    );
    check(
        |d| d["accessors"][2]["componentType"] = 5121.into(),
        &damaged("indices are neither of 16 nor of 32 bits"),
    );
    check(
        |d| d["buffers"][0]["byteLength"] = 12.into(),
        &damaged("the buffer is not as long as the BIN chunk"),
    );
}

#[test]
fn arrays_may_not_be_used_twice_over() {
    // Many parts that all claim the largest array would make a huge scene of a small file.
    let glb = canonical(&sample::gearbox_like());
    let mut document = json(&glb);
    let gear = document["accessors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|a| a["count"].as_u64())
        .collect::<Vec<_>>();
    let largest = (0..gear.len()).step_by(3).max_by_key(|&i| gear[i]).unwrap();
    for mesh in document["meshes"].as_array_mut().unwrap() {
        for primitive in mesh["primitives"].as_array_mut().unwrap() {
            primitive["attributes"] =
                serde_json::json!({"POSITION": largest, "NORMAL": largest + 1});
            primitive["indices"] = (largest + 2).into();
        }
    }
    let error = glb::read(&with_json(&glb, &document)).unwrap_err();
    assert_eq!(error.to_string(), "the GLB is damaged: arrays overlap");
}

#[test]
fn a_bad_mesh_is_found_when_it_is_read() {
    let glb = canonical(&sample::cube());
    let bin = glb.len() - chunk(&glb, b"BIN\0").len();
    let mut spoiled = glb.clone();
    spoiled[bin..bin + 4].copy_from_slice(&f32::NAN.to_le_bytes());
    let error = glb::read(&spoiled).unwrap_err();
    assert!(
        matches!(
            error,
            SceneError::Mesh {
                problem: MeshProblem::NotFinite,
                ..
            }
        ),
        "{error}"
    );
    let mut spoiled = glb.clone();
    let last = spoiled.len() - 2;
    spoiled[last..].copy_from_slice(&u16::MAX.to_le_bytes());
    let error = glb::read(&spoiled).unwrap_err();
    assert!(
        matches!(
            error,
            SceneError::Mesh {
                problem: MeshProblem::IndexOutOfRange,
                ..
            }
        ),
        "{error}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_scene_comes_back(scene in generated::scene(), maps in generated::maps()) {
        let canonical = canonical(&scene);
        assert_same(&glb::read(&canonical).unwrap(), &scene);

        let overlaid = glb::overlay(&canonical, &maps).unwrap();
        let overlay = Overlay::resolve(&scene, &maps);
        prop_assert_eq!(&overlaid.unmatched, &overlay.unmatched);
        prop_assert!(overlaid.glb == glb::write(&scene, &overlay).unwrap());
        prop_assert!(chunk(&overlaid.glb, b"BIN\0") == chunk(&canonical, b"BIN\0"));
        assert_same(&glb::read(&overlaid.glb).unwrap(), &scene);

        let again = glb::overlay(&overlaid.glb, &maps).unwrap();
        prop_assert!(again == overlaid);
        let restored = glb::overlay(&overlaid.glb, &MaterialMaps::default()).unwrap();
        prop_assert!(restored.glb == canonical);
    }

    #[test]
    fn damaged_bytes_never_panic(
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..20),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let mut glb = canonical(&sample::gearbox_like());
        let json = 20 + chunk(&glb, b"JSON").len();
        for (position, value) in edits {
            // Most of the file is vertices; the JSON is where damage can do harm.
            let position = position.index(json + 500);
            glb[position] = value;
        }
        if let Some(cut) = cut {
            let length = cut.index(glb.len());
            glb.truncate(length);
        }
        if let Ok(scene) = glb::read(&glb) {
            prop_assert!(scene.check().is_ok());
        }
        let _ = glb::overlay(&glb, &MaterialMaps::default());
    }

    #[test]
    fn numbers_swapped_in_the_document_never_panic(
        edits in prop::collection::vec((any::<prop::sample::Index>(), number()), 1..4),
    ) {
        let glb = canonical(&sample::gearbox_like());
        let mut document = json(&glb);
        let count = visit_numbers(&mut document, &mut |_, _| {});
        for (position, value) in edits {
            let target = position.index(count);
            visit_numbers(&mut document, &mut |index, number| {
                if index == target {
                    *number = value.clone();
                }
            });
        }
        let edited = with_json(&glb, &document);
        if let Ok(scene) = glb::read(&edited) {
            prop_assert!(scene.check().is_ok());
            glb::overlay(&edited, &MaterialMaps::default()).unwrap();
        }
    }
}

fn number() -> impl Strategy<Value = serde_json::Value> {
    prop_oneof![
        (0..40_u64).prop_map(Into::into),
        any::<u64>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>()
            .prop_filter("JSON has no others", |x| x.is_finite())
            .prop_map(Into::into),
    ]
}

/// Shows every number of `value` to `visit`, counted in their order; returns how many there are.
fn visit_numbers(
    value: &mut serde_json::Value,
    visit: &mut dyn FnMut(usize, &mut serde_json::Value),
) -> usize {
    fn walk(
        value: &mut serde_json::Value,
        count: &mut usize,
        visit: &mut dyn FnMut(usize, &mut serde_json::Value),
    ) {
        match value {
            serde_json::Value::Number(_) => {
                visit(*count, value);
                *count += 1;
            }
            serde_json::Value::Array(items) => {
                for item in items {
                    walk(item, count, visit);
                }
            }
            serde_json::Value::Object(fields) => {
                for field in fields.values_mut() {
                    walk(field, count, visit);
                }
            }
            _ => {}
        }
    }
    let mut count = 0;
    walk(value, &mut count, visit);
    count
}
