//! Prim names out of names that people gave.

use std::collections::{HashMap, HashSet};

/// Longer names are cut; the whole name is kept as `displayName`.
const LONGEST: usize = 64;

/// The identifier that is closest to `text`: runs of what is no ASCII letter or digit become one
/// `_`. Text without any becomes `fallback`, which must be an identifier.
pub(super) fn identifier(text: &str, fallback: &str) -> String {
    let mut name = String::new();
    for c in text.chars() {
        if c.is_ascii_alphanumeric() {
            name.push(c);
        } else if !name.is_empty() && !name.ends_with('_') {
            name.push('_');
        }
        if name.len() == LONGEST {
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

/// The names that are taken below one prim.
#[derive(Debug, Clone, Default)]
pub(super) struct Names {
    taken: HashSet<String>,
    /// Where to go on counting for each name that was asked for.
    next: HashMap<String, usize>,
}

impl Names {
    /// Below this prim, `reserved` are taken already.
    pub(super) fn with_reserved(reserved: &[&str]) -> Self {
        Self {
            taken: reserved.iter().map(|&name| name.to_owned()).collect(),
            next: HashMap::new(),
        }
    }

    /// A name that is like `text` and was not given before: the second `Bolt` is `Bolt_2`.
    pub(super) fn unique(&mut self, text: &str, fallback: &str) -> String {
        let wanted = identifier(text, fallback);
        if self.taken.insert(wanted.clone()) {
            return wanted;
        }
        let number = self.next.entry(wanted.clone()).or_insert(2);
        loop {
            let name = format!("{wanted}_{number}");
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
    fn identifiers_stay_close_to_the_name() {
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
        assert_eq!(identifier(&"x".repeat(1 << 20), "Part").len(), LONGEST);
    }

    #[test]
    fn equal_names_are_numbered_around_those_that_look_numbered() {
        let mut names = Names::with_reserved(&["Prototypes"]);
        let given = ["Bolt", "Bolt_2", "Bolt", "Bolt", "Prototypes"].map(|n| names.unique(n, "P"));
        assert_eq!(
            given,
            ["Bolt", "Bolt_2", "Bolt_3", "Bolt_4", "Prototypes_2"]
        );
    }

    proptest! {
        #[test]
        fn names_are_sound_unique_and_always_the_same(
            texts in prop::collection::vec("[aB_ 2ä\\PC]{0,3}", 0..60),
        ) {
            let give = || {
                let mut names = Names::default();
                texts.iter().map(|text| names.unique(text, "Part")).collect::<Vec<_>>()
            };
            let given = give();
            prop_assert!(given.iter().all(|name| is_identifier(name)));
            prop_assert_eq!(given.iter().collect::<HashSet<_>>().len(), texts.len());
            prop_assert_eq!(give(), given);
        }
    }
}
