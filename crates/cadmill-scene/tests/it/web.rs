//! The compressed GLB, compared with the scene after decompression.

use std::collections::BTreeMap;

use cadmill_scene::{
    Occurrence, OccurrenceIndex, Overlay, Part, PartIndex, Scene, glb, sample, web,
};
use glam::{DAffine3, DQuat, DVec3};
use proptest::prelude::*;
use serde_json::Value;

use crate::{
    generated,
    glb::{chunk, json},
};

/// A decompressed buffer view.
#[derive(Debug)]
enum View {
    Positions(Vec<[u16; 4]>),
    Normals(Vec<[i16; 4]>),
    Indices(Vec<u32>),
}

fn number(value: &Value) -> usize {
    value.as_u64().unwrap_or_default() as usize
}

fn decompress(glb: &[u8]) -> Vec<View> {
    let document = json(glb);
    let bin = chunk(glb, b"BIN\0");
    let views = document["bufferViews"].as_array().unwrap();
    let fallback = &document["buffers"][1];
    assert_eq!(
        fallback["extensions"]["EXT_meshopt_compression"]["fallback"],
        true
    );
    views
        .iter()
        .map(|view| {
            let compression = &view["extensions"]["EXT_meshopt_compression"];
            let stride = number(&compression["byteStride"]);
            let count = number(&compression["count"]);
            assert_eq!(number(&view["byteLength"]), stride * count);
            assert!(
                number(&view["byteOffset"]) + stride * count <= number(&fallback["byteLength"])
            );
            let start = number(&compression["byteOffset"]);
            let bytes = &bin[start..start + number(&compression["byteLength"])];
            if compression["mode"] == "TRIANGLES" {
                assert_eq!(meshopt::decode_index_version(bytes), Some(1));
                return View::Indices(meshopt::decode_index_buffer(bytes, count).unwrap());
            }
            assert_eq!(meshopt::decode_vertex_version(bytes), Some(0));
            assert_eq!(stride, 8);
            if compression["filter"] == "OCTAHEDRAL" {
                let mut normals = meshopt::decode_vertex_buffer(bytes, count).unwrap();
                meshopt::decode_filter_oct::<i16>(&mut normals);
                View::Normals(normals)
            } else {
                View::Positions(meshopt::decode_vertex_buffer(bytes, count).unwrap())
            }
        })
        .collect()
}

/// Returns the bytes of its view that an accessor refers to.
fn accessor<'a>(
    document: &Value,
    views: &'a [View],
    index: &Value,
) -> (&'a View, std::ops::Range<usize>) {
    let accessor = &document["accessors"][number(index)];
    let view = number(&accessor["bufferView"]);
    let stride = number(
        &document["bufferViews"][view]["extensions"]["EXT_meshopt_compression"]["byteStride"],
    );
    let start = number(&accessor["byteOffset"]) / stride;
    (&views[view], start..start + number(&accessor["count"]))
}

type Corner = ([u16; 3], DVec3);

/// Returns the triangles of a primitive, each rotated so that its smallest corner is first.
fn triangles(document: &Value, views: &[View], primitive: &Value) -> Vec<[Corner; 3]> {
    let (View::Positions(positions), range) =
        accessor(document, views, &primitive["attributes"]["POSITION"])
    else {
        panic!()
    };
    let positions = &positions[range];
    let (View::Normals(normals), range) =
        accessor(document, views, &primitive["attributes"]["NORMAL"])
    else {
        panic!()
    };
    let normals = &normals[range];
    let (View::Indices(indices), range) = accessor(document, views, &primitive["indices"]) else {
        panic!()
    };
    indices[range]
        .chunks_exact(3)
        .map(|triangle| {
            let corner = |i: usize| {
                let [x, y, z, _] = positions[triangle[i] as usize];
                let [a, b, c, _] = normals[triangle[i] as usize].map(|n| f64::from(n) / 32767.0);
                ([x, y, z], DVec3::new(a, b, c))
            };
            rotated([corner(0), corner(1), corner(2)])
        })
        .collect()
}

fn rotated([a, b, c]: [Corner; 3]) -> [Corner; 3] {
    let turns = [[a, b, c], [b, c, a], [c, a, b]];
    let smallest = turns
        .into_iter()
        .min_by_key(|turn| turn.map(|(place, _)| place));
    smallest.unwrap()
}

/// Computes the quantization grid of a part independently: smallest corner and step.
fn grid(part: &Part) -> (DVec3, f64) {
    let positions = || {
        part.primitives
            .iter()
            .flat_map(|p| &p.positions)
            .map(|p| DVec3::from_array(p.map(f64::from)))
    };
    let min = positions().reduce(DVec3::min).unwrap();
    let extent = (positions().reduce(DVec3::max).unwrap() - min).max_element();
    (min, if extent > 0.0 { extent / 65535.0 } else { 1.0 })
}

fn expected_triangles(part: &Part, primitive: usize) -> Vec<[Corner; 3]> {
    let (min, step) = grid(part);
    let primitive = &part.primitives[primitive];
    primitive
        .indices
        .chunks_exact(3)
        .map(|triangle| {
            rotated([triangle[0], triangle[1], triangle[2]].map(|index| {
                let position =
                    DVec3::from_array(primitive.positions[index as usize].map(f64::from));
                let steps = ((position - min) / step)
                    .round()
                    .to_array()
                    .map(|x| x as u16);
                let normal = DVec3::from_array(primitive.normals[index as usize].map(f64::from));
                (steps, normal)
            }))
        })
        .filter(|[(a, _), (b, _), (c, _)]| a != b && b != c && c != a)
        .collect()
}

fn transform(node: &Value) -> DAffine3 {
    let numbers = |key: &str| {
        node[key]
            .as_array()
            .map(|a| a.iter().map(|x| x.as_f64().unwrap()).collect::<Vec<_>>())
    };
    DAffine3::from_scale_rotation_translation(
        numbers("scale").map_or(DVec3::ONE, |s| DVec3::from_slice(&s)),
        numbers("rotation").map_or(DQuat::IDENTITY, |r| DQuat::from_slice(&r)),
        numbers("translation").map_or(DVec3::ZERO, |t| DVec3::from_slice(&t)),
    )
}

fn sorted(mut triangles: Vec<[Corner; 3]>) -> Vec<[Corner; 3]> {
    triangles.sort_by_key(|triangle| triangle.map(|(place, _)| place));
    triangles
}

#[track_caller]
fn check(scene: &Scene) {
    let overlay = Overlay::none(scene);
    let plain = json(&glb::write(scene, &overlay).unwrap());
    let compressed = web::compress(scene, &overlay).unwrap();
    assert_eq!(compressed, web::compress(scene, &overlay).unwrap());
    let document = json(&compressed);
    if scene.parts.iter().all(|part| part.primitives.is_empty()) {
        assert_eq!(document, plain);
        return;
    }
    let views = decompress(&compressed);
    for key in ["asset", "materials"] {
        assert_eq!(document[key], plain[key]);
    }
    let parts: BTreeMap<&str, usize> = scene
        .parts
        .iter()
        .enumerate()
        .map(|(i, p)| (p.key.as_str(), i))
        .collect();
    for (mesh, plain) in document["meshes"]
        .as_array()
        .unwrap()
        .iter()
        .zip(plain["meshes"].as_array().unwrap())
    {
        assert_eq!(
            (&mesh["name"], &mesh["extras"]),
            (&plain["name"], &plain["extras"])
        );
        let part = &scene.parts[parts[mesh["extras"]["cadmill"]["part"].as_str().unwrap()]];
        for (index, primitive) in mesh["primitives"].as_array().unwrap().iter().enumerate() {
            assert_eq!(primitive["extras"], plain["primitives"][index]["extras"]);
            check_primitive(
                &sorted(triangles(&document, &views, primitive)),
                &sorted(expected_triangles(part, index)),
            );
        }
    }
    check_nodes(scene, &document, &plain);
}

#[track_caller]
fn check_primitive(found: &[[Corner; 3]], expected: &[[Corner; 3]]) {
    if expected.is_empty() {
        // All triangles are degenerate, in which case they are kept.
        assert!(!found.is_empty());
        return;
    }
    let places = |triangles: &[[Corner; 3]]| -> Vec<_> {
        triangles
            .iter()
            .map(|triangle| triangle.map(|(place, _)| place))
            .collect()
    };
    assert_eq!(found.len(), expected.len());
    for (found, expected) in places(found).iter().zip(places(expected)) {
        assert_eq!(*found, expected);
    }
    // Corners with equal positions may be reordered, so the nearest normal is searched among them.
    let mut by_place: BTreeMap<[u16; 3], Vec<DVec3>> = BTreeMap::new();
    for (place, normal) in expected.as_flattened() {
        by_place.entry(*place).or_default().push(*normal);
    }
    for (place, normal) in found.as_flattened() {
        let nearest = by_place[place]
            .iter()
            .map(|other| other.distance(*normal))
            .fold(9.0, f64::min);
        assert!(nearest < 0.005, "a normal is off by {nearest}");
    }
}

/// Checks that the transforms place each quantized mesh where the canonical one is.
#[track_caller]
fn check_nodes(scene: &Scene, document: &Value, plain: &Value) {
    let nodes = document["nodes"].as_array().unwrap();
    for (index, occurrence) in scene.occurrences.iter().enumerate() {
        let (node, plain) = (&nodes[index + 1], &plain["nodes"][index + 1]);
        assert_eq!(
            (&node["name"], &node["extras"]),
            (&plain["name"], &plain["extras"])
        );
        let Some(PartIndex(part)) = occurrence.part else {
            continue;
        };
        if scene.parts[part].primitives.is_empty() {
            continue;
        }
        let has_children = scene
            .occurrences
            .iter()
            .any(|o| o.parent == Some(OccurrenceIndex(index)));
        let (placed, mesh) = if has_children {
            let child = node["children"].as_array().unwrap().last().unwrap();
            let child = &nodes[number(child)];
            (transform(node) * transform(child), &child["mesh"])
        } else {
            (transform(node), &node["mesh"])
        };
        assert_eq!(mesh, &plain["mesh"]);
        let (min, step) = grid(&scene.parts[part]);
        for corner in [
            DVec3::ZERO,
            DVec3::splat(65535.0),
            DVec3::new(1.0, 2.0, 3.0),
        ] {
            let expected = occurrence.transform.transform_point3(min + corner * step);
            let found = placed.transform_point3(corner);
            let size =
                (min.length() + 65535.0 * step) * 4.0 + occurrence.transform.translation.length();
            assert!(
                found.abs_diff_eq(expected, 1e-9 * size),
                "{found} instead of {expected}"
            );
        }
    }
}

#[test]
fn samples_round_trip() {
    check(&sample::empty());
    check(&sample::cube());
    check(&sample::gearbox_like());
}

#[test]
fn dequantization_does_not_affect_children() {
    let mut scene = sample::gearbox_like();
    let above = scene
        .occurrences
        .iter()
        .position(|o| o.name == "Shaft")
        .unwrap();
    let gear = scene
        .occurrences
        .iter()
        .position(|o| o.name == "Gear")
        .unwrap();
    scene.occurrences[gear].parent = Some(OccurrenceIndex(above));
    check(&scene);
}

#[test]
fn one_glb_holds_indices_of_16_and_32_bits() {
    let mut scene = sample::cube();
    let mut large = scene.parts[0].clone();
    large.key = cadmill_scene::PartKey::new("large");
    large.primitives = vec![wavy_sheet(257)];
    scene.parts.push(large);
    scene.occurrences.push(Occurrence {
        key: cadmill_scene::OccurrenceKey::new("/large"),
        part: Some(PartIndex(1)),
        ..scene.occurrences[0].clone()
    });
    check(&scene);
    scene.parts.remove(0);
    scene.occurrences.remove(0);
    scene.occurrences[0].part = Some(PartIndex(0));
    let overlay = Overlay::none(&scene);
    let plain = glb::write(&scene, &overlay).unwrap().len();
    let compressed = web::compress(&scene, &overlay).unwrap();
    let views = json(&compressed)["bufferViews"].as_array().unwrap().len();
    assert_eq!(views, 3, "there are no 16-bit indices");
    let compressed = compressed.len();
    assert!(compressed * 6 < plain, "{compressed} of {plain} bytes");
}

/// A smooth surface with `steps²` vertices.
fn wavy_sheet(steps: u32) -> cadmill_scene::Primitive {
    let grid = (0..steps).flat_map(|row| (0..steps).map(move |column| (row, column)));
    let (positions, normals) = grid
        .map(|(row, column)| {
            let (x, y) = (row as f32 / 100.0, column as f32 / 100.0);
            let normal = glam::Vec3::new(-x.cos() * 0.3, 0.0, 1.0).normalize();
            ([x, y, 0.3 * x.sin()], normal.to_array())
        })
        .unzip();
    let cells =
        (0..steps - 1).flat_map(|row| (0..steps - 1).map(move |column| row * steps + column));
    let indices = cells
        .flat_map(|a| [a, a + steps, a + 1, a + 1, a + steps, a + steps + 1])
        .collect();
    cadmill_scene::Primitive {
        material: cadmill_scene::MaterialIndex(0),
        positions,
        normals,
        indices,
    }
}

#[test]
fn the_compressed_glb_is_not_read_as_a_canonical_scene() {
    let scene = sample::cube();
    let compressed = web::compress(&scene, &Overlay::none(&scene)).unwrap();
    assert_eq!(
        glb::read(&compressed).unwrap_err().to_string(),
        "this GLB is not a canonical Cadmill scene: it is a compressed copy"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn any_scene_round_trips(scene in generated::scene()) {
        check(&scene);
    }
}
