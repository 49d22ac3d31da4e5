//! Strategies that generate random scenes and material maps.

use cadmill_domain::{MaterialKey, MaterialMaps, MaterialSpec};
use cadmill_scene::{
    Material, MaterialIndex, Occurrence, OccurrenceIndex, OccurrenceKey, Part, PartIndex, PartKey,
    PhysicalMaterial, Primitive, Scene, sample,
};
use glam::{DAffine3, DQuat, DVec3, EulerRot, Vec3};
use proptest::{prelude::*, sample::Index};

/// Generates a valid scene with up to 6 parts and 20 occurrences.
pub(crate) fn scene() -> impl Strategy<Value = Scene> {
    let materials = prop::collection::vec(material(), 1..5);
    let parts = prop::collection::vec(part(), 0..6);
    let occurrences = prop::collection::vec(occurrence(), 0..14);
    (materials, parts, occurrences).prop_map(|(materials, parts, occurrences)| {
        let mut scene = sample::empty();
        scene.materials = materials;
        scene.parts = parts;
        scene.occurrences = occurrences.iter().map(|make| make.0.clone()).collect();
        let count = scene.materials.len();
        for (index, part) in scene.parts.iter_mut().enumerate() {
            part.key = PartKey::new(format!("{}~{index}", part.key));
            for primitive in &mut part.primitives {
                primitive.material.0 %= count;
            }
            // Every part needs an occurrence.
            let mut shows = plain_occurrence();
            shows.part = Some(PartIndex(index));
            scene.occurrences.push(shows);
        }
        for (index, occurrence) in scene.occurrences.iter_mut().enumerate() {
            occurrence.key = OccurrenceKey::new(format!("{}/{index}", occurrence.key));
            if let Some((_, parent, part, material)) = occurrences.get(index) {
                let pick = |index: &Index, count| (count > 0).then(|| index.index(count));
                let chosen = parent.as_ref().and_then(|parent| pick(parent, index));
                occurrence.parent = chosen.map(OccurrenceIndex);
                let chosen = part.as_ref().and_then(|part| pick(part, scene.parts.len()));
                occurrence.part = chosen.map(PartIndex);
                let chosen = material.as_ref().and_then(|material| pick(material, count));
                occurrence.material = chosen.map(MaterialIndex);
            }
        }
        scene
    })
}

/// Generates maps with keys that match parts of [`scene`], and keys that match nothing.
pub(crate) fn maps() -> impl Strategy<Value = MaterialMaps> {
    let key = prop_oneof![
        Just("*".to_owned()),
        Just("a*".to_owned()),
        Just("/*1".to_owned()),
        "[ab]{1,2}",
        (0..14).prop_map(|index| format!("/a/{index}")),
        Just("absent".to_owned()),
    ];
    let spec = prop_oneof![Just("#ff0000"), Just("#00ff00"), Just("#123456")].prop_map(|color| {
        MaterialSpec {
            name: None,
            color: color.parse().unwrap(),
            metallic: 0.0,
            roughness: 0.5,
            opacity: 0.7,
        }
    });
    let map = prop::collection::btree_map(key.prop_map(MaterialKey::new), spec, 0..4);
    (map.clone(), map).prop_map(|(part_materials, manual_overrides)| MaterialMaps {
        part_materials,
        manual_overrides,
    })
}

fn material() -> impl Strategy<Value = Material> {
    (name(), prop::array::uniform4(0.0..=1.0_f32), 0.0..=1.0_f32).prop_map(
        |(name, base_color, metallic)| Material {
            name,
            base_color,
            metallic,
            roughness: 1.0 - metallic,
        },
    )
}

fn part() -> impl Strategy<Value = Part> {
    let physical = (name(), prop::option::of(0.1..2e4_f64)).prop_map(|(name, density_kg_m3)| {
        PhysicalMaterial {
            name,
            density_kg_m3,
        }
    });
    let layers = prop::collection::vec(name(), 0..3);
    let primitives = prop::collection::vec(primitive(), 0..3);
    (
        name(),
        name(),
        prop::option::of(physical),
        layers,
        primitives,
    )
        .prop_map(|(key, name, physical, layers, primitives)| Part {
            key: PartKey::new(key),
            name,
            physical,
            layers,
            primitives,
        })
}

fn primitive() -> impl Strategy<Value = Primitive> {
    let position = prop::array::uniform3(prop_oneof![
        -1.0..1.0_f32,
        any::<f32>().prop_filter("finite", |x| x.is_finite())
    ]);
    let direction = prop::array::uniform3(-1.0..1.0_f32);
    let vertices = prop::collection::vec((position, direction), 1..20);
    let triangles = prop::collection::vec(any::<[Index; 3]>(), 1..20);
    (0..9_usize, vertices, triangles).prop_map(|(material, vertices, triangles)| {
        let count = vertices.len();
        let (positions, directions): (Vec<_>, Vec<_>) = vertices.into_iter().unzip();
        let unit = |v: [f32; 3]| {
            Vec3::from_array(v)
                .try_normalize()
                .unwrap_or(Vec3::Z)
                .to_array()
        };
        Primitive {
            material: MaterialIndex(material),
            positions,
            normals: directions.into_iter().map(unit).collect(),
            indices: triangles
                .as_flattened()
                .iter()
                .map(|i| i.index(count) as u32)
                .collect(),
        }
    })
}

type MakeOccurrence = (Occurrence, Option<Index>, Option<Index>, Option<Index>);

fn occurrence() -> impl Strategy<Value = MakeOccurrence> {
    let names = (name(), name(), prop::option::of(name()));
    let layers = prop::collection::vec(name(), 0..2);
    let index = || prop::option::of(any::<Index>());
    (names, transform(), layers, index(), index(), index()).prop_map(
        |((name, product_id, designator), transform, layers, parent, part, material)| {
            let made = Occurrence {
                name,
                product_id,
                designator,
                transform,
                layers,
                ..plain_occurrence()
            };
            (made, parent, part, material)
        },
    )
}

fn plain_occurrence() -> Occurrence {
    Occurrence {
        parent: None,
        key: OccurrenceKey::new("/a"),
        name: "a".to_owned(),
        product_id: "a".to_owned(),
        designator: None,
        transform: DAffine3::IDENTITY,
        part: None,
        material: None,
        layers: Vec::new(),
    }
}

fn transform() -> impl Strategy<Value = DAffine3> {
    let angles = prop::array::uniform3(-4.0..4.0_f64);
    let translation = prop::array::uniform3(-10.0..10.0_f64);
    let scale = prop_oneof![Just(1.0), Just(-1.0), 0.5..2.0_f64];
    let moved = (angles, translation, scale).prop_map(|([a, b, c], translation, scale)| {
        DAffine3::from_scale_rotation_translation(
            DVec3::splat(scale),
            DQuat::from_euler(EulerRot::XYZ, a, b, c),
            DVec3::from_array(translation),
        )
    });
    prop_oneof![Just(DAffine3::IDENTITY), moved]
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        "[ab]{0,3}",
        "\\PC{0,8}",
        Just("Gehäuse \"零件\"\n\u{0}".to_owned())
    ]
}
