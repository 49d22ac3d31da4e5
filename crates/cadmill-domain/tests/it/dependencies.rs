//! What this crate pulls in: no runtime, no driver, no web server.

use std::process::Command;

#[test]
fn the_domain_brings_neither_runtime_nor_driver() {
    let tree = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--offline",
            "--package",
            "cadmill-domain",
            "--edges",
            "normal",
        ])
        .args(["--all-features", "--prefix", "none", "--format", "{p}"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&tree.stderr);
    assert!(tree.status.success(), "{told}");
    let tree = String::from_utf8(tree.stdout).unwrap();
    let names: Vec<_> = tree
        .lines()
        .filter_map(|line| line.split(' ').next())
        .collect();
    assert!(names.contains(&"serde"), "the tree is read: {tree}");
    for forbidden in [
        "tokio",
        "sqlx",
        "sea-orm",
        "object_store",
        "fred",
        "axum",
        "hyper",
    ] {
        assert!(!names.contains(&forbidden), "{forbidden} in {tree}");
    }
}
