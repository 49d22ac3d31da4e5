//! Which crate may depend on which: the arrows of the architecture.

use std::{collections::BTreeMap, fmt};

use cargo_metadata::{DependencyKind, Metadata};

/// Each crate of ours, and the crates of ours that it may depend on. A new crate is entered here.
const ALLOWED: &[(&str, &[&str])] = &[
    ("cadmill-domain", &[]),
    ("cadmill-lock", &[]),
    ("cadmill-migrations", &[]),
    ("cadmill-servers", &[]),
    ("cadmill-store", &["cadmill-domain", "cadmill-migrations"]),
    ("cadmill-step", &["cadmill-domain"]),
    ("cadmill-scene", &["cadmill-domain"]),
    ("cadmill-usd", &["cadmill-domain", "cadmill-scene"]),
    ("cadmill-occt", &["cadmill-domain", "cadmill-scene"]),
    (
        "cadmill-pipeline",
        &[
            "cadmill-domain",
            "cadmill-lock",
            "cadmill-step",
            "cadmill-scene",
            "cadmill-usd",
        ],
    ),
    (
        "cadmill-api",
        &["cadmill-domain", "cadmill-lock", "cadmill-scene"],
    ),
    (
        "cadmill",
        &[
            "cadmill-domain",
            "cadmill-lock",
            "cadmill-migrations",
            "cadmill-store",
            "cadmill-step",
            "cadmill-scene",
            "cadmill-usd",
            "cadmill-pipeline",
            "cadmill-api",
        ],
    ),
    ("cadmill-acceptance", &[]),
    ("xtask", &["cadmill-servers"]),
];

/// Libraries from elsewhere that only these crates may depend on, in tests too.
const KEPT_INSIDE: &[(&str, &[&str])] = &[
    ("sea-orm", &["cadmill-store", "cadmill-migrations"]),
    ("sqlx", &["cadmill-store", "cadmill-migrations"]),
    ("fred", &["cadmill-lock"]),
    ("axum", &["cadmill-api", "cadmill-dashboard", "cadmill"]),
    ("cxx", &["cadmill-occt"]),
    ("opentelemetry", &["cadmill"]),
    ("opentelemetry-http", &["cadmill"]),
    ("opentelemetry-otlp", &["cadmill"]),
    ("opentelemetry_sdk", &["cadmill"]),
    ("tracing-opentelemetry", &["cadmill"]),
];

/// A dependency that the architecture forbids.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ForbiddenArrow {
    from: String,
    to: String,
}

impl fmt::Display for ForbiddenArrow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} must not depend on {}", self.from, self.to)
    }
}

/// The arrows of `metadata` that are forbidden.
pub(crate) fn forbidden(metadata: &Metadata) -> Vec<ForbiddenArrow> {
    let allowed: BTreeMap<&str, &[&str]> = ALLOWED.iter().copied().collect();
    let kept_inside: BTreeMap<&str, &[&str]> = KEPT_INSIDE.iter().copied().collect();
    let members = metadata.workspace_packages();
    let mut found = Vec::new();
    for package in &members {
        for dependency in &package.dependencies {
            let from = package.name.as_str();
            let to = dependency.name.as_str();
            let is_ours = dependency.path.is_some();
            // What a test uses does not reach those who depend on the crate.
            let is_allowed = if is_ours {
                dependency.kind == DependencyKind::Development
                    || allowed
                        .get(from)
                        .is_some_and(|targets| targets.contains(&to))
            } else {
                kept_inside
                    .get(to)
                    .is_none_or(|homes| homes.contains(&from))
            };
            if !is_allowed {
                let (from, to) = (from.to_owned(), to.to_owned());
                found.push(ForbiddenArrow { from, to });
            }
        }
    }
    found.sort();
    found.dedup();
    found
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{process::cargo, workspace::Workspace};

    #[test]
    fn the_workspace_has_no_forbidden_arrow() {
        let workspace = Workspace::find().unwrap();
        assert_eq!(forbidden(&workspace.metadata), []);
    }

    /// What another service links that uses only this crate, with all its features.
    #[track_caller]
    fn check_is_light(package: &str, heavy: &[&str]) {
        let workspace = Workspace::find().unwrap();
        let arguments = [
            "tree",
            "--prefix",
            "none",
            "--edges",
            "normal",
            "--all-features",
            "-p",
        ];
        let tree = cargo(&workspace).args(arguments).arg(package).output();
        let tree = tree.unwrap();
        assert!(tree.status.success(), "{tree:?}");
        let tree = String::from_utf8(tree.stdout).unwrap();
        for line in tree.lines() {
            let name = line.split(' ').next().unwrap();
            let is_heavy = heavy.iter().any(|heavy| name.starts_with(heavy));
            assert!(!is_heavy, "{package} links {name}");
        }
        assert!(tree.contains("async-trait"), "{tree}");
    }

    #[test]
    fn the_lock_can_be_linked_alone() {
        check_is_light(
            "cadmill-lock",
            &["sea-", "sqlx", "axum", "cadmill-d", "cadmill-s"],
        );
    }

    #[test]
    fn the_domain_depends_on_no_runtime_and_no_driver() {
        check_is_light(
            "cadmill-domain",
            &["tokio", "sea-", "sqlx", "fred", "axum", "object_store"],
        );
    }

    #[test]
    fn every_crate_of_the_workspace_is_entered() {
        let workspace = Workspace::find().unwrap();
        for package in workspace.metadata.workspace_packages() {
            let name = package.name.as_str();
            assert!(ALLOWED.iter().any(|(entry, _)| *entry == name), "{name}");
        }
    }

    #[test]
    fn forbidden_arrows_are_found() {
        let found = |from: &str, to: &str, path: Option<&str>, kind: Option<&str>| {
            !forbidden(&metadata(from, to, path, kind)).is_empty()
        };
        let ours = Some("/crates/to");
        assert!(found("cadmill-domain", "cadmill-scene", ours, None));
        assert!(found("cadmill-pipeline", "cadmill-store", ours, None));
        assert!(found("cadmill-pipeline", "cadmill-occt", ours, None));
        assert!(found("cadmill-api", "cadmill-pipeline", ours, None));
        assert!(found("cadmill-api", "cadmill-store", ours, Some("build")));
        assert!(found("cadmill-pipeline", "fred", None, None));
        assert!(found("cadmill-api", "tracing-opentelemetry", None, None));
        assert!(found("cadmill-domain", "sea-orm", None, Some("dev")));
        assert!(!found("cadmill-usd", "cadmill-scene", ours, None));
        assert!(!found("cadmill-domain", "cadmill-scene", ours, Some("dev")));
        assert!(!found("cadmill-lock", "fred", None, None));
    }

    fn metadata(from: &str, to: &str, path: Option<&str>, kind: Option<&str>) -> Metadata {
        let id = format!("path+file:///crates/{from}#0.1.0");
        let dependency = json!({
            "name": to, "source": null, "req": "*", "kind": kind, "rename": null, "path": path,
            "optional": false, "uses_default_features": true, "features": [], "target": null,
        });
        let package = json!({
            "name": from, "version": "0.1.0", "id": id, "source": null, "targets": [],
            "dependencies": [dependency], "features": {}, "manifest_path": "/Cargo.toml",
        });
        let metadata = json!({
            "packages": [package], "workspace_members": [id], "resolve": null,
            "workspace_root": "/", "target_directory": "/target", "version": 1,
        });
        serde_json::from_value(metadata).unwrap()
    }
}
