//! Derives prim names from the names in the CAD file.

use std::collections::{HashMap, HashSet};

/// Longer names are truncated; `displayName` holds the full name.
const MAX_NAME_BYTES: usize = 64;

/// Returns an identifier similar to `text`: each run of characters other than ASCII letters and
/// digits becomes one `_`. If there are no such letters or digits, the result is `fallback`, which
/// must be an identifier.
pub(super) fn identifier(text: &str, fallback: &str) -> String {
    let mut name = String::new();
    for c in text.chars() {
        if c.is_ascii_alphanumeric() {
            name.push(c);
        } else if !name.is_empty() && !name.ends_with('_') {
            name.push('_');
        }
        if name.len() == MAX_NAME_BYTES {
            break;
        }
    }
    name.truncate(name.trim_end_matches('_').len());
    if name.is_empty() {
        return fallback.to_owned();
    }
    if name.starts_with(|c: char| c.is_ascii_digit()) {
        name.insert(0, '_');
    }
    name
}

/// The names in use below one prim.
#[derive(Debug, Clone, Default)]
pub(super) struct Names {
    taken: HashSet<String>,
    /// The next number to try for each identifier.
    next: HashMap<String, usize>,
}

impl Names {
    /// Creates a set in which `reserved` are in use.
    pub(super) fn with_reserved(reserved: &[&str]) -> Self {
        Self {
            taken: reserved.iter().map(|&name| name.to_owned()).collect(),
            next: HashMap::new(),
        }
    }

    /// Returns an unused name similar to `text`: the second `Bolt` becomes `Bolt_2`.
    pub(super) fn unique(&mut self, text: &str, fallback: &str) -> String {
        let identifier = identifier(text, fallback);
        if self.taken.insert(identifier.clone()) {
            return identifier;
        }
        let number = self.next.entry(identifier.clone()).or_insert(2);
        loop {
            let name = format!("{identifier}_{number}");
            *number += 1;
            if self.taken.insert(name.clone()) {
                return name;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::is_identifier;

    #[test]
    fn identifiers_are_similar_to_the_name() {
        for (text, expected) in [
            ("Bolt", "Bolt"),
            ("Gehäuse 零件", "Geh_use"),
            ("零件", "Part"),
            ("", "Part"),
            ("__", "Part"),
            ("2 x M6-30", "_2_x_M6_30"),
            ("l-bracket-assembly_1", "l_bracket_assembly_1"),
        ] {
            assert_eq!(identifier(text, "Part"), expected, "{text}");
        }
        assert_eq!(
            identifier(&"x".repeat(1 << 20), "Part").len(),
            MAX_NAME_BYTES
        );
    }

    #[test]
    fn numbered_names_do_not_collide_with_existing_ones() {
        let mut names = Names::with_reserved(&["Prototypes"]);
        let unique = ["Bolt", "Bolt_2", "Bolt", "Bolt", "Prototypes"].map(|n| names.unique(n, "P"));
        assert_eq!(
            unique,
            ["Bolt", "Bolt_2", "Bolt_3", "Bolt_4", "Prototypes_2"]
        );
    }

    proptest! {
        #[test]
        fn names_are_valid_unique_and_deterministic(
            texts in prop::collection::vec("[aB_ 2ä\\PC]{0,3}", 0..60),
        ) {
            let generate = || {
                let mut names = Names::default();
                texts.iter().map(|text| names.unique(text, "Part")).collect::<Vec<_>>()
            };
            let names = generate();
            prop_assert!(names.iter().all(|name| is_identifier(name)));
            prop_assert_eq!(names.iter().collect::<HashSet<_>>().len(), texts.len());
            prop_assert_eq!(generate(), names);
        }
    }
}
