//! Environment variables that are keys of the configuration.

use std::{collections::HashMap, env};

/// What each variable of a key begins with.
pub(super) const PREFIX: &str = "CADMILL";

/// Variables with the same prefix that are no keys. One that ends in `_` is a prefix itself.
const OTHER_VARIABLES: [&str; 9] = [
    "CADMILL_BIN",
    "CADMILL_CI_TARGET",
    "CADMILL_CONFIG",
    "CADMILL_FAILPOINT",
    "CADMILL_LOG",
    "CADMILL_ORACLES",
    "CADMILL_TESSELLATOR",
    "CADMILL_TEST_",
    "CADMILL_URL",
];

/// The variables that are keys. An empty variable counts as not set.
pub(super) fn variables() -> HashMap<String, String> {
    env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .filter(|(name, value)| is_key(name) && !value.is_empty())
        .collect()
}

fn is_key(name: &str) -> bool {
    let is_other =
        |other: &&str| name == *other || (other.ends_with('_') && name.starts_with(*other));
    name.strip_prefix(PREFIX)
        .is_some_and(|key| key.starts_with('_'))
        && !OTHER_VARIABLES.iter().any(is_other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_variables_are_no_keys() {
        for key in ["CADMILL_SLOTS", "CADMILL_UNKNOWN"] {
            assert!(is_key(key), "{key}");
        }
        for other in [
            "CADMILL",
            "CADMILLS_X",
            "CADMILL_LOG",
            "CADMILL_TEST_REDIS_URL",
            "PATH",
        ] {
            assert!(!is_key(other), "{other}");
        }
    }
}
