//! glTF 2.0 as Cadmill writes it: the JSON document, the GLB container, and how a scene becomes
//! nodes, meshes and materials. The numbers are those of the specification
//! (<https://registry.khronos.org/glTF/specs/2.0/glTF-2.0.html>).

pub(crate) mod assemble;
pub(crate) mod container;
pub(crate) mod document;
pub(crate) mod placement;
