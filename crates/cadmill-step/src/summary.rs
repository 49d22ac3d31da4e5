//! The summary of a file.

use std::fmt;

use cadmill_domain::{ContentHash, ExternalReferences, MissingGeometry};
use serde::{Deserialize, Serialize};

use crate::{LengthUnit, Product, ProductOccurrence, StepHeader, StepSchema, TreeCounts};

/// The name of an instance: 12 for `#12`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct InstanceId(pub u64);

impl fmt::Display for InstanceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

/// The summary of a STEP file.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct StepSummary {
    /// SHA-256 of the file.
    pub hash: ContentHash,
    /// Size in bytes.
    pub bytes: u64,
    /// Number of lines.
    pub lines: u64,
    /// Number of instances in all data sections.
    pub instances: u64,
    /// The header section.
    pub header: StepHeader,
    /// The schema and its application protocol.
    pub schema: StepSchema,
    /// The length unit that most contexts assign, or `None` if no context assigns one.
    pub length_unit: Option<LengthUnit>,
    /// The distinct products in file order, without documents.
    pub products: Vec<Product>,
    /// The usages of products in assemblies, in file order. Each usage is listed once, however
    /// often its assembly occurs.
    pub occurrences: Vec<ProductOccurrence>,
    /// The size of the product tree when it is expanded from its roots.
    pub counts: TreeCounts,
    /// The number of geometric entities.
    pub geometry: GeometryCounts,
    /// The names of other files that this one refers to, as far as they are given, without
    /// duplicates.
    pub external_files: Vec<String>,
    /// Whether any record names another file; see [`ExternalNames`](crate::ExternalNames).
    pub names_other_files: bool,
    /// Geometry in other files, in the order of the references.
    pub missing_geometry: Vec<MissingGeometry>,
    /// Problems that were tolerated, as sentences.
    pub warnings: Vec<String>,
}

impl StepSummary {
    /// Returns the references to other files, for the tessellator.
    #[must_use]
    pub fn external_references(&self) -> ExternalReferences {
        ExternalReferences {
            present: self.names_other_files,
            missing: self.missing_geometry.clone(),
        }
    }
}

/// The number of geometric entities. Each instance counts once, however often it is used.
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
    /// Whether there is no geometry.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
