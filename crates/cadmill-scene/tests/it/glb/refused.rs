//! Invalid scenes that are not written, and GLBs that are not read as canonical scenes.

use cadmill_scene::{MeshProblem, Overlay, Scene, SceneError, glb, sample};

use super::{canonical, chunk, json, with_json};

#[test]
fn an_invalid_scene_is_not_written() {
    #[track_caller]
    fn check(edit: impl FnOnce(&mut Scene), expected: &str) {
        let mut scene = sample::gearbox_like();
        let overlay = Overlay::none(&scene);
        edit(&mut scene);
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
        "`green` of the material `Blue` must be between 0 and 1, not 1.5",
    );
    check(
        |s| s.materials[0].metallic = f32::NAN,
        "`metallic` of the material `Steel` must be between 0 and 1, not NaN",
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
        "primitive 1 of the part `housing` has an index that is out of range",
    );
    check(
        |s| s.parts[0].primitives[0].indices.truncate(4),
        "primitive 0 of the part `housing` has a number of indices that is not a multiple of 3",
    );
    check(
        |s| s.parts[0].primitives[0].indices.clear(),
        "primitive 0 of the part `housing` has no triangles",
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
        "the part `housing` has no occurrence",
    );
    check(
        |s| s.occurrences[1].part = Some(cadmill_scene::PartIndex(50)),
        "the occurrence `/gearbox/housing` refers to a part that does not exist",
    );
    check(
        |s| s.occurrences[1].parent = Some(cadmill_scene::OccurrenceIndex(1)),
        "the occurrence `/gearbox/housing` does not come after its parent",
    );
    check(
        |s| s.occurrences[1].transform.matrix3.x_axis.y = 0.5,
        "the transform of the occurrence `/gearbox/housing` does not consist of a translation, rotation and scale",
    );
    check(
        |s| s.occurrences[1].transform.translation.x = f64::NAN,
        "the transform of the occurrence `/gearbox/housing` does not consist of a translation, rotation and scale",
    );
}

#[test]
fn other_documents_are_not_read() {
    #[track_caller]
    fn check(edit: impl FnOnce(&mut serde_json::Value), expected: &str) {
        let glb = canonical(&sample::gearbox_like());
        let mut document = json(&glb);
        edit(&mut document);
        let edited = with_json(&glb, &document);
        assert_eq!(glb::read(&edited).unwrap_err().to_string(), expected);
    }
    let foreign = "this GLB is not a canonical Cadmill scene: it was not written by Cadmill";
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
        "this GLB is not a canonical Cadmill scene: its format version is not supported",
    );
    check(
        |d| d["nodes"][0]["rotation"] = serde_json::json!([0, 0, 0, 1]),
        "this GLB is not a canonical Cadmill scene: its root node does not convert the axes",
    );
    check(
        |d| d["textures"] = serde_json::json!([]),
        "the JSON chunk of the GLB cannot be read",
    );
    let damaged = |problem| format!("the GLB is damaged: {problem}");
    check(
        |d| d["nodes"][2]["children"] = serde_json::json!([1]),
        &damaged("the nodes are not a tree in which parents precede children"),
    );
    check(
        |d| d["nodes"][1]["children"] = serde_json::json!([]),
        &damaged("a node is not in the tree"),
    );
    check(
        |d| d["nodes"][2]["mesh"] = 3.into(),
        &damaged("a node and its mesh belong to different parts"),
    );
    check(
        |d| d["nodes"][2]["mesh"] = 300.into(),
        &damaged("a node refers to a mesh that does not exist"),
    );
    check(
        |d| d["meshes"][0]["extras"]["cadmill"]["index"] = 40.into(),
        &damaged("the part numbers have gaps"),
    );
    check(
        |d| d["accessors"][0]["count"] = 1_000_000.into(),
        &damaged("an array is outside the BIN chunk"),
    );
    check(
        |d| d["accessors"][1]["byteOffset"] = u64::MAX.into(),
        &damaged("an array is outside the BIN chunk"),
    );
    check(
        |d| d["accessors"][2]["componentType"] = 5121.into(),
        &damaged("indices have neither 16 nor 32 bits"),
    );
    check(
        |d| d["buffers"][0]["byteLength"] = 12.into(),
        &damaged("the buffer and the BIN chunk differ in length"),
    );
}

#[test]
fn overlapping_arrays_are_refused() {
    // If all parts could use the largest array, a small file would become a huge scene.
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
fn an_invalid_mesh_is_not_read() {
    let glb = canonical(&sample::cube());
    let bin = glb.len() - chunk(&glb, b"BIN\0").len();
    let mut edited = glb.clone();
    edited[bin..bin + 4].copy_from_slice(&f32::NAN.to_le_bytes());
    let error = glb::read(&edited).unwrap_err();
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
    let mut edited = glb.clone();
    let last = edited.len() - 2;
    edited[last..].copy_from_slice(&u16::MAX.to_le_bytes());
    let error = glb::read(&edited).unwrap_err();
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
