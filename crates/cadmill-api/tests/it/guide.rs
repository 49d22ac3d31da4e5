//! The table of routes in the guide, held to the OpenAPI document.

use std::{collections::BTreeMap, fs, path::Path};

/// The operations of the document, as the guide names them, with their roles.
fn operations() -> BTreeMap<String, String> {
    let document = serde_json::to_value(cadmill_api::openapi()).unwrap();
    let mut operations = BTreeMap::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let role = operation["security"][0]["token"][0].as_str();
            let name = format!("{} {path}", method.to_uppercase());
            operations.insert(name, role.unwrap_or("none").to_owned());
        }
    }
    operations
}

/// The rows of the guide's table: what is named in code, and the role.
fn rows(guide: &str) -> Vec<(Vec<&str>, &str)> {
    let (_, table) = guide
        .split_once("| route | what it does | role |\n")
        .unwrap();
    let (table, _) = table.split_once("\n\n").unwrap();
    let cells = table.lines().skip(1).map(|row| row.split(" | "));
    let rows = cells.map(|mut cells| {
        let routes = cells.next().unwrap().split('`').skip(1).step_by(2);
        let role = cells.last().unwrap().trim_end_matches(" |");
        (routes.collect(), role)
    });
    rows.collect()
}

#[test]
fn every_route_is_in_the_guide_with_its_role() {
    let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/api.md");
    let guide = fs::read_to_string(guide).unwrap();
    let mut left = operations();
    for (routes, role) in rows(&guide) {
        for route in routes {
            // A path alone stands for all that is below it.
            let is_meant = |name: &str| {
                let (_, path) = name.split_once(' ').unwrap();
                name == route || path.starts_with(route)
            };
            let meant: Vec<_> = left.extract_if(.., |name, _| is_meant(name)).collect();
            assert!(!meant.is_empty(), "there is no `{route}`");
            for (name, needed) in meant {
                assert_eq!(needed, role, "{name}");
            }
        }
    }
    assert_eq!(left, BTreeMap::new(), "the guide does not name these");
}
