//! Small sample scenes for tests, which cover everything that real files contain.

mod solid;

use cadmill_domain::{ContentHash, Recipe};
use glam::{DAffine3, DQuat, DVec3};

pub use self::solid::Solid;
use crate::{
    Material, MaterialIndex, Occurrence, OccurrenceIndex, OccurrenceKey, Part, PartIndex, PartKey,
    PhysicalMaterial, Primitive, Provenance, Scene,
};

const STEEL: MaterialIndex = MaterialIndex(0);
const BLUE: MaterialIndex = MaterialIndex(1);
const BRASS: MaterialIndex = MaterialIndex(2);
const GLASS: MaterialIndex = MaterialIndex(3);
const RED: MaterialIndex = MaterialIndex(4);

/// A scene without occurrences, parts or materials.
#[must_use]
pub fn empty() -> Scene {
    Scene {
        provenance: Provenance {
            source_hash: ContentHash::of(b"sample"),
            recipe: Recipe::STANDARD.fingerprint(),
            converter: "Cadmill sample".to_owned(),
        },
        parts: Vec::new(),
        materials: Vec::new(),
        occurrences: Vec::new(),
    }
}

/// A cube with edges of 100 mm, in one orange material.
#[must_use]
pub fn cube() -> Scene {
    let mut scene = empty();
    scene
        .materials
        .push(material("Orange", [0.8, 0.3, 0.05, 1.0], 0.0));
    let cube = Solid::cuboid([0.1; 3]).primitive(MaterialIndex(0));
    let part = add_part(&mut scene, "cube", "Cube", vec![cube]);
    add(
        &mut scene,
        None,
        "cube",
        "Cube",
        DAffine3::IDENTITY,
        Some(part),
    );
    scene
}

/// A gearbox, 160 mm wide. It has nested assemblies, bolts that share a part, a mirrored bracket, a
/// gear occurrence with its own colour, a part in two colours with a non-ASCII name, a transparent
/// cover, a part without a mesh, and an unused material.
#[must_use]
pub fn gearbox_like() -> Scene {
    let mut scene = empty();
    scene.materials = vec![
        material("Steel", [0.45, 0.47, 0.5, 1.0], 0.9),
        material("Blue", [0.03, 0.13, 0.4, 1.0], 0.0),
        material("Brass", [0.7, 0.45, 0.12, 1.0], 0.8),
        material("Glass", [0.5, 0.75, 0.8, 0.35], 0.0),
        material("Red", [0.6, 0.03, 0.02, 1.0], 0.0),
        material("Unused", [0.0, 1.0, 0.0, 1.0], 0.0),
    ];
    let parts = Parts::add_to(&mut scene);
    let root = add(
        &mut scene,
        None,
        "gearbox",
        "Gearbox",
        DAffine3::IDENTITY,
        None,
    );
    let mut place = |designator, name, transform, part| {
        add(
            &mut scene,
            Some(root),
            designator,
            name,
            transform,
            Some(part),
        );
    };
    place("housing", "Gehäuse 零件", DAffine3::IDENTITY, parts.housing);
    place("cover", "Cover", at(0.0, 0.0, 0.05), parts.cover);
    place("bracket:1", "Bracket", at(0.08, 0.0, 0.0), parts.bracket);
    let mirrored = at(-0.08, 0.0, 0.0) * DAffine3::from_scale(DVec3::new(-1.0, 1.0, 1.0));
    place("bracket:2", "Bracket", mirrored, parts.bracket);
    place("seal", "Seal", DAffine3::IDENTITY, parts.seal);
    add_gear_train(&mut scene, root, "drive", at(-0.035, 0.0, 0.012), &parts);
    let turned = at(0.03, 0.0, 0.012) * DAffine3::from_quat(DQuat::from_rotation_z(0.13));
    let gear = add_gear_train(&mut scene, root, "output", turned, &parts);
    scene.occurrences[gear.0].material = Some(RED);
    add_bolts(&mut scene, root, &parts);
    scene
}

fn add_gear_train(
    scene: &mut Scene,
    root: OccurrenceIndex,
    designator: &str,
    axis: DAffine3,
    parts: &Parts,
) -> OccurrenceIndex {
    let train = add(scene, Some(root), designator, "Gear train", axis, None);
    let train = Some(train);
    add(
        scene,
        train,
        "shaft",
        "Shaft",
        DAffine3::IDENTITY,
        Some(parts.shaft),
    );
    add(
        scene,
        train,
        "gear",
        "Gear",
        at(0.0, 0.0, 0.01),
        Some(parts.gear),
    )
}

fn add_bolts(scene: &mut Scene, root: OccurrenceIndex, parts: &Parts) {
    let group = add(
        scene,
        Some(root),
        "bolts",
        "Bolts",
        at(0.0, 0.0, 0.006),
        None,
    );
    for index in 0..12 {
        let (column, row) = (f64::from(index % 6), f64::from(index / 6));
        let place = at(-0.07 + 0.028 * column, -0.044 + 0.088 * row, 0.0);
        let designator = format!("bolt:{}", index + 1);
        let bolt = add(
            scene,
            Some(group),
            &designator,
            "Bolt M6",
            place,
            Some(parts.bolt),
        );
        scene.occurrences[bolt.0].layers = vec!["Fasteners".to_owned()];
    }
}

fn at(x: f64, y: f64, z: f64) -> DAffine3 {
    DAffine3::from_translation(DVec3::new(x, y, z))
}

struct Parts {
    housing: PartIndex,
    cover: PartIndex,
    shaft: PartIndex,
    gear: PartIndex,
    bolt: PartIndex,
    bracket: PartIndex,
    seal: PartIndex,
}

impl Parts {
    fn add_to(scene: &mut Scene) -> Self {
        let flange = Solid::cuboid([0.16, 0.1, 0.006]).moved([0.0, 0.0, 0.003]);
        let mut tub = Solid::cuboid([0.14, 0.006, 0.044]).moved([0.0, -0.037, 0.028]);
        tub.extend(&Solid::cuboid([0.14, 0.006, 0.044]).moved([0.0, 0.037, 0.028]));
        tub.extend(&Solid::cuboid([0.006, 0.068, 0.044]).moved([-0.067, 0.0, 0.028]));
        tub.extend(&Solid::cuboid([0.006, 0.068, 0.044]).moved([0.067, 0.0, 0.028]));
        let mut bolt = Solid::cylinder(0.003, 0.012, 24).moved([0.0, 0.0, -0.006]);
        bolt.extend(&Solid::prism(&circle(0.0055, 6), [0.0; 2], 0.004).moved([0.0, 0.0, 0.006]));
        let l = [
            [0.0, 0.0],
            [0.03, 0.0],
            [0.03, 0.005],
            [0.005, 0.005],
            [0.005, 0.04],
            [0.0, 0.04],
        ];
        let bracket = Solid::prism(&l, [0.002, 0.002], 0.03)
            .turned_up()
            .moved([0.0, 0.015, 0.0]);

        let cover = Solid::cuboid([0.14, 0.08, 0.004]).moved([0.0, 0.0, 0.002]);
        let gear = Solid::prism(&gear_profile(24, 0.03), [0.0; 2], 0.012);
        let housing = vec![tub.primitive(BLUE), flange.primitive(STEEL)];
        let shaft = vec![Solid::cylinder(0.006, 0.06, 48).primitive(STEEL)];
        let parts = Self {
            housing: add_part(scene, "housing", "Gehäuse 零件", housing),
            cover: add_part(scene, "cover", "Cover", vec![cover.primitive(GLASS)]),
            shaft: add_part(scene, "shaft", "Shaft", shaft),
            gear: add_part(scene, "gear", "Gear", vec![gear.primitive(BRASS)]),
            bolt: add_part(scene, "bolt-m6", "Bolt M6", vec![bolt.primitive(STEEL)]),
            bracket: add_part(scene, "bracket", "Bracket", vec![bracket.primitive(BLUE)]),
            seal: add_part(scene, "seal", "Seal", Vec::new()),
        };
        scene.parts[parts.bolt.0].physical = Some(PhysicalMaterial {
            name: "Steel".to_owned(),
            density_kg_m3: Some(7850.0),
        });
        scene.parts[parts.cover.0].layers = vec!["Covers".to_owned(), "透明".to_owned()];
        parts
    }
}

fn material(name: &str, base_color: [f32; 4], metallic: f32) -> Material {
    Material {
        name: name.to_owned(),
        base_color,
        metallic,
        roughness: 0.45,
    }
}

fn add_part(scene: &mut Scene, key: &str, name: &str, primitives: Vec<Primitive>) -> PartIndex {
    scene.parts.push(Part {
        key: PartKey::new(key),
        name: name.to_owned(),
        physical: None,
        layers: Vec::new(),
        primitives,
    });
    PartIndex(scene.parts.len() - 1)
}

fn add(
    scene: &mut Scene,
    parent: Option<OccurrenceIndex>,
    designator: &str,
    name: &str,
    transform: DAffine3,
    part: Option<PartIndex>,
) -> OccurrenceIndex {
    let above = parent.map_or("", |parent| scene.occurrences[parent.0].key.as_str());
    let key = OccurrenceKey::new(format!("{above}/{designator}"));
    scene.occurrences.push(Occurrence {
        parent,
        key,
        name: name.to_owned(),
        product_id: name.to_lowercase().replace(' ', "-"),
        designator: parent.map(|_| designator.to_owned()),
        transform,
        part,
        material: None,
        layers: Vec::new(),
    });
    OccurrenceIndex(scene.occurrences.len() - 1)
}

fn circle(radius: f32, corners: u16) -> Vec<[f32; 2]> {
    (0..corners)
        .map(|corner| {
            let (sin, cos) =
                (std::f32::consts::TAU * f32::from(corner) / f32::from(corners)).sin_cos();
            [radius * cos, radius * sin]
        })
        .collect()
}

fn gear_profile(teeth: u16, radius: f32) -> Vec<[f32; 2]> {
    let mut profile = circle(radius, teeth * 4);
    for (index, [x, y]) in profile.iter_mut().enumerate() {
        if index % 4 >= 2 {
            (*x, *y) = (*x * 0.88, *y * 0.88);
        }
    }
    profile
}
