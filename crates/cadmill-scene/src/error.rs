//! What can go wrong with a scene and its media.

use crate::{MaterialIndex, OccurrenceKey, PartKey};

/// A scene, or a medium of it, cannot be used or made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SceneError {
    /// Two parts or two occurrences have one key.
    #[error("two {kind}s have the key `{key}`")]
    DuplicateKey {
        /// `part` or `occurrence`.
        kind: &'static str,
        /// The key.
        key: String,
    },
    /// A number of a material lies outside 0 to 1.
    #[error("`{field}` of the material `{material}` must lie between 0 and 1, not {value}")]
    MaterialOutOfRange {
        /// Its name.
        material: String,
        /// Which number.
        field: &'static str,
        /// What was found.
        value: f32,
    },
    /// A material index is beyond the materials.
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
        /// What was found, in kg/m³.
        value: f64,
    },
    /// The mesh of a part cannot be used.
    #[error("primitive {primitive} of the part `{part}` {problem}")]
    Mesh {
        /// The part.
        part: PartKey,
        /// Which of its primitives.
        primitive: usize,
        /// What is wrong with it.
        problem: MeshProblem,
    },
    /// No occurrence shows this part.
    #[error("no occurrence shows the part `{0}`")]
    PartNotShown(PartKey),
    /// An occurrence shows a part that does not exist.
    #[error("the occurrence `{0}` shows a part that does not exist")]
    UnknownPart(OccurrenceKey),
    /// An occurrence does not come after its parent.
    #[error("the occurrence `{0}` does not come after its parent")]
    Tree(OccurrenceKey),
    /// A transform is not made of a translation, a rotation and a scale that are finite.
    #[error("the transform of the occurrence `{0}` is not a translation, rotation and scale")]
    Transform(OccurrenceKey),
    /// An overlay belongs to another scene.
    #[error("the overlay was resolved on another scene")]
    ForeignOverlay,
    /// The medium is larger than its format can hold.
    #[error("the scene takes {bytes} bytes, and a GLB holds at most 4294967295")]
    TooLarge {
        /// What it would take.
        bytes: u64,
    },
    /// The bytes are no GLB.
    #[error("this is not a GLB: {0}")]
    NotGlb(&'static str),
    /// A GLB, but not a canonical scene.
    #[error("this GLB is not a canonical scene of Cadmill: {0}")]
    NotCanonical(&'static str),
    /// The JSON chunk cannot be read.
    #[error("the JSON chunk of the GLB cannot be read")]
    Json(#[source] serde_json::Error),
    /// The GLB contradicts itself.
    #[error("the GLB is damaged: {0}")]
    Damaged(String),
    /// The meshes cannot be compressed.
    #[error("the meshes cannot be compressed")]
    Compress(#[source] meshopt::Error),
    /// A picture cannot be of this size.
    #[error("a picture has from 1 to {greatest} pixels along each edge, not {0}", greatest = crate::thumbnail::MAX_SIZE)]
    PictureSize(u32),
    /// The picture cannot be encoded.
    #[error("the picture cannot be encoded")]
    Png(#[source] png::EncodingError),
    /// The bytes could not be written.
    #[error("the scene cannot be written")]
    Write(#[source] std::io::Error),
}

/// What is wrong with a primitive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MeshProblem {
    /// It has no triangle.
    #[error("has no triangle")]
    Empty,
    /// The number of indices is no multiple of three.
    #[error("has a number of indices that is not a multiple of 3")]
    NotTriangles,
    /// An index is beyond the positions.
    #[error("has an index beyond its positions")]
    IndexOutOfRange,
    /// There are not as many normals as positions, or more than indices can tell apart.
    #[error("does not have as many normals as positions")]
    Counts,
    /// A coordinate is infinite or not a number.
    #[error("has a coordinate that is not finite")]
    NotFinite,
    /// A normal is not of length one.
    #[error("has a normal that is not of length 1")]
    NormalNotUnit,
}
