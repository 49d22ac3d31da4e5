//! Files of real CAD systems, if they are present.

use std::{fs, path::Path};

use cadmill_domain::ContentHash;
use cadmill_step::inspect;
use serde_json::Value;

/// The files with their names, sorted by name; empty if the folder does not exist.
pub(crate) fn all() -> Vec<(String, Vec<u8>)> {
    let Ok(entries) = fs::read_dir(folder()) else {
        return Vec::new();
    };
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let mut files: Vec<_> = paths
        .filter(|path| {
            let extension = path.extension().unwrap_or_default().to_ascii_lowercase();
            extension == "step" || extension == "stp"
        })
        .map(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            (name.into_owned(), fs::read(&path).unwrap())
        })
        .collect();
    files.sort();
    files
}

fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/step")
}

#[test]
fn names_and_counts_match_the_kernel() {
    let Ok(expected) = fs::read(folder().join("expected.json")) else {
        return;
    };
    let expected: Value = serde_json::from_slice(&expected).unwrap();
    for (file, bytes) in all() {
        let summary = inspect(bytes.as_slice()).unwrap();
        let expected = &expected[&file];
        assert_eq!(summary.bytes, expected["bytes"], "{file}");
        assert_eq!(summary.hash, ContentHash::of(&bytes), "{file}");
        assert_eq!(summary.warnings, [""; 0], "{file}");
        let names: Vec<_> = summary
            .products
            .iter()
            .map(|product| &product.name)
            .collect();
        let mut bodies = false;
        for name in expected["names"].as_array().unwrap() {
            // These are names of the bodies of a product with several bodies.
            if name == "SOLID" || name == "SHELL" {
                bodies = true;
            } else {
                assert!(names.iter().any(|known| name == *known), "{file}: {name}");
            }
        }
        if !bodies {
            assert_eq!(summary.counts.parts, expected["parts"], "{file}");
            assert_eq!(
                summary.counts.part_occurrences, expected["occurrences"],
                "{file}"
            );
        }
    }
}

/// The expected counts are those of the records in the text that begin with the keyword.
#[test]
fn counts_match_the_records_in_the_text() {
    for (file, bytes) in all() {
        let text = String::from_utf8_lossy(&bytes);
        let records = || text.split(';').filter_map(|record| record.split_once('='));
        let keyed = |keyword: &str| {
            let bare = records().map(|(_, body)| body.trim_start());
            let starts = bare.filter_map(|body| body.strip_prefix(keyword));
            starts
                .filter(|rest| rest.trim_start().starts_with('('))
                .count() as u64
        };
        let summary = inspect(bytes.as_slice()).unwrap();
        assert_eq!(summary.geometry.faces, keyed("ADVANCED_FACE"), "{file}");
        assert_eq!(
            summary.geometry.solids,
            keyed("MANIFOLD_SOLID_BREP"),
            "{file}"
        );
        let shells = keyed("CLOSED_SHELL") + keyed("OPEN_SHELL");
        assert_eq!(summary.geometry.shells, shells, "{file}");
        let usages = keyed("NEXT_ASSEMBLY_USAGE_OCCURRENCE");
        assert_eq!(summary.occurrences.len() as u64, usages, "{file}");
        assert_eq!(summary.products.len() as u64, keyed("PRODUCT"), "{file}");
        let named = records().filter(|(name, _)| name.trim_start().starts_with('#'));
        assert_eq!(summary.instances, named.count() as u64, "{file}");
    }
}
