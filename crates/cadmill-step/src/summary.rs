//! What was found in a file.

use std::fmt;

use cadmill_domain::{ContentHash, ExternalReferences, MissingGeometry};
use serde::{Deserialize, Serialize};

use crate::{LengthUnit, Product, ProductOccurrence, StepHeader, StepSchema, TreeCounts};

/// The name of an instance: the 12 of `#12`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct InstanceId(pub u64);

impl fmt::Display for InstanceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

/// What a STEP file holds.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct StepSummary {
    /// SHA-256 of all its bytes.
    pub hash: ContentHash,
    /// Its size.
    pub bytes: u64,
    /// Its lines.
    pub lines: u64,
    /// Instances in all its data sections.
    pub instances: u64,
    /// Who wrote it, when and with what.
    pub header: StepHeader,
    /// The schema, and the application protocol that it belongs to.
    pub schema: StepSchema,
    /// The unit of lengths that most of its contexts assign; none if no context assigns any.
    pub length_unit: Option<LengthUnit>,
    /// The distinct products, in the order of the file. Documents are left out.
    pub products: Vec<Product>,
    /// Which product is used where, in the order of the file. A product that is used in an
    /// assembly is here once for that use, however often the assembly itself is used.
    pub occurrences: Vec<ProductOccurrence>,
    /// How large the tree is when it is expanded from its roots.
    pub counts: TreeCounts,
    /// How much geometry there is.
    pub geometry: GeometryCounts,
    /// Other files that this one refers to, as far as they are named, each once.
    pub external_files: Vec<String>,
    /// Whether any record names another file; see [`ExternalNames`](crate::ExternalNames).
    pub names_other_files: bool,
    /// Geometry that lies in other files, in the order in which they are referred to.
    pub missing_geometry: Vec<MissingGeometry>,
    /// What was odd but not fatal: whole sentences.
    pub warnings: Vec<String>,
}

impl StepSummary {
    /// What the file refers to outside of itself, for the tessellator.
    #[must_use]
    pub fn external_references(&self) -> ExternalReferences {
        ExternalReferences {
            present: self.names_other_files,
            missing: self.missing_geometry.clone(),
        }
    }
}

/// How much geometry is in the file, each instance counted once however often it is used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct GeometryCounts {
    /// Faces with an exact surface: `ADVANCED_FACE`, `FACE_SURFACE`, `FACE`.
    pub faces: u64,
    /// Exact solids: boundary representations, CSG and swept solids.
    pub solids: u64,
    /// `CLOSED_SHELL` and `OPEN_SHELL`.
    pub shells: u64,
    /// Tessellated solids, shells, faces, sets and wires (AP242).
    pub tessellated: u64,
    /// Surface and wireframe models, geometric sets, bounded curves and surfaces, CSG primitives.
    pub other: u64,
}

impl GeometryCounts {
    /// Whether there is none at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
