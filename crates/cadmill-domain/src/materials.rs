//! Materials that people give to parts: the maps, their keys, and which key wins.

use std::{cmp::Ordering, collections::BTreeMap, fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use wildmatch::WildMatch;

use crate::ContentHash;

/// The two maps of a CAD file. A manual override wins over a part material, and either wins over
/// the colours of the STEP file.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MaterialMaps {
    /// What the catalogue says the parts are made of.
    pub part_materials: MaterialMap,
    /// What a person chose for this file.
    pub manual_overrides: MaterialMap,
}

/// Part → material.
pub type MaterialMap = BTreeMap<MaterialKey, MaterialSpec>;

/// A materials document cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MaterialsError {
    /// A colour is not `#rrggbb`.
    #[error("`{0}` is not a colour: write it as #rrggbb")]
    Color(String),
    /// A number lies outside 0 to 1.
    #[error("`{field}` of `{key}` must lie between 0 and 1, not {value}")]
    OutOfRange {
        /// The key of the entry.
        key: MaterialKey,
        /// The name of the number.
        field: &'static str,
        /// What was found.
        value: f64,
    },
}

impl MaterialMaps {
    /// No material is given to any part.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.part_materials.is_empty() && self.manual_overrides.is_empty()
    }

    /// Equal for equal maps, different for any other.
    ///
    /// # Panics
    /// Never: maps from text to plain values can always be written.
    #[must_use]
    pub fn fingerprint(&self) -> ContentHash {
        let json = serde_json::to_vec(self).expect("maps from text to plain values can be written");
        ContentHash::of(&json)
    }

    /// Checks the ranges of all numbers.
    ///
    /// # Errors
    /// Names the first entry and number that lies outside 0 to 1.
    pub fn check(&self) -> Result<(), MaterialsError> {
        for (key, spec) in self.part_materials.iter().chain(&self.manual_overrides) {
            let numbers = [
                ("metallic", spec.metallic),
                ("roughness", spec.roughness),
                ("opacity", spec.opacity),
            ];
            for (field, value) in numbers {
                if !(0.0..=1.0).contains(&value) {
                    let key = key.clone();
                    return Err(MaterialsError::OutOfRange { key, field, value });
                }
            }
        }
        Ok(())
    }
}

/// Which parts a material is for: a part key, a part name, an occurrence key (it begins with `/`),
/// or a glob (`*`, `?`) on any of them. A glob on occurrence keys begins with `/`, too.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MaterialKey(String);

impl MaterialKey {
    /// A key from its text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text of the key.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// How specifically this key names `candidate`, or `None` if it does not.
    #[must_use]
    pub fn matches(&self, candidate: &str) -> Option<Specificity> {
        if self.0 == candidate {
            return Some(Specificity::Exact);
        }
        if !self.0.contains(['*', '?']) || !WildMatch::new(&self.0).matches(candidate) {
            return None;
        }
        let literal = self.0.chars().filter(|c| !matches!(c, '*' | '?')).count();
        Some(Specificity::Glob { literal })
    }
}

impl fmt::Display for MaterialKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How specific a match is; the greater wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Specificity {
    /// By a pattern with this many literal characters.
    Glob {
        /// Characters that are not wild.
        literal: usize,
    },
    /// Letter by letter.
    Exact,
}

impl Ord for Specificity {
    fn cmp(&self, other: &Self) -> Ordering {
        let rank = |s: &Self| match *s {
            Self::Glob { literal } => (0, literal),
            Self::Exact => (1, 0),
        };
        rank(self).cmp(&rank(other))
    }
}

impl PartialOrd for Specificity {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// How a part looks: the metallic-roughness model that glTF and `UsdPreviewSurface` share.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MaterialSpec {
    /// The name of the material, for example `Steel`; the colour's text if it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The base colour.
    pub color: Color,
    /// From 0 (paint, plastic) to 1 (bare metal).
    #[serde(default)]
    pub metallic: f64,
    /// From 0 (a mirror) to 1 (chalk).
    #[serde(default = "half")]
    pub roughness: f64,
    /// From 0 (not to be seen) to 1 (opaque).
    #[serde(default = "one")]
    pub opacity: f64,
}

const fn half() -> f64 {
    0.5
}

const fn one() -> f64 {
    1.0
}

/// A colour in sRGB, written as `#rrggbb`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Color {
    /// Red, 0 to 255.
    pub r: u8,
    /// Green, 0 to 255.
    pub g: u8,
    /// Blue, 0 to 255.
    pub b: u8,
}

impl Color {
    /// The colour as linear light, each channel 0 to 1 (IEC 61966-2-1).
    #[must_use]
    pub fn to_linear(self) -> [f32; 3] {
        [self.r, self.g, self.b].map(|channel| srgb_to_linear(f64::from(channel) / 255.0) as f32)
    }
}

/// The transfer function of sRGB (IEC 61966-2-1), for a channel of 0 to 1.
fn srgb_to_linear(channel: f64) -> f64 {
    if channel <= 0.04045 {
        channel / 12.92
    } else {
        ((channel + 0.055) / 1.055).powf(2.4)
    }
}

impl fmt::Display for Color {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{:02x}{:02x}{:02x}", self.r, self.g, self.b)
    }
}

impl FromStr for Color {
    type Err = MaterialsError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || MaterialsError::Color(text.to_owned());
        let digits = text.strip_prefix('#').ok_or_else(error)?;
        if digits.len() != 6 || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(error());
        }
        let rgb = u32::from_str_radix(digits, 16).map_err(|_| error())?;
        let [_, r, g, b] = rgb.to_be_bytes();
        Ok(Self { r, g, b })
    }
}

impl From<Color> for String {
    fn from(color: Color) -> Self {
        color.to_string()
    }
}

impl TryFrom<String> for Color {
    type Error = MaterialsError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_more_specific_key_wins() {
        let bolt = |key: &str| MaterialKey::new(key).matches("bolt-m6");
        assert!(bolt("bolt-m6") > bolt("bolt-*"));
        assert!(bolt("bolt-*") > bolt("b*"));
        assert!(bolt("b*") > bolt("*"));
        assert!(bolt("*") > None);
        assert_eq!(bolt("bolt"), None);
        assert_eq!(bolt("nut*"), None);
    }

    #[test]
    fn a_map_is_read_from_json_with_its_defaults() {
        let maps: MaterialMaps =
            serde_json::from_str(r##"{"manual_overrides": {"bolt": {"color": "#ff0000"}}}"##)
                .unwrap();
        let spec = &maps.manual_overrides[&MaterialKey::new("bolt")];
        assert_eq!(
            (spec.metallic, spec.roughness, spec.opacity),
            (0.0, 0.5, 1.0)
        );
        assert_eq!(spec.color.to_linear(), [1.0, 0.0, 0.0]);
        assert!(maps.check().is_ok());
    }

    #[test]
    fn what_is_no_material_is_refused() {
        for bad in [
            r#"{"manual_overrides": {"a": {"color": "red"}}}"#,
            r##"{"manual_overrides": {"a": {"color": "#ff00"}}}"##,
            r##"{"manual_overrides": {"a": {"colour": "#ff0000"}}}"##,
            r#"{"overrides": {}}"#,
        ] {
            assert!(serde_json::from_str::<MaterialMaps>(bad).is_err(), "{bad}");
        }
        let shiny = r##"{"part_materials": {"a": {"color": "#ff0000", "metallic": 2}}}"##;
        let maps: MaterialMaps = serde_json::from_str(shiny).unwrap();
        let error = maps.check().unwrap_err().to_string();
        assert_eq!(error, "`metallic` of `a` must lie between 0 and 1, not 2");
    }
}
