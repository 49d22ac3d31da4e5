//! Names: every product of a STEP file is found again, letter by letter.

use std::{collections::BTreeSet, fs, path::Path};

use cadmill_domain::MediaKind;
use serde_json::Value;

use crate::{inputs::INPUTS, milled::MILLED, usd::REPORTS};

#[test]
fn every_product_name_is_in_the_glb() {
    for input in INPUTS.iter() {
        for kind in [MediaKind::GltfGeometry, MediaKind::WebGlb] {
            let names = glb_names(&MILLED.medium(input, kind));
            assert_has_all(&input.path, kind, &names);
        }
    }
}

#[test]
fn every_product_name_is_a_display_name_in_the_usd() {
    for (input, report) in REPORTS.iter() {
        assert_has_all(&input.path, MediaKind::UsdMaster, &report.display_names);
    }
}

#[test]
fn names_of_several_scripts_are_among_them() {
    let all: BTreeSet<String> = INPUTS
        .iter()
        .flat_map(|input| glb_names(&MILLED.medium(input, MediaKind::GltfGeometry)))
        .collect();
    assert!(all.contains("Gehäuse 零件"), "{all:?}");
}

/// Checks that `names` has those of all products of the file at `path`.
fn assert_has_all(path: &Path, kind: MediaKind, names: &BTreeSet<String>) {
    let step = cadmill_step::inspect_path(path).unwrap();
    assert!(!step.products.is_empty());
    let expected = INPUTS.iter().find(|input| input.path == path);
    let expected = expected.and_then(|input| input.expected.as_ref());
    let expected = expected.into_iter().flat_map(|expected| &expected.names);
    let products = step.products.iter().map(|product| &product.name);
    for name in products.chain(expected) {
        assert!(
            names.contains(name),
            "{}: {kind} lacks {name:?}: {names:?}",
            path.display()
        );
    }
}

/// The names of all nodes and meshes, read without code of ours.
fn glb_names(path: &Path) -> BTreeSet<String> {
    let glb = fs::read(path).unwrap();
    // A header of 12 bytes, then the JSON chunk: its length, its type and its bytes.
    let length = u32::from_le_bytes(glb[12..16].try_into().unwrap()) as usize;
    let json: Value = serde_json::from_slice(&glb[20..20 + length]).unwrap();
    ["nodes", "meshes"]
        .iter()
        .flat_map(|list| json[list].as_array().unwrap())
        .filter_map(|entry| Some(entry["name"].as_str()?.to_owned()))
        .collect()
}
