//! Materials: a change of one needs no kernel, and every client shows it.

use std::{
    fs,
    path::{Path, PathBuf},
};

use cadmill_domain::MediaKind;
use cadmill_scene::{OccurrenceKey, PartIndex, Scene};
use serde_json::{Value, json};

use crate::{
    inputs::{INPUTS, Input},
    milled::{MILLED, fresh_folder, medium},
    oracles::{assert_valid_gltf, blender_report, nvidia_verdict, usd_report},
    program::Convert,
};

/// Not a colour that any input has.
const COLOR: &str = "#12ab34";
/// The same in linear light, computed from IEC 61966-2-1 by hand.
const LINEAR: [f64; 3] = [0.006_048_8, 0.407_240_2, 0.034_339_8];
/// Not a name that any input has.
const NAME: &str = "Signal green";
const KINDS: [MediaKind; 2] = [MediaKind::GltfGeometry, MediaKind::UsdMaster];

#[test]
fn a_material_of_a_part_needs_no_kernel() {
    let input = instanced().0;
    let part = MILLED.scene(input).parts[0].key.as_str().to_owned();
    let recolored = Recolored::new("part-material", input, &part);
    for kind in KINDS {
        assert!(
            recolored.before(kind) != recolored.after(kind),
            "{kind} is as before"
        );
    }
    assert_valid_gltf(&[recolored.medium(MediaKind::GltfGeometry)]);
}

#[test]
fn taking_a_material_back_restores_every_byte() {
    let input = instanced().0;
    let recolored = Recolored::new("taken-back", input, "*");
    let failing = Path::new("/bin/false");
    let convert = Convert::new(&[&input.path], &recolored.folder).tessellator(failing);
    convert.run().succeeded();
    for kind in MediaKind::ALL {
        let milled = fs::read(MILLED.medium(input, kind)).unwrap();
        assert!(milled == recolored.after(kind), "{kind} is another");
    }
}

#[test]
fn an_override_of_one_occurrence_shows_in_the_glb_alone_there() {
    let (input, key) = instanced();
    let recolored = Recolored::new("occurrence-glb", input, key.as_str());
    let glb = recolored.after(MediaKind::GltfGeometry);
    let colored = nodes_with_color(&glb);
    assert_eq!(colored, [key.as_str()]);
    assert_valid_gltf(&[recolored.medium(MediaKind::GltfGeometry)]);
}

#[test]
fn an_override_of_one_occurrence_shows_in_usd_core_and_stays_an_instance() {
    let (input, key) = instanced();
    let recolored = Recolored::new("occurrence-usd", input, key.as_str());
    let report = usd_report(&recolored.medium(MediaKind::UsdMaster));
    let none: [String; 0] = [];
    assert_eq!(
        (
            &report.composition_errors[..],
            &report.validation_errors[..]
        ),
        (&none[..], &none[..])
    );
    let has_name =
        |materials: &[Option<String>]| materials.iter().all(|name| name.as_deref() == Some(NAME));
    let colored: Vec<&str> = report
        .materials
        .iter()
        .filter(|(_, materials)| has_name(materials))
        .map(|(key, _)| key.as_str())
        .collect();
    assert_eq!(colored, [key.as_str()]);
    assert_is_color(report.colors[NAME]);
    let shown = MILLED
        .scene(input)
        .occurrences
        .into_iter()
        .filter(|o| o.part.is_some());
    assert_eq!(report.instances, shown.count());
}

#[test]
fn an_override_of_one_occurrence_shows_in_blender_and_stays_an_instance() {
    let (input, key) = instanced();
    let before = blender_report(&MILLED.medium(input, MediaKind::UsdMaster));
    let recolored = Recolored::new("occurrence-blender", input, key.as_str());
    let after = blender_report(&recolored.medium(MediaKind::UsdMaster));
    let of_color: Vec<_> = after
        .materials
        .iter()
        .filter(|(_, surface)| {
            surface
                .as_ref()
                .is_some_and(|surface| is_color(surface.color))
        })
        .map(|(name, _)| name)
        .collect();
    let [material] = of_color[..] else {
        panic!("not one material has the colour: {:?}", after.materials);
    };
    let colored = after.instances.values().filter(|instance| {
        instance
            .materials
            .iter()
            .all(|name| name.as_ref() == Some(material))
    });
    assert_eq!(colored.count(), 1, "{:?}", after.instances);
    assert_eq!(
        (after.instances.len(), after.shown),
        (before.instances.len(), before.shown)
    );
}

#[test]
fn nvidias_validator_accepts_an_override_of_one_occurrence() {
    let (input, key) = instanced();
    let recolored = Recolored::new("occurrence-nvidia", input, key.as_str());
    let verdict = nvidia_verdict(&recolored.medium(MediaKind::UsdMaster));
    let found = [verdict.failures, verdict.errors].concat();
    assert!(found.is_empty(), "{found:#?}");
}

fn assert_is_color(color: [f64; 4]) {
    assert!(is_color(color), "{color:?}");
}

/// Whether it is [`COLOR`], in linear light and opaque.
fn is_color(color: [f64; 4]) -> bool {
    let wanted = [LINEAR[0], LINEAR[1], LINEAR[2], 1.0];
    color.iter().zip(wanted).all(|(a, b)| (a - b).abs() < 1e-5)
}

/// An input with a part that is shown more than once, and the key of one of its occurrences.
fn instanced() -> (&'static Input, OccurrenceKey) {
    INPUTS
        .iter()
        .find_map(|input| Some((input, shown_again(&MILLED.scene(input))?)))
        .expect("an input has instances")
}

fn shown_again(scene: &Scene) -> Option<OccurrenceKey> {
    let shown: Vec<Option<PartIndex>> = scene.occurrences.iter().map(|o| o.part).collect();
    let again = |part| shown.iter().filter(|other| **other == part).count() > 1;
    let found = scene
        .occurrences
        .iter()
        .find(|o| o.part.is_some() && again(o.part));
    found.map(|occurrence| occurrence.key.clone())
}

/// Media that were made anew with one material more, while the kernel could not run.
struct Recolored {
    folder: PathBuf,
    input: &'static Input,
    before: PathBuf,
}

impl Recolored {
    fn new(name: &str, input: &'static Input, key: &str) -> Self {
        let base = fresh_folder(name);
        let folder = base.join("media");
        Convert::new(&[&input.path], &folder).run().succeeded();
        let before = base.join("before");
        fs::create_dir(&before).unwrap();
        for kind in MediaKind::ALL {
            fs::copy(medium(&folder, input, kind), medium(&before, input, kind)).unwrap();
        }
        let maps = base.join("materials.json");
        let map = json!({"manual_overrides": {key: {"color": COLOR, "name": NAME}}});
        fs::write(&maps, map.to_string()).unwrap();
        let convert = Convert::new(&[&input.path], &folder).materials(&maps);
        convert
            .tessellator(Path::new("/bin/false"))
            .run()
            .succeeded();
        Self {
            folder,
            input,
            before,
        }
    }

    fn medium(&self, kind: MediaKind) -> PathBuf {
        medium(&self.folder, self.input, kind)
    }

    fn before(&self, kind: MediaKind) -> Vec<u8> {
        fs::read(medium(&self.before, self.input, kind)).unwrap()
    }

    fn after(&self, kind: MediaKind) -> Vec<u8> {
        fs::read(self.medium(kind)).unwrap()
    }
}

/// The keys of the occurrences whose mesh has the colour, read without code of ours.
fn nodes_with_color(glb: &[u8]) -> Vec<String> {
    let length = u32::from_le_bytes(glb[12..16].try_into().unwrap()) as usize;
    let json: Value = serde_json::from_slice(&glb[20..20 + length]).unwrap();
    let has_color = |primitive: &Value| {
        let material = &json["materials"][primitive["material"].as_u64().unwrap() as usize];
        let factor = &material["pbrMetallicRoughness"]["baseColorFactor"];
        is_color([0, 1, 2, 3].map(|channel| factor[channel].as_f64().unwrap()))
    };
    json["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|node| {
            node["mesh"].as_u64().is_some_and(|mesh| {
                let primitives = json["meshes"][mesh as usize]["primitives"].as_array();
                primitives.unwrap().iter().all(has_color)
            })
        })
        .map(|node| {
            node["extras"]["cadmill"]["key"]
                .as_str()
                .unwrap()
                .to_owned()
        })
        .collect()
}
