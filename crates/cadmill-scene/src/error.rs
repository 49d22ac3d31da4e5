//! The errors of scenes and their media.

use crate::{MaterialIndex, OccurrenceKey, PartKey};

/// The reason for which a scene is invalid, or a medium cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SceneError {
    /// Two parts or two occurrences have the same key.
    #[error("two {kind}s have the key `{key}`")]
    DuplicateKey {
        /// `part` or `occurrence`.
        kind: &'static str,
        /// The key.
        key: String,
    },
    /// A number of a material is outside 0 to 1.
    #[error("`{field}` of the material `{material}` must be between 0 and 1, not {value}")]
    MaterialOutOfRange {
        /// The name of the material.
        material: String,
        /// The name of the field.
        field: &'static str,
        /// The value found.
        value: f32,
    },
    /// A material index is out of range.
    #[error("`{owner}` refers to material {}, which does not exist", material.0)]
    UnknownMaterial {
        /// The key of the part or occurrence.
        owner: String,
        /// The index.
        material: MaterialIndex,
    },
    /// The density of an engineering material is not a positive number.
    #[error("the density of the part `{part}` must be a positive number, not {value}")]
    Density {
        /// The part.
        part: PartKey,
        /// The value found, in kg/m³.
        value: f64,
    },
    /// The mesh of a part is invalid.
    #[error("primitive {primitive} of the part `{part}` {problem}")]
    Mesh {
        /// The part.
        part: PartKey,
        /// The index of the primitive.
        primitive: usize,
        /// The defect of the primitive.
        problem: MeshProblem,
    },
    /// A part has no occurrence.
    #[error("the part `{0}` has no occurrence")]
    PartNotShown(PartKey),
    /// An occurrence refers to a part that does not exist.
    #[error("the occurrence `{0}` refers to a part that does not exist")]
    UnknownPart(OccurrenceKey),
    /// An occurrence precedes its parent.
    #[error("the occurrence `{0}` does not come after its parent")]
    Tree(OccurrenceKey),
    /// A transform does not consist of a finite translation, rotation and scale.
    #[error(
        "the transform of the occurrence `{0}` does not consist of a translation, rotation and scale"
    )]
    Transform(OccurrenceKey),
    /// An overlay was resolved for another scene.
    #[error("the overlay was resolved for another scene")]
    ForeignOverlay,
    /// The medium exceeds the maximum size of its format.
    #[error("the scene needs {bytes} bytes, but a GLB holds at most 4294967295")]
    TooLarge {
        /// The size needed, in bytes.
        bytes: u64,
    },
    /// The input is not a GLB.
    #[error("this is not a GLB: {0}")]
    NotGlb(&'static str),
    /// The input is a GLB, but not a canonical scene.
    #[error("this GLB is not a canonical Cadmill scene: {0}")]
    NotCanonical(&'static str),
    /// The JSON chunk cannot be parsed.
    #[error("the JSON chunk of the GLB cannot be read")]
    Json(#[source] serde_json::Error),
    /// The GLB is inconsistent.
    #[error("the GLB is damaged: {0}")]
    Damaged(String),
    /// The meshes cannot be compressed.
    #[error("the meshes cannot be compressed")]
    Compress(#[source] meshopt::Error),
    /// The picture size is not supported.
    #[error("the picture size must be from 1 to {max} pixels, not {0}", max = crate::thumbnail::MAX_SIZE)]
    PictureSize(u32),
    /// The picture cannot be encoded.
    #[error("the picture cannot be encoded")]
    Png(#[source] png::EncodingError),
    /// The output cannot be written.
    #[error("the scene cannot be written")]
    Write(#[source] std::io::Error),
}

/// A defect of a primitive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MeshProblem {
    /// It has no triangles.
    #[error("has no triangles")]
    Empty,
    /// The number of indices is not a multiple of three.
    #[error("has a number of indices that is not a multiple of 3")]
    NotTriangles,
    /// An index is out of range.
    #[error("has an index that is out of range")]
    IndexOutOfRange,
    /// The numbers of normals and positions differ, or exceed the range of the indices.
    #[error("does not have as many normals as positions")]
    Counts,
    /// A coordinate is not finite.
    #[error("has a coordinate that is not finite")]
    NotFinite,
    /// A normal does not have length 1.
    #[error("has a normal that is not of length 1")]
    NormalNotUnit,
}
