//! Writes Universal Scene Description in pure Rust: layers, the binary `.usdc` format, `.usdz`
//! packages, and the USD master of a scene.
//!
//! The crate has three levels, each usable on its own:
//!
//! 1. [`Layer`]: prims, attributes, relationships and metadata in memory.
//! 2. [`usdc::write`] writes a layer as bytes, and [`usdz::package`] packs files. The crate format
//!    version is 0.8.0, which USD 20.11 and later can read.
//! 3. [`master::build`] converts a [`cadmill_scene::Scene`] to the layers of its USD master. Lengths
//!    are in metres, and +Z is up.
//!
//! ```
//! use cadmill_scene::{Overlay, sample};
//! use cadmill_usd::master;
//!
//! let scene = sample::cube();
//! let master = master::build(&scene, &Overlay::none(&scene))?;
//! for (name, bytes) in master.layers() {
//!     println!("{name}: {} bytes", bytes.len());
//! }
//! assert!(master.to_usdz()?.starts_with(b"PK\x03\x04"));
//! # Ok::<(), cadmill_usd::UsdError>(())
//! ```

mod error;
mod layer;
pub mod master;
mod path;
pub mod usdc;
pub mod usdz;
mod value;

pub use error::UsdError;
pub use layer::{Attribute, Layer, PrimId, PrimSpec, Property, Relationship, SubLayer};
pub use master::UsdMaster;
pub use path::{Path, is_identifier};
pub use value::{
    Dictionary, LayerOffset, ListOp, Payload, Reference, Specifier, Token, Value, Variability,
};
