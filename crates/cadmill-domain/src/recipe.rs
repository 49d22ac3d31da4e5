//! How finely surfaces are meshed, and the fingerprint that goes into every cache key.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::ContentHash;

/// The smallest linear deflection that a kernel distinguishes from zero.
const MIN_DEFLECTION_MM: f64 = 1e-6;

/// How finely a part is meshed.
///
/// The linear deflection is the greatest distance between the mesh and the surface. It is given in
/// millimetres and kept between two fractions of the part's own diagonal, so that neither a bolt
/// becomes a hexagon nor a ship ten million triangles.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    linear_deflection_mm: f64,
    angular_deflection_deg: f64,
    finest_fraction: f64,
    coarsest_fraction: Option<f64>,
}

/// The deflection that a recipe gives for one part.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Deflection {
    /// Greatest distance between mesh and surface, in millimetres.
    pub linear_mm: f64,
    /// Greatest angle between the normals of neighbouring facets, in degrees.
    pub angular_deg: f64,
}

/// A number of a recipe is out of its range.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RecipeError {
    /// The linear deflection is not a positive, finite number.
    #[error("the linear deflection must be greater than 0 mm and finite, not {0}")]
    Linear(f64),
    /// The angular deflection is not between 0 and 90 degrees.
    #[error("the angular deflection must be greater than 0 and at most 90 degrees, not {0}")]
    Angular(f64),
}

impl Recipe {
    /// 0.1 mm and 20°, never coarser than 0.1 % nor finer than 0.001 % of the part's diagonal.
    pub const STANDARD: Self = Self {
        linear_deflection_mm: 0.1,
        angular_deflection_deg: 20.0,
        finest_fraction: 1e-5,
        coarsest_fraction: Some(1e-3),
    };
    /// Four times coarser than [`Recipe::STANDARD`].
    pub const DRAFT: Self = Self::STANDARD.scaled(4.0, 2.0);
    /// Four times finer than [`Recipe::STANDARD`].
    pub const FINE: Self = Self::STANDARD.scaled(0.25, 0.5);

    /// A recipe of one's own. The linear deflection is used as it is; only a value below 0.001 %
    /// of a part's diagonal is raised to that, because it would not end.
    ///
    /// # Errors
    /// If a number is out of its range.
    pub fn custom(
        linear_deflection_mm: f64,
        angular_deflection_deg: f64,
    ) -> Result<Self, RecipeError> {
        if !(linear_deflection_mm > 0.0 && linear_deflection_mm.is_finite()) {
            return Err(RecipeError::Linear(linear_deflection_mm));
        }
        if !(angular_deflection_deg > 0.0 && angular_deflection_deg <= 90.0) {
            return Err(RecipeError::Angular(angular_deflection_deg));
        }
        Ok(Self {
            linear_deflection_mm,
            angular_deflection_deg,
            coarsest_fraction: None,
            ..Self::STANDARD
        })
    }

    /// The recipe of the one retry after a kernel failure: four times coarser.
    #[must_use]
    pub const fn coarser(self) -> Self {
        self.scaled(4.0, 2.0)
    }

    /// The chord height of an arc grows with the square of its angle, so a deflection that is four
    /// times coarser goes with an angle that is twice as wide.
    const fn scaled(self, linear: f64, angular: f64) -> Self {
        let angle = self.angular_deflection_deg * angular;
        Self {
            linear_deflection_mm: self.linear_deflection_mm * linear,
            angular_deflection_deg: if angle > 90.0 { 90.0 } else { angle },
            finest_fraction: self.finest_fraction * linear,
            coarsest_fraction: match self.coarsest_fraction {
                Some(fraction) => Some(fraction * linear),
                None => None,
            },
        }
    }

    /// The deflection for a part whose bounding box has this diagonal, in millimetres.
    #[must_use]
    pub fn deflection(&self, diagonal_mm: f64) -> Deflection {
        let coarsest = self
            .coarsest_fraction
            .map_or(f64::INFINITY, |fraction| fraction * diagonal_mm);
        Deflection {
            linear_mm: self
                .linear_deflection_mm
                .min(coarsest)
                .max(self.finest_fraction * diagonal_mm)
                .max(MIN_DEFLECTION_MM),
            angular_deg: self.angular_deflection_deg,
        }
    }

    /// What goes into cache keys: equal for equal recipes, different for any other.
    #[must_use]
    pub fn fingerprint(&self) -> RecipeFingerprint {
        let exact = format!(
            "v1 linear={:?} angular={:?} finest={:?} coarsest={:?}",
            self.linear_deflection_mm,
            self.angular_deflection_deg,
            self.finest_fraction,
            self.coarsest_fraction
        );
        RecipeFingerprint(ContentHash::of(exact.as_bytes()).to_string()[..16].to_owned())
    }
}

impl fmt::Display for Recipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::STANDARD => f.write_str("standard"),
            Self::DRAFT => f.write_str("draft"),
            Self::FINE => f.write_str("fine"),
            _ => write!(
                f,
                "{} mm, {}°",
                self.linear_deflection_mm, self.angular_deflection_deg
            ),
        }
    }
}

/// A short name of a recipe: 16 lower-case hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct RecipeFingerprint(String);

impl RecipeFingerprint {
    /// The 16 digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RecipeFingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The text is no fingerprint of a recipe.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no fingerprint of a recipe: 16 hexadecimal digits are expected")]
pub struct ParseFingerprintError(String);

impl FromStr for RecipeFingerprint {
    type Err = ParseFingerprintError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.to_owned();
        if is_fingerprint(&text) {
            Ok(Self(text))
        } else {
            Err(ParseFingerprintError(text))
        }
    }
}

impl From<RecipeFingerprint> for String {
    fn from(fingerprint: RecipeFingerprint) -> Self {
        fingerprint.0
    }
}

impl TryFrom<String> for RecipeFingerprint {
    type Error = ParseFingerprintError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

/// Whether `text` is 16 lower-case hexadecimal digits.
pub(crate) fn is_fingerprint(text: &str) -> bool {
    text.len() == 16 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(recipe: Recipe, diagonal_mm: f64, expected_mm: f64) {
        let linear_mm = recipe.deflection(diagonal_mm).linear_mm;
        assert!(
            (linear_mm - expected_mm).abs() < 1e-12 * expected_mm,
            "{linear_mm} instead of {expected_mm}"
        );
    }

    #[test]
    fn the_deflection_is_kept_within_fractions_of_the_diagonal() {
        check(Recipe::STANDARD, 1_000.0, 0.1);
        check(Recipe::STANDARD, 10.0, 0.01);
        check(Recipe::STANDARD, 1e6, 10.0);
        check(Recipe::DRAFT, 10.0, 0.04);
        check(Recipe::FINE, 10.0, 0.0025);
    }

    #[test]
    fn ones_own_deflection_is_used_as_it_is_unless_it_is_absurdly_fine() {
        let recipe = Recipe::custom(0.1, 28.6).unwrap();
        check(recipe, 1.0, 0.1);
        check(recipe, 1e6, 10.0);
    }

    #[test]
    fn numbers_out_of_range_are_refused() {
        for linear in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(Recipe::custom(linear, 20.0).is_err(), "{linear}");
        }
        for angular in [0.0, -1.0, f64::NAN, 91.0] {
            assert!(Recipe::custom(0.1, angular).is_err(), "{angular}");
        }
    }

    #[test]
    fn each_recipe_has_a_fingerprint_of_its_own() {
        let mut prints = [
            Recipe::STANDARD,
            Recipe::DRAFT,
            Recipe::FINE,
            Recipe::custom(0.1, 20.0).unwrap(),
            Recipe::custom(0.2, 20.0).unwrap(),
            Recipe::custom(0.1, 30.0).unwrap(),
        ]
        .map(|recipe| recipe.fingerprint());
        prints.sort();
        assert!(prints.windows(2).all(|pair| pair[0] != pair[1]));
        assert_eq!(Recipe::STANDARD.coarser(), Recipe::DRAFT);
    }
}
