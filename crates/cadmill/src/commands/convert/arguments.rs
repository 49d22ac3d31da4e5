//! The arguments of `cadmill convert`.

use std::{num::NonZero, path::PathBuf, time::Duration};

use cadmill_domain::{MediaKind, Recipe, RecipeError};
use clap::{Args, ValueEnum};

use crate::{quantity, wiring::config::NamedRecipe};

#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
#[command(after_help = "\
Media are named after the input: part.glb, part.usdz, part.web.glb, part.png, and part.json with the
report. Inputs that share a stem keep their relative folders. If part.glb and part.json are intact
and from the same file and recipe, the file is not tessellated again.")]
pub(crate) struct ConvertArguments {
    /// STEP files; a folder stands for every *.step, *.stp and *.p21 file below it.
    #[arg(required = true, value_name = "FILE")]
    pub(super) inputs: Vec<PathBuf>,
    /// The folder of the media.
    #[arg(short, long, value_name = "DIR", default_value = ".")]
    pub(super) output: PathBuf,
    #[command(flatten)]
    pub(super) recipe: RecipeArguments,
    /// Which media are written.
    #[arg(long, value_delimiter = ',', default_value = "glb,usd")]
    pub(super) kinds: Vec<Kind>,
    /// Materials of the parts: a JSON document with `part_materials` and `manual_overrides`, or one
    /// map from parts to materials.
    #[arg(long, value_name = "MAP.json")]
    pub(super) materials: Option<PathBuf>,
    /// Also writes the USD layers as separate files, into part.usd/.
    #[arg(long)]
    pub(super) usd_layers: bool,
    /// Tessellates again, even if there is a result of an earlier run.
    #[arg(long)]
    pub(super) force: bool,
    /// How many files are converted at once [default: the number of processors].
    #[arg(short, long, value_name = "N")]
    pub(super) jobs: Option<NonZero<usize>>,
    /// How long one run of the tessellator may take.
    #[arg(long, value_name = "TIME", default_value = "15m", value_parser = quantity::duration)]
    pub(super) timeout: Duration,
    /// How much memory one tessellator may use, for example 4GiB [default: three quarters of the
    /// memory of the machine, shared by the jobs].
    #[arg(long, value_name = "SIZE", value_parser = quantity::memory)]
    pub(super) memory: Option<u64>,
    /// Refuses every file if the system cannot provide the whole sandbox of the tessellator.
    #[arg(long)]
    pub(super) require_sandbox: bool,
    /// Prints one JSON object per file, and one for the whole run.
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct RecipeArguments {
    /// How finely surfaces are meshed [default: standard].
    #[arg(long, value_name = "NAME", conflicts_with_all = ["linear_deflection_mm", "angular_deflection_deg"])]
    recipe: Option<NamedRecipe>,
    /// The maximum distance between mesh and surface, in mm, instead of a named recipe.
    #[arg(long, value_name = "MM")]
    linear_deflection_mm: Option<f64>,
    /// The maximum angle between neighbouring facets, in degrees, instead of a named recipe.
    #[arg(long, value_name = "DEG")]
    angular_deflection_deg: Option<f64>,
}

impl RecipeArguments {
    /// The recipe. If only one of the two deflections is given, the other one is that of *standard*.
    pub(super) fn recipe(&self) -> Result<Recipe, RecipeError> {
        const STANDARD_MM: f64 = 0.1;
        const STANDARD_DEG: f64 = 20.0;
        match (self.linear_deflection_mm, self.angular_deflection_deg) {
            (None, None) => Ok(self.recipe.map_or(Recipe::STANDARD, Recipe::from)),
            (linear, angular) => Recipe::custom(
                linear.unwrap_or(STANDARD_MM),
                angular.unwrap_or(STANDARD_DEG),
            ),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Kind {
    /// The canonical scene, a plain glTF 2.0 binary.
    Glb,
    /// The USD master, a .usdz package.
    Usd,
    /// A copy of the scene for the web, compressed with meshopt.
    WebGlb,
    /// A PNG image of 512 × 512 pixels.
    Thumbnail,
}

impl From<Kind> for MediaKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Glb => Self::GltfGeometry,
            Kind::Usd => Self::UsdMaster,
            Kind::WebGlb => Self::WebGlb,
            Kind::Thumbnail => Self::Thumbnail,
        }
    }
}
