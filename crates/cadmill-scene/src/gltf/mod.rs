//! Types and conversions for glTF 2.0: the JSON document, the GLB container, and the conversion of
//! a scene to nodes, meshes and materials. Numeric constants are those of the specification
//! (<https://registry.khronos.org/glTF/specs/2.0/glTF-2.0.html>).

pub(crate) mod assemble;
pub(crate) mod container;
pub(crate) mod document;
pub(crate) mod placement;
