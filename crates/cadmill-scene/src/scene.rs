//! The model: what a canonical scene consists of.

use std::fmt;

use cadmill_domain::{ContentHash, RecipeFingerprint};
use glam::DAffine3;
use serde::{Deserialize, Serialize};

/// A whole CAD file as a scene. Metres; the axes of the file, +Z up.
#[derive(Debug, Clone, PartialEq)]
pub struct Scene {
    /// Where it comes from.
    pub provenance: Provenance,
    /// The distinct parts, each shown by one or more occurrences.
    pub parts: Vec<Part>,
    /// The materials that primitives and occurrences refer to.
    pub materials: Vec<Material>,
    /// The tree, every parent before its children.
    pub occurrences: Vec<Occurrence>,
}

/// What a scene was made of, and by what. Same provenance, same bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provenance {
    /// SHA-256 of the STEP file.
    pub source_hash: ContentHash,
    /// The recipe by which it was meshed: after a coarser retry, that of the retry.
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
    /// Position of a part in [`Scene::parts`].
    PartIndex
}
index! {
    /// Position of a material in [`Scene::materials`].
    MaterialIndex
}
index! {
    /// Position of an occurrence in [`Scene::occurrences`].
    OccurrenceIndex
}

macro_rules! key {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// A key from its text.
            pub fn new(text: impl Into<String>) -> Self {
                Self(text.into())
            }

            /// The text of the key.
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
    /// Names a distinct part across revisions of a file: the id of its product; bodies of one
    /// product that have the same name are told apart by `~2`, `~3` in the order of the file.
    PartKey
}
key! {
    /// Names an occurrence across revisions of a file: the path of designators from the root,
    /// each after a `/`.
    OccurrenceKey
}

/// A distinct part and its mesh, in its own axes.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// Its stable key, unique in the scene.
    pub key: PartKey,
    /// The name of its product, as the file has it.
    pub name: String,
    /// What it is made of, if the file says so.
    pub physical: Option<PhysicalMaterial>,
    /// The names of the layers it lies on.
    pub layers: Vec<String>,
    /// The mesh, one primitive per material; empty if no face could be meshed.
    pub primitives: Vec<Primitive>,
}

/// An engineering material.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PhysicalMaterial {
    /// Its name, for example `Steel`.
    pub name: String,
    /// Its density, in kg/m³, if given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub density_kg_m3: Option<f64>,
}

/// Triangles of one material, counter-clockwise when seen from outside.
#[derive(Debug, Clone, PartialEq)]
pub struct Primitive {
    /// Its material.
    pub material: MaterialIndex,
    /// Corners, in metres.
    pub positions: Vec<[f32; 3]>,
    /// Unit normals of the exact surface, as many as positions.
    pub normals: Vec<[f32; 3]>,
    /// Three per triangle, each below `positions.len()`.
    pub indices: Vec<u32>,
}

/// How a surface looks, by the metallic-roughness model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Material {
    /// Its name.
    pub name: String,
    /// Red, green, blue in linear light and opacity, each 0 to 1.
    pub base_color: [f32; 4],
    /// From 0 (paint, plastic) to 1 (bare metal).
    pub metallic: f32,
    /// From 0 (a mirror) to 1 (chalk).
    pub roughness: f32,
}

/// One place in the tree: a group of others, a part, or (rarely) both.
#[derive(Debug, Clone, PartialEq)]
pub struct Occurrence {
    /// The occurrence above, or none for a root.
    pub parent: Option<OccurrenceIndex>,
    /// Its stable key, unique in the scene.
    pub key: OccurrenceKey,
    /// The name of the product that it is an occurrence of.
    pub name: String,
    /// The id of that product.
    pub product_id: String,
    /// Its own designator or name within its parent, if the file gives one.
    pub designator: Option<String>,
    /// From its own axes to those of its parent; a translation in metres. A mirrored occurrence has
    /// a negative determinant.
    pub transform: DAffine3,
    /// The part that it shows.
    pub part: Option<PartIndex>,
    /// A colour that the file gives to this occurrence alone, instead of those of its part.
    pub material: Option<MaterialIndex>,
    /// The names of the layers it lies on.
    pub layers: Vec<String>,
}
