//! Tests of the masters of sample scenes.

use std::collections::{BTreeMap, BTreeSet};

use cadmill_domain::{Color, MaterialKey, MaterialMaps, MaterialSpec};
use cadmill_scene::{
    MaterialIndex, Occurrence, OccurrenceIndex, OccurrenceKey, Overlay, PartIndex, Scene, sample,
};
use cadmill_usd::{UsdError, UsdMaster, master};
use glam::DAffine3;

use crate::reader::CrateFile;

fn build(scene: &Scene, maps: &MaterialMaps) -> UsdMaster {
    master::build(scene, &Overlay::resolve(scene, maps)).unwrap()
}

fn maps(entries: &[(&str, &str)]) -> MaterialMaps {
    let spec = |color: &str| MaterialSpec {
        name: None,
        color: color.parse::<Color>().unwrap(),
        metallic: 0.25,
        roughness: 0.5,
        opacity: 0.75,
    };
    let entries = entries
        .iter()
        .map(|(key, color)| (MaterialKey::new(*key), spec(color)));
    MaterialMaps {
        manual_overrides: entries.collect(),
        ..MaterialMaps::default()
    }
}

fn layer<'a>(master: &'a UsdMaster, name: &str) -> &'a [u8] {
    master.layers().find(|(layer, _)| *layer == name).unwrap().1
}

/// Returns the display names below a path, by prim path.
fn display_names(file: &CrateFile<'_>, below: &str) -> BTreeMap<String, String> {
    let prims = file
        .specs
        .iter()
        .filter(|(path, _)| path.starts_with(below));
    prims
        .filter_map(|(path, spec)| {
            let name = file.text(*spec.fields.get("displayName")?);
            Some((path.clone(), name.to_owned()))
        })
        .collect()
}

#[test]
fn the_layers_are_packed_with_the_materials_last() {
    let master = build(&sample::gearbox_like(), &MaterialMaps::default());
    let names: Vec<_> = master.layers().map(|(name, _)| name).collect();
    assert_eq!(
        names,
        [
            "root.usdc",
            "payload.usdc",
            "geometry.usdc",
            "materials.usdc"
        ]
    );
    let package = master.to_usdz().unwrap();
    assert_eq!(
        package,
        build(&sample::gearbox_like(), &MaterialMaps::default())
            .to_usdz()
            .unwrap()
    );
    let bytes: usize = master.layers().map(|(_, bytes)| bytes.len()).sum();
    assert!((bytes..bytes + 1_000).contains(&package.len()));
}

#[test]
fn occurrences_of_parts_are_instances_with_display_names() {
    let scene = sample::gearbox_like();
    let master = build(&scene, &MaterialMaps::default());
    let file = CrateFile::read(layer(&master, master::GEOMETRY));
    let prototypes = "/Gearbox/Prototypes/";
    let (mut instances, mut prototype_count, mut meshes) = (0, 0, 0);
    for (path, spec) in &file.specs {
        let is_instance = spec.fields.contains_key("instanceable");
        let kind = spec.fields.get("kind").map(|kind| file.text(*kind));
        assert_eq!(is_instance, kind == Some("component"), "{path}");
        instances += usize::from(is_instance);
        let is_prototype = path
            .strip_prefix(prototypes)
            .is_some_and(|p| !p.contains(['/', '.']));
        prototype_count += usize::from(is_prototype);
        let type_name = spec.fields.get("typeName").map(|name| file.text(*name));
        meshes += usize::from(type_name == Some("Mesh"));
    }
    let of_parts = scene
        .occurrences
        .iter()
        .filter(|o| o.part.is_some())
        .count();
    assert_eq!(instances, of_parts);
    assert_eq!(prototype_count, scene.parts.len());
    assert_eq!(meshes, scene.parts.len() - 1, "the seal has no mesh");

    let names = display_names(&file, "/Gearbox/Gearbox");
    assert_eq!(names.len(), scene.occurrences.len());
    let names: BTreeSet<_> = names.values().map(String::as_str).collect();
    assert!(
        scene
            .occurrences
            .iter()
            .all(|o| names.contains(o.name.as_str()))
    );
    assert!(
        display_names(&file, prototypes)
            .values()
            .any(|name| name == "Gehäuse 零件")
    );
    let class = &file.specs["/Gearbox/Prototypes"].fields["specifier"];
    assert_eq!(class & 0xFF, 2);
}

#[test]
fn a_part_in_two_colours_has_two_subsets() {
    let scene = sample::gearbox_like();
    let master = build(&scene, &MaterialMaps::default());
    let file = CrateFile::read(layer(&master, master::GEOMETRY));
    let mesh = "/Gearbox/Prototypes/Geh_use/Geh_use";
    let mut faces = Vec::new();
    for subset in ["Blue", "Steel"] {
        let fields = &file.specs[&format!("{mesh}/{subset}.indices")].fields;
        faces.extend(file.integers(fields["default"]));
        let family = &file.specs[&format!("{mesh}/{subset}.familyName")].fields;
        assert_eq!(file.text(family["default"]), "materialBind");
    }
    let corners = &file.specs[&format!("{mesh}.faceVertexIndices")].fields;
    let triangles = file.integers(corners["default"]).len() as i64 / 3;
    assert!(
        faces.into_iter().eq(0..triangles),
        "each face is in exactly one subset"
    );
}

#[test]
fn changed_materials_affect_one_layer() {
    let scene = sample::gearbox_like();
    let plain = build(&scene, &MaterialMaps::default());
    for changed in [
        maps(&[("bolt-m6", "#ff0000")]),
        maps(&[("/gearbox/bolts/bolt:3", "#ff0000")]),
        maps(&[
            ("*", "#00ff00"),
            ("/gearbox/*", "#0000ff"),
            ("nothing", "#000000"),
        ]),
    ] {
        let changed = build(&scene, &changed);
        for ((name, before), (_, after)) in plain.layers().zip(changed.layers()) {
            assert_eq!(before == after, name != master::MATERIALS, "{name}");
        }
    }
}

#[test]
fn an_occurrence_with_its_own_material_gets_an_additional_prototype() {
    let scene = sample::gearbox_like();
    let one = maps(&[
        ("/gearbox/bolts/bolt:3", "#ff0000"),
        ("/gearbox/bolts/bolt:4", "#ff0000"),
    ]);
    let master = build(&scene, &one);
    let file = CrateFile::read(layer(&master, master::MATERIALS));
    let has_references = |path: &str| file.specs[path].fields.contains_key("references");
    assert!(has_references("/Gearbox/Prototypes/Bolt_M6_ff0000"));
    assert!(has_references("/Gearbox/Gearbox/Bolts/Bolt_M6_3"));
    assert!(has_references("/Gearbox/Gearbox/Bolts/Bolt_M6_4"));
    assert!(!file.specs.contains_key("/Gearbox/Gearbox/Bolts/Bolt_M6_5"));
    assert!(
        file.specs
            .contains_key("/Gearbox/Prototypes/Bolt_M6_ff0000/Bolt_M6.material:binding")
    );
    let references = &file.specs["/Gearbox/Gearbox/Bolts/Bolt_M6_3"].fields["references"];
    assert_eq!(
        file.stored(*references)[0],
        0b11,
        "they replace those of the geometry"
    );
    // The gear that is red in the STEP file.
    assert!(has_references("/Gearbox/Gearbox/Gear_train_2/Gear"));
    assert!(has_references("/Gearbox/Prototypes/Gear_Red"));
    let variants =
        |path: &&String| path.starts_with("/Gearbox/Prototypes/") && has_references(path);
    assert_eq!(
        file.specs.keys().filter(variants).count(),
        2,
        "equal variants share a prototype"
    );
}

#[test]
fn an_occurrence_with_the_material_of_its_part_uses_its_prototype() {
    let scene = sample::gearbox_like();
    let both = maps(&[("bolt-m6", "#ff0000"), ("/gearbox/bolts/*", "#ff0000")]);
    let master = build(&scene, &both);
    let file = CrateFile::read(layer(&master, master::MATERIALS));
    assert!(
        !file
            .specs
            .keys()
            .any(|path| path.contains("Bolt_M6_ff0000"))
    );
    assert!(!file.specs.contains_key("/Gearbox/Gearbox/Bolts"));
}

#[test]
fn only_materials_in_use_are_written() {
    let scene = sample::gearbox_like();
    let master = build(&scene, &maps(&[("gear", "#808080")]));
    let file = CrateFile::read(layer(&master, master::MATERIALS));
    let names: BTreeSet<_> = display_names(&file, "/Gearbox/Materials/")
        .into_values()
        .collect();
    let expected = ["Steel", "Blue", "Glass", "#808080"].map(str::to_owned);
    assert_eq!(
        names,
        BTreeSet::from(expected),
        "brass and red are replaced, and one is unused"
    );
    let opacity = &file.specs["/Gearbox/Materials/Glass/Surface.inputs:opacity"].fields["default"];
    assert_eq!(f32::from_bits(*opacity as u32), 0.35);
}

#[test]
fn unmatched_material_keys_are_stored() {
    let master = build(&sample::cube(), &maps(&[("no such part", "#808080")]));
    let file = CrateFile::read(layer(&master, master::MATERIALS));
    assert!(file.tokens.iter().any(|token| token == "no such part"));
    assert!(file.specs["/"].fields.contains_key("customLayerData"));
}

#[test]
fn an_occurrence_with_a_part_and_children_has_a_child_instance() {
    let mut scene = sample::cube();
    scene.occurrences.push(Occurrence {
        parent: Some(OccurrenceIndex(0)),
        key: OccurrenceKey::new("/cube/inner"),
        ..scene.occurrences[0].clone()
    });
    let master = build(&scene, &maps(&[("/cube", "#ff0000")]));
    let file = CrateFile::read(layer(&master, master::GEOMETRY));
    let is_instance = |path: &str| file.specs[path].fields.contains_key("instanceable");
    assert!(!is_instance("/Cube/Cube"));
    assert!(
        is_instance("/Cube/Cube/Cube"),
        "a second occurrence, or the part of the first"
    );
    assert!(is_instance("/Cube/Cube/Cube_2"));
    let file = CrateFile::read(layer(&master, master::MATERIALS));
    for path in ["/Cube/Cube/Cube", "/Cube/Cube/Cube_2"] {
        assert!(file.specs[path].fields.contains_key("references"));
    }
}

#[test]
fn unused_points_are_omitted() {
    let mut scene = sample::cube();
    let primitive = &mut scene.parts[0].primitives[0];
    let (points, corners) = (primitive.positions.len(), primitive.indices.clone());
    primitive.positions.insert(0, [9.0; 3]);
    primitive.normals.insert(0, [1.0, 0.0, 0.0]);
    primitive.indices.iter_mut().for_each(|index| *index += 1);
    let master = build(&scene, &MaterialMaps::default());
    assert_eq!(master, build(&sample::cube(), &MaterialMaps::default()));
    let file = CrateFile::read(layer(&master, master::GEOMETRY));
    let mesh = "/Cube/Prototypes/Cube/Cube";
    let indices = file.integers(file.specs[&format!("{mesh}.faceVertexIndices")].fields["default"]);
    assert!(indices.into_iter().eq(corners.into_iter().map(i64::from)));
    let stored = file.stored(file.specs[&format!("{mesh}.points")].fields["default"]);
    assert_eq!(stored[..8], (points as u64).to_le_bytes());
}

#[test]
fn unusual_names_and_deep_trees_are_written() {
    let mut scene = sample::cube();
    for (index, name) in ["", "Prototypes", "Materials", "a\0b", "零件"]
        .iter()
        .enumerate()
    {
        let mut occurrence = scene.occurrences[0].clone();
        occurrence.name = (*name).to_owned();
        occurrence.key = OccurrenceKey::new(format!("/{index}"));
        scene.occurrences.push(occurrence);
    }
    for depth in 0..20_000 {
        let mut occurrence = scene.occurrences[0].clone();
        occurrence.parent = Some(OccurrenceIndex(scene.occurrences.len() - 1));
        occurrence.part = occurrence.part.filter(|_| depth == 19_999);
        occurrence.key = OccurrenceKey::new(format!("/deep/{depth}"));
        scene.occurrences.push(occurrence);
    }
    let deepest = maps(&[("/deep/19999", "#ff0000")]);
    assert!(build(&scene, &deepest).to_usdz().unwrap().len() > 20_000);

    scene.occurrences.truncate(6);
    let master = build(&scene, &MaterialMaps::default());
    let file = CrateFile::read(layer(&master, master::GEOMETRY));
    let children = file.texts(file.specs["/Assembly"].fields["primChildren"]);
    let expected = [
        "Prototypes",
        "Cube",
        "Occurrence",
        "Prototypes_2",
        "Materials_2",
        "a_b",
        "Occurrence_2",
    ];
    assert_eq!(children, expected);
}

#[test]
fn an_empty_scene_has_a_master() {
    let master = build(&sample::empty(), &MaterialMaps::default());
    let file = CrateFile::read(layer(&master, master::ROOT));
    assert_eq!(file.text(file.specs["/"].fields["defaultPrim"]), "Assembly");
    assert_eq!(
        file.text(file.specs["/Assembly"].fields["kind"]),
        "assembly"
    );
}

#[test]
fn invalid_scenes_are_refused() {
    let break_scene: [fn(&mut Scene); 9] = [
        |scene| scene.occurrences[0].part = Some(PartIndex(1)),
        |scene| scene.occurrences[0].parent = Some(OccurrenceIndex(0)),
        |scene| scene.occurrences[0].material = Some(MaterialIndex(1)),
        |scene| scene.occurrences[0].transform = DAffine3::from_scale(glam::DVec3::NAN),
        |scene| scene.materials[0].roughness = f32::INFINITY,
        |scene| scene.parts[0].primitives[0].material = MaterialIndex(1),
        |scene| scene.parts[0].primitives[0].indices[0] = u32::MAX,
        |scene| scene.parts[0].primitives[0].positions[0][1] = f32::NAN,
        |scene| scene.parts[0].primitives[0].normals.truncate(1),
    ];
    for break_scene in break_scene {
        let mut scene = sample::cube();
        let overlay = Overlay::none(&scene);
        break_scene(&mut scene);
        let result = master::build(&scene, &overlay);
        assert!(matches!(result, Err(UsdError::Scene(_))), "{result:?}");
    }
    let mut scene = sample::cube();
    scene.parts[0].primitives[0].indices.pop();
    let result = master::build(&scene, &Overlay::none(&scene));
    let message = "the scene is invalid: part 0: the number of indices is not a multiple of three";
    assert_eq!(result.unwrap_err().to_string(), message);
    let other = Overlay::none(&sample::gearbox_like());
    assert!(master::build(&sample::cube(), &other).is_err());
}
