//! The scene model.

use std::fmt;

use cadmill_domain::{ContentHash, RecipeFingerprint};
use glam::DAffine3;
use serde::{Deserialize, Serialize};

/// The scene of a CAD file, in metres and with the axes of the file (+Z up).
#[derive(Debug, Clone, PartialEq)]
pub struct Scene {
    /// The origin of the scene.
    pub provenance: Provenance,
    /// The distinct parts, each with at least one occurrence.
    pub parts: Vec<Part>,
    /// The materials that primitives and occurrences refer to.
    pub materials: Vec<Material>,
    /// The occurrence tree; parents precede their children.
    pub occurrences: Vec<Occurrence>,
}

/// The input and settings from which a scene was made. Equal provenance means equal bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provenance {
    /// SHA-256 of the STEP file.
    pub source_hash: ContentHash,
    /// The recipe of the mesh; after a coarser retry, the recipe of the retry.
    pub recipe: RecipeFingerprint,
    /// Name and version of the converter and its kernel.
    pub converter: String,
}

macro_rules! index {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub usize);
    };
}

index! {
    /// The index of a part in [`Scene::parts`].
    PartIndex
}
index! {
    /// The index of a material in [`Scene::materials`].
    MaterialIndex
}
index! {
    /// The index of an occurrence in [`Scene::occurrences`].
    OccurrenceIndex
}

macro_rules! key {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Creates a key.
            pub fn new(text: impl Into<String>) -> Self {
                Self(text.into())
            }

            /// Returns the key as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

key! {
    /// Identifies a distinct part across revisions of a file. It is the id of the product; bodies
    /// of one product with the same name are distinguished by `~2`, `~3` in file order.
    PartKey
}
key! {
    /// Identifies an occurrence across revisions of a file: the path of designators from the root,
    /// each preceded by `/`.
    OccurrenceKey
}

/// A distinct part and its mesh, in the axes of the part.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// Its stable key, unique in the scene.
    pub key: PartKey,
    /// The name of its product in the file.
    pub name: String,
    /// The engineering material, if the file states one.
    pub physical: Option<PhysicalMaterial>,
    /// The names of its layers.
    pub layers: Vec<String>,
    /// The mesh, one primitive per material; empty if no face could be meshed.
    pub primitives: Vec<Primitive>,
}

/// An engineering material, such as steel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PhysicalMaterial {
    /// Its name, for example `Steel`.
    pub name: String,
    /// Its density in kg/m³, if the file states it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub density_kg_m3: Option<f64>,
}

/// Triangles of one material, counter-clockwise when seen from outside.
#[derive(Debug, Clone, PartialEq)]
pub struct Primitive {
    /// Its material.
    pub material: MaterialIndex,
    /// Vertex positions in metres.
    pub positions: Vec<[f32; 3]>,
    /// Unit normals of the exact surface, one per position.
    pub normals: Vec<[f32; 3]>,
    /// Three indices per triangle, each less than `positions.len()`.
    pub indices: Vec<u32>,
}

/// The appearance of a surface in the metallic-roughness model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Material {
    /// Its name.
    pub name: String,
    /// Linear red, green and blue, and opacity, each from 0 to 1.
    pub base_color: [f32; 4],
    /// From 0 (paint, plastic) to 1 (bare metal).
    pub metallic: f32,
    /// From 0 (mirror) to 1 (chalk).
    pub roughness: f32,
}

/// A node of the occurrence tree: an assembly, a part, or (rarely) both.
#[derive(Debug, Clone, PartialEq)]
pub struct Occurrence {
    /// The parent, or `None` for a root.
    pub parent: Option<OccurrenceIndex>,
    /// Its stable key, unique in the scene.
    pub key: OccurrenceKey,
    /// The name of its product.
    pub name: String,
    /// The id of its product.
    pub product_id: String,
    /// Its designator or name within the parent, if the file states one.
    pub designator: Option<String>,
    /// The transform to the axes of the parent, with the translation in metres. Mirrored
    /// occurrences have a negative determinant.
    pub transform: DAffine3,
    /// The part, if the occurrence has one.
    pub part: Option<PartIndex>,
    /// A colour that the file assigns to this occurrence only; it replaces those of the part.
    pub material: Option<MaterialIndex>,
    /// The names of its layers.
    pub layers: Vec<String>,
}
