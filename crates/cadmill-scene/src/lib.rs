//! The canonical scene and the media that are made of it alone.
//!
//! A [`Scene`] is a tree of occurrences over distinct parts, each with its mesh in the part's own
//! axes. Lengths are metres, the axes are those of the CAD file (+Z up), transforms are `f64`.

mod check;
mod error;
pub mod glb;
mod gltf;
mod overlay;
#[cfg(any(test, feature = "test-support"))]
pub mod sample;
mod scene;
pub mod thumbnail;
mod tidy;
pub mod web;

pub use error::{MeshProblem, SceneError};
pub use overlay::{MaterialSource, MaterialSources, Overlay};
pub use scene::{
    Material, MaterialIndex, Occurrence, OccurrenceIndex, OccurrenceKey, Part, PartIndex, PartKey,
    PhysicalMaterial, Primitive, Provenance, Scene,
};
