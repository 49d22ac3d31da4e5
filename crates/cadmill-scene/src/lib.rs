//! The canonical scene, and the media that are made from it alone.
//!
//! A [`Scene`] is a tree of occurrences of distinct parts, each with its mesh in the axes of the
//! part. Lengths are in metres, axes are those of the CAD file (+Z up), and transforms are `f64`.
//!
//! [`glb::write`] writes a scene as a canonical GLB, and [`glb::read`] restores it.
//! [`web::compress`] writes a compressed GLB for browsers, and [`thumbnail::render`] draws a PNG.
//! All of them take an [`Overlay`], which replaces materials of the STEP file.
//!
//! ```
//! use cadmill_scene::{Overlay, glb, sample};
//!
//! let scene = sample::cube();
//! let bytes = glb::write(&scene, &Overlay::none(&scene))?;
//! assert!(bytes.starts_with(b"glTF"));
//! assert_eq!(glb::read(&bytes)?, scene);
//! # Ok::<(), cadmill_scene::SceneError>(())
//! ```

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
