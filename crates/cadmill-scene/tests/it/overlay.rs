//! The priority of material keys.

use cadmill_domain::{MaterialKey, MaterialMaps};
use cadmill_scene::{OccurrenceIndex, Overlay, PartIndex, Scene, glb, sample};

/// Returns the names of the materials of the occurrence with this key, in the order of the
/// primitives of its part.
fn materials_of<'a>(scene: &'a Scene, overlay: &'a Overlay, key: &str) -> Vec<&'a str> {
    let index = scene.occurrences.iter().position(|o| o.key.as_str() == key);
    let index = OccurrenceIndex(index.unwrap());
    let part = scene.occurrences[index.0].part.unwrap();
    (0..scene.parts[part.0].primitives.len())
        .map(|primitive| {
            let own = overlay.occurrence_material(scene, index);
            let material =
                own.unwrap_or_else(|| overlay.primitive_material(scene, part, primitive));
            overlay.material(scene, material).name.as_str()
        })
        .collect()
}

/// Maps of `key → colour`. Materials without a name are named after their colour.
fn maps(part_materials: &[(&str, &str)], manual_overrides: &[(&str, &str)]) -> MaterialMaps {
    let map = |entries: &[(&str, &str)]| -> serde_json::Map<_, _> {
        entries
            .iter()
            .map(|(key, color)| ((*key).to_owned(), serde_json::json!({ "color": color })))
            .collect()
    };
    serde_json::from_value(serde_json::json!({
        "part_materials": map(part_materials),
        "manual_overrides": map(manual_overrides),
    }))
    .unwrap()
}

const RED: &str = "#ff0000";
const LIME: &str = "#00ff00";
const GOLD: &str = "#ffd700";

#[track_caller]
fn check(
    part_materials: &[(&str, &str)],
    manual_overrides: &[(&str, &str)],
    expected: &[(&str, &[&str])],
) {
    let scene = sample::gearbox_like();
    let maps = maps(part_materials, manual_overrides);
    let overlay = Overlay::resolve(&scene, &maps);
    for (key, materials) in expected {
        assert_eq!(&materials_of(&scene, &overlay, key), materials, "{key}");
    }
    assert_eq!(overlay.unmatched, []);
    let canonical = glb::write(&scene, &Overlay::none(&scene)).unwrap();
    let overlaid = glb::overlay(&canonical, &maps).unwrap();
    assert!(
        overlaid.glb == glb::write(&scene, &overlay).unwrap(),
        "rewriting the JSON chunk differs from writing the scene"
    );
}

const DRIVE_GEAR: &str = "/gearbox/drive/gear";
const OUTPUT_GEAR: &str = "/gearbox/output/gear";
const DRIVE_SHAFT: &str = "/gearbox/drive/shaft";
const BOLT_1: &str = "/gearbox/bolts/bolt:1";
const BOLT_2: &str = "/gearbox/bolts/bolt:2";

#[test]
fn without_maps_the_file_determines_the_colours() {
    check(
        &[],
        &[],
        &[
            ("/gearbox/housing", &["Blue", "Steel"]),
            (DRIVE_GEAR, &["Brass"]),
            (OUTPUT_GEAR, &["Red"]),
        ],
    );
}

#[test]
fn manual_overrides_precede_part_materials_and_colours_of_the_file() {
    check(
        &[("gear", RED)],
        &[],
        &[(DRIVE_GEAR, &[RED]), (DRIVE_SHAFT, &["Steel"])],
    );
    check(
        &[("gear", RED)],
        &[("gear", LIME)],
        &[(DRIVE_GEAR, &[LIME])],
    );
    check(&[("gear", RED)], &[("*", LIME)], &[(DRIVE_GEAR, &[LIME])]);
    check(
        &[(BOLT_1, RED)],
        &[("bolt-m6", LIME)],
        &[(BOLT_1, &[LIME]), (BOLT_2, &[LIME])],
    );
    check(
        &[("bolt-m6", RED)],
        &[(BOLT_1, LIME)],
        &[(BOLT_1, &[LIME]), (BOLT_2, &[RED])],
    );
}

#[test]
fn a_part_key_precedes_the_occurrence_colour_of_the_file() {
    check(
        &[("gear", LIME)],
        &[],
        &[(DRIVE_GEAR, &[LIME]), (OUTPUT_GEAR, &[LIME])],
    );
}

#[test]
fn an_assembly_key_yields_only_to_equally_specific_keys() {
    // `*` also matches `/`, so the first glob matches every occurrence below the gearbox.
    let drive = "/gearbox/drive";
    let everything = "/gearbox/*";
    check(
        &[],
        &[(everything, RED), (drive, LIME)],
        &[(DRIVE_GEAR, &[LIME]), (BOLT_1, &[RED])],
    );
    check(
        &[],
        &[(everything, RED), ("/gearbox/dri*e", LIME)],
        &[(DRIVE_GEAR, &[LIME]), (BOLT_1, &[RED])],
    );
    check(
        &[],
        &[(drive, LIME), (DRIVE_GEAR, GOLD), ("/gearbox/drive/*", RED)],
        &[(DRIVE_GEAR, &[GOLD]), (DRIVE_SHAFT, &[LIME])],
    );
}

#[test]
fn a_part_is_matched_by_its_key_its_name_or_a_glob() {
    check(&[("bolt-m6", RED)], &[], &[(BOLT_1, &[RED])]);
    check(&[("Bolt M6", RED)], &[], &[(BOLT_1, &[RED])]);
    check(&[("bolt-m?", RED)], &[], &[(BOLT_1, &[RED])]);
    check(
        &[("Gehäuse*", RED)],
        &[],
        &[("/gearbox/housing", &[RED, RED])],
    );
    check(
        &[("bolt-m6", RED), ("Bolt M6", LIME)],
        &[],
        &[(BOLT_1, &[RED])],
    );
}

#[test]
fn the_most_specific_key_has_priority() {
    check(
        &[("bolt-m6", RED), ("*", LIME)],
        &[],
        &[(BOLT_1, &[RED]), (DRIVE_GEAR, &[LIME])],
    );
    check(
        &[("bolt*", RED), ("b*", LIME)],
        &[],
        &[(BOLT_1, &[RED]), ("/gearbox/bracket:1", &[LIME])],
    );
    check(
        &[(BOLT_1, RED), ("/gearbox/bolts/*", LIME)],
        &[],
        &[(BOLT_1, &[RED]), (BOLT_2, &[LIME])],
    );
}

#[test]
fn an_occurrence_key_precedes_a_part_key_unless_only_the_latter_is_exact() {
    check(
        &[("bolt-m6", RED), (BOLT_1, LIME)],
        &[],
        &[(BOLT_1, &[LIME]), (BOLT_2, &[RED])],
    );
    check(
        &[("bolt*", RED), ("/*:1", LIME)],
        &[],
        &[(BOLT_1, &[LIME]), (BOLT_2, &[RED])],
    );
    check(
        &[("bolt-m6", RED), ("/gearbox/*", LIME)],
        &[],
        &[
            (BOLT_1, &[RED]),
            (DRIVE_GEAR, &[LIME]),
            (OUTPUT_GEAR, &[LIME]),
        ],
    );
}

#[test]
fn an_occurrence_key_applies_to_descendants_up_to_the_next_key() {
    check(
        &[("/gearbox/drive", RED), (DRIVE_SHAFT, GOLD)],
        &[],
        &[
            (DRIVE_GEAR, &[RED]),
            (DRIVE_SHAFT, &[GOLD]),
            (OUTPUT_GEAR, &["Red"]),
        ],
    );
}

#[test]
fn unmatched_keys_are_sorted_and_unique() {
    let scene = sample::gearbox_like();
    let maps = maps(
        &[("nut", RED), ("gear", RED), ("bolt", RED)],
        &[
            ("nut", RED),
            ("/gearbox/lid", RED),
            ("gea", RED),
            ("/gear", RED),
            ("z*", RED),
        ],
    );
    let unmatched = Overlay::resolve(&scene, &maps).unmatched;
    let unmatched: Vec<_> = unmatched.iter().map(MaterialKey::as_str).collect();
    assert_eq!(
        unmatched,
        ["/gear", "/gearbox/lid", "bolt", "gea", "nut", "z*"]
    );
}

#[test]
fn an_occurrence_with_the_material_of_its_part_has_no_entry() {
    let scene = sample::gearbox_like();
    let maps = maps(
        &[],
        &[("bolt-m6", RED), ("/gearbox/bolts", RED), (BOLT_1, LIME)],
    );
    let overlay = Overlay::resolve(&scene, &maps);
    let own = overlay.occurrences.iter().filter(|own| own.is_some());
    assert_eq!(own.count(), 1);
    assert_eq!(overlay.materials.len(), 2);
}

#[test]
fn an_overlay_of_another_scene_is_refused() {
    let scene = sample::gearbox_like();
    let foreign = Overlay::none(&sample::cube());
    assert!(glb::write(&scene, &foreign).is_err());
    let mut beyond = Overlay::none(&scene);
    beyond.parts[PartIndex(0).0] = Some(cadmill_scene::MaterialIndex(99));
    assert!(glb::write(&scene, &beyond).is_err());
}
