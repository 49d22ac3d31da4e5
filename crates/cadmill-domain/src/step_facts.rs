//! What `process_step_file` finds in a STEP file.
//!
//! The JSON is that of `cadmill inspect --json`. These types are facts for people and for later
//! tasks; the reader has its own model and converts it.

use serde::{Deserialize, Serialize};

use crate::{ContentHash, ExternalReferences, MissingGeometry};

/// The facts about a STEP file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepFacts {
    /// SHA-256 of all its bytes.
    pub hash: ContentHash,
    /// Its size in bytes.
    pub bytes: u64,
    /// The number of lines.
    pub lines: u64,
    /// The number of instances in all data sections.
    pub instances: u64,
    /// The header section.
    pub header: HeaderFacts,
    /// The schema, and the application protocol that it belongs to.
    pub schema: SchemaFacts,
    /// The unit of length that most contexts assign, if any does.
    pub length_unit: Option<LengthUnitFacts>,
    /// The distinct products, in the order of the file, without documents.
    pub products: Vec<ProductFacts>,
    /// The uses of products in assemblies, in the order of the file. A use is listed once, however
    /// often the assembly itself is used.
    pub occurrences: Vec<OccurrenceFacts>,
    /// The size of the product tree.
    pub counts: TreeFacts,
    /// The amount of geometry.
    pub geometry: GeometryFacts,
    /// The names of other files that this one refers to, each once.
    pub external_files: Vec<String>,
    /// Whether any record names another file.
    pub names_other_files: bool,
    /// Geometry that lies in other files.
    pub missing_geometry: Vec<MissingGeometry>,
    /// Oddities that are not fatal, as whole sentences.
    pub warnings: Vec<String>,
}

impl StepFacts {
    /// The references to other files, for the tessellator.
    #[must_use]
    pub fn external_references(&self) -> ExternalReferences {
        ExternalReferences {
            present: self.names_other_files,
            missing: self.missing_geometry.clone(),
        }
    }
}

/// The header section (ISO 10303-21, 8.2). Missing texts are empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeaderFacts {
    /// The name that the file had when it was written.
    pub name: String,
    /// The description, without blank entries.
    pub description: Vec<String>,
    /// The edition and conformance class of Part 21, for example `2;1`.
    pub implementation_level: String,
    /// When it was written, as the file says; mostly ISO 8601.
    pub time_stamp: String,
    /// The authors, without blank entries.
    pub author: Vec<String>,
    /// The organizations, without blank entries.
    pub organization: Vec<String>,
    /// The program that wrote the exchange structure.
    pub preprocessor: String,
    /// The system that the model comes from.
    pub originating_system: String,
    /// The person who authorized the file.
    pub authorization: String,
}

/// The entries of `FILE_SCHEMA`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SchemaFacts {
    /// The entries, with their object identifiers.
    pub names: Vec<String>,
    /// The application protocol of the first entry that is recognised, such as `AP242`.
    pub protocol: Option<String>,
}

/// A unit of length.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LengthUnitFacts {
    /// In lower case, such as `millimetre` or `inch`.
    pub name: String,
    /// Its length in metres.
    pub metres: f64,
}

/// A distinct product.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProductFacts {
    /// The number of its `PRODUCT` instance: the 12 of `#12`.
    pub instance: u64,
    /// Its identifier.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its description; often empty.
    pub description: String,
    /// Whether it is a part or an assembly.
    pub kind: ProductKind,
    /// The number of its occurrences in the expanded tree; saturates.
    pub occurrences: u64,
}

/// Whether a product contains other products.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProductKind {
    /// It contains none.
    Part,
    /// It contains others.
    Assembly,
}

/// A use of a product in an assembly.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OccurrenceFacts {
    /// The number of its `NEXT_ASSEMBLY_USAGE_OCCURRENCE` instance.
    pub instance: u64,
    /// The assembly: a position in [`StepFacts::products`].
    pub parent: usize,
    /// The product that is used: a position in [`StepFacts::products`].
    pub child: usize,
    /// Its identifier.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The reference designator, such as `R12`; empty if there is none.
    pub reference_designator: String,
}

/// The size of the product tree, expanded from its roots. All counts saturate.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TreeFacts {
    /// Distinct products that contain no others.
    pub parts: u64,
    /// Distinct products that contain others.
    pub assemblies: u64,
    /// Distinct products that no other contains.
    pub roots: u64,
    /// Occurrences of parts.
    pub part_occurrences: u64,
    /// Occurrences of assemblies, roots included.
    pub assembly_occurrences: u64,
    /// The number of products on the longest path from a root to a leaf.
    pub depth: u64,
    /// Uses that close a cycle; they are in no other count.
    pub cyclic: u64,
}

/// The amount of geometry, each instance counted once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GeometryFacts {
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
