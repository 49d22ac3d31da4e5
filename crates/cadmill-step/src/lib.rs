//! Reads what a STEP file (ISO 10303-21, "Part 21") holds, without a geometry kernel: header,
//! schema, length unit, product tree, how much geometry there is, and the SHA-256 of its bytes.
//!
//! A file of any size is streamed once. What is kept grows with the product structure; of the
//! geometry only one bit per instance name is kept, to find names that are defined twice or not at
//! all. What cannot be a whole, usable STEP file is refused before a kernel is started.
//!
//! ```
//! let text = b"ISO-10303-21; HEADER; FILE_SCHEMA(('AUTOMOTIVE_DESIGN')); ENDSEC;
//! DATA; #1=PRODUCT('p1','Geh\\X\\E4use','',()); #2=CLOSED_SHELL('',()); ENDSEC; END-ISO-10303-21;";
//! let summary = cadmill_step::inspect(&text[..])?;
//! assert_eq!(summary.products[0].name, "Gehäuse");
//! # Ok::<(), cadmill_step::StepError>(())
//! ```
//!
//! # What counts as geometry
//!
//! A file is refused for want of geometry only if it has none of these: faces, shells and solids
//! (boundary representation, CSG and swept), surface and wireframe models, geometric sets, bounded
//! curves and surfaces, and tessellated items. Points, placements, directions and unbounded curves
//! and surfaces alone are no geometry. Whether a mesh comes out of it is the kernel's to say.
//!
//! # Where it is lenient
//!
//! Unknown entities, lower-case keywords, a byte order mark, bytes before the start mark and after
//! the end mark, an apostrophe that was not doubled, a missing `;` and malformed records are
//! tolerated; the last three are reported in [`StepSummary::warnings`], as are references to
//! instances that do not exist.
//!
//! # Other files
//!
//! No other file is ever opened. [`StepSummary::missing_geometry`] lists the files in which geometry
//! of this one lies: those that are assigned to a product without geometry of its own (by an applied
//! document reference, associated documents or an external definition; curves alone are no shape),
//! externally defined representations, references to product definitions, and entries of the
//! reference section that the data need. [`ExternalNames`] makes a copy that refers to no other file.
//!
//! # Text
//!
//! The control directives `\X2\…\X0\`, `\X4\…\X0\`, `\X\hh`, `\S\c` and `\P?\` are decoded. Bytes
//! above 0x7F are read per string: as UTF-8 if the whole string is valid UTF-8, else as Latin-1.

mod entity;
mod error;
mod external;
mod harvest;
mod header;
mod id_set;
mod inspect;
mod lexer;
mod preamble;
mod product_tree;
mod record;
mod schema;
mod shapes;
pub mod strings;
mod strip;
mod summary;
mod units;

pub use error::StepError;
pub use header::StepHeader;
pub use inspect::{inspect, inspect_path};
pub use lexer::MAX_NESTING;
pub use product_tree::{Product, ProductIndex, ProductKind, ProductOccurrence, TreeCounts};
pub use schema::{ApplicationProtocol, StepSchema};
pub use strip::ExternalNames;
pub use summary::{GeometryCounts, InstanceId, StepSummary};
pub use units::LengthUnit;
