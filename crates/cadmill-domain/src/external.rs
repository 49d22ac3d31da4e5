//! References of a STEP file to other files, which are never opened.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How many of the missing files get a warning of their own.
const MAX_SENTENCES: usize = 20;
/// How many products one sentence names.
const MAX_PRODUCTS: usize = 5;
/// How many characters of a name are shown. A name can be a megabyte long.
const MAX_SHOWN: usize = 80;

/// What a STEP file refers to outside of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExternalReferences {
    /// Whether any record names another file. The kernel then reads a copy without these names.
    pub present: bool,
    /// The geometry that lies in other files.
    pub missing: Vec<MissingGeometry>,
}

/// Geometry of a STEP file that lies in another file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MissingGeometry {
    /// The other file, as the STEP file names it; empty if it gives no name.
    pub file: String,
    /// The names of the products whose shape lies there; empty if no product is known.
    pub products: Vec<String>,
}

impl MissingGeometry {
    /// One whole sentence for each missing file, as warnings have them; beyond 20 files the last
    /// sentence counts the others.
    pub fn sentences(missing: &[Self]) -> impl Iterator<Item = String> {
        let shown = missing.iter().take(MAX_SENTENCES);
        let shown = shown.map(|missing| format!("Geometry is missing: it lies in {missing}."));
        let more = missing.len().saturating_sub(MAX_SENTENCES);
        let more =
            (more > 0).then(|| format!("Geometry is missing: it lies in {more} more files."));
        shown.chain(more)
    }
}

/// As in "`pump.step` (Pump, Motor)".
impl fmt::Display for MissingGeometry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.file.is_empty() {
            f.write_str("a file without a name")?;
        } else {
            write!(f, "`{}`", shortened(&self.file))?;
        }
        if self.products.is_empty() {
            return Ok(());
        }
        let shown = self.products.iter().take(MAX_PRODUCTS);
        let shown: Vec<_> = shown.map(|name| shortened(name)).collect();
        write!(f, " ({}", shown.join(", "))?;
        match self.products.len().saturating_sub(MAX_PRODUCTS) {
            0 => f.write_str(")"),
            more => write!(f, " and {more} more)"),
        }
    }
}

fn shortened(name: &str) -> String {
    name.chars().take(MAX_SHOWN).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(file: &str, products: &[&str], expected: &str) {
        let products = products.iter().map(|&name| name.to_owned()).collect();
        let file = file.to_owned();
        assert_eq!(MissingGeometry { file, products }.to_string(), expected);
    }

    #[test]
    fn a_missing_file_is_shown_with_its_products() {
        check("a.step", &[], "`a.step`");
        check("", &["Pump"], "a file without a name (Pump)");
        check("a.step", &["Pump", "Motor"], "`a.step` (Pump, Motor)");
        let seven = ["1", "2", "3", "4", "5", "6", "7"];
        check("a.step", &seven, "`a.step` (1, 2, 3, 4, 5 and 2 more)");
        check(&"x".repeat(100), &[], &format!("`{}`", "x".repeat(80)));
    }

    #[test]
    fn a_thousand_missing_files_are_twenty_one_sentences() {
        let missing = MissingGeometry {
            file: "a.step".to_owned(),
            products: Vec::new(),
        };
        let found: Vec<_> = MissingGeometry::sentences(&vec![missing; 1000]).collect();
        assert_eq!(found.len(), 21);
        assert_eq!(found[0], "Geometry is missing: it lies in `a.step`.");
        assert_eq!(found[20], "Geometry is missing: it lies in 980 more files.");
    }
}
