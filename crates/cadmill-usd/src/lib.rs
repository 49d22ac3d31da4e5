//! Universal Scene Description, written in plain Rust: layers, the binary `.usdc` format, `.usdz`
//! packages, and the USD master of a scene.
//!
//! Three layers, each of use on its own:
//!
//! 1. [`Layer`]: prims, attributes, relationships and metadata in memory.
//! 2. [`usdc::write`] and [`usdz::package`]: from a layer to bytes, from files to a package. The
//!    crate version is 0.8.0, which USD 20.11 and everything newer opens.
//! 3. [`master::build`]: the layers of the USD master, from a [`cadmill_scene::Scene`].
//!
//! ```
//! use cadmill_usd::{Attribute, Layer, Specifier, Value, usdc, usdz};
//!
//! let mut layer = Layer::new();
//! layer.set("defaultPrim", Value::token("World"));
//! let world = layer.add_prim(None, Specifier::Def, "Xform", "World");
//! let ball = layer.add_prim(Some(world), Specifier::Def, "Sphere", "Ball");
//! layer
//!     .prim_mut(ball)
//!     .display_name("Ein Bällchen")
//!     .attribute(Attribute::new("radius", "double", Value::Double(0.25)));
//! let root = usdc::write(&layer)?;
//! let package = usdz::package(&[("root.usdc", &root)])?;
//! assert_eq!(&package[..4], b"PK\x03\x04");
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
