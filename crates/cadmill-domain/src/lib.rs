//! The words of Cadmill, shared by every crate: media kinds, recipes, materials, the failure
//! catalogue, and the ports that the outside world implements. No I/O happens here.

mod failure;
mod hash;
mod materials;
mod media;
mod recipe;
mod tessellator;

pub use failure::{Failure, FailureCode, Retry};
pub use hash::{ContentHash, ParseHashError};
pub use materials::{
    Color, MaterialKey, MaterialMap, MaterialMaps, MaterialSpec, MaterialsError, Specificity,
};
pub use media::MediaKind;
pub use recipe::{Deflection, Recipe, RecipeError, RecipeFingerprint};
#[cfg(feature = "mock")]
pub use tessellator::MockTessellator;
pub use tessellator::{
    Bounds, Cancelled, FaceCount, NoProgress, PartReport, Phase, ProgressSink, Retried,
    Tessellation, TessellationReport, TessellationRequest, Tessellator, Timings,
};
