//! What is written beside the media: what was found, measured and made.

use std::path::Path;

pub use cadmill_domain::ledger::CONVERTER;
use cadmill_domain::{
    ContentHash, MaterialKey, MediaKind, Recipe, RecipeFingerprint, tessellator::TessellationReport,
};
use cadmill_step::StepSummary;
use serde::{Deserialize, Serialize};

/// Everything that is known of one conversion, as in `<stem>.json`.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct Record {
    /// What the next run compares before it uses the media again.
    #[serde(flatten)]
    pub origin: Origin,
    /// The recipe in words.
    pub recipe_name: String,
    /// Its numbers.
    pub recipe: Recipe,
    /// SHA-256 of the canonical GLB, before any material is laid over it.
    pub canonical_sha256: ContentHash,
    /// The media that this conversion wrote.
    pub media: Vec<Medium>,
    /// Keys of the material maps that name nothing in this file.
    pub unmatched_materials: Vec<MaterialKey>,
    /// What the STEP file says.
    pub step: StepSummary,
    /// What the kernel found and measured.
    pub tessellation: TessellationReport,
    /// How long it took; the one part that differs from run to run.
    pub timings: ConversionTimings,
}

/// What a canonical scene was made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Origin {
    /// Name and version of the program.
    pub converter: String,
    /// SHA-256 of the STEP file.
    pub source_hash: ContentHash,
    /// The recipe that was asked for.
    pub recipe_fingerprint: RecipeFingerprint,
}

impl Origin {
    pub(super) fn new(source_hash: ContentHash, recipe: Recipe) -> Self {
        Self {
            converter: CONVERTER.to_owned(),
            source_hash,
            recipe_fingerprint: recipe.fingerprint(),
        }
    }
}

/// One file that was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Medium {
    /// What it is.
    pub kind: MediaKind,
    /// Its name in the output folder.
    pub file: String,
    /// Its size.
    pub bytes: u64,
    /// SHA-256 of its bytes.
    pub sha256: ContentHash,
}

impl Medium {
    pub(super) fn new(kind: MediaKind, path: &Path, bytes: u64, sha256: ContentHash) -> Self {
        let name = path.file_name().unwrap_or_default();
        let file = name.to_string_lossy().into_owned();
        Self {
            kind,
            file,
            bytes,
            sha256,
        }
    }
}

/// Wall-clock times of one conversion, in seconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ConversionTimings {
    /// Reading the STEP file without the kernel.
    pub inspect_s: f64,
    /// The tessellator with its start and the check of its result; or reading what was there.
    pub tessellate_s: f64,
    /// Making and writing the media.
    pub media_s: f64,
}

/// The parts of a record that are read again.
#[derive(Debug, Deserialize)]
pub(super) struct Recorded {
    #[serde(flatten)]
    pub(super) origin: Origin,
    pub(super) canonical_sha256: ContentHash,
    pub(super) step: RecordedStep,
    pub(super) tessellation: TessellationReport,
}

/// The part of a summary that says whether the kernel could have opened other files.
#[derive(Debug, Deserialize)]
pub(super) struct RecordedStep {
    /// Not there in records of before other files were left out.
    pub(super) names_other_files: Option<bool>,
}
