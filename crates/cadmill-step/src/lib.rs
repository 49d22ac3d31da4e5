//! Reads STEP files (ISO 10303-21, "Part 21") without a geometry kernel: header, schema, length
//! unit, product tree, geometry counts, and the SHA-256 of the bytes.
//!
//! [`inspect`] summarises any reader, [`inspect_path`] a file; both return a [`StepSummary`].
//! [`ExternalNames`] copies a file without its references to other files. Lengths are in the unit
//! of the file; [`LengthUnit`] gives its size in metres.
//!
//! Files of any size are streamed in one pass. Memory grows with the product structure; for
//! geometry, only one bit per instance is kept, to detect duplicate and undefined instance names. A
//! file that is incomplete or unusable is refused with a [`StepError`] that names the line.
//!
//! ```
//! let text = b"ISO-10303-21; HEADER; FILE_SCHEMA(('AUTOMOTIVE_DESIGN')); ENDSEC;
//! DATA; #1=PRODUCT('p1','Geh\\X\\E4use','',()); #2=CLOSED_SHELL('',()); ENDSEC; END-ISO-10303-21;";
//! let summary = cadmill_step::inspect(&text[..])?;
//! for product in &summary.products {
//!     println!("{}: {} occurrences", product.name, product.occurrences);
//! }
//! assert_eq!(summary.products[0].name, "Gehäuse");
//! assert_eq!(summary.geometry.shells, 1);
//! # Ok::<(), cadmill_step::StepError>(())
//! ```
//!
//! # Geometry
//!
//! A file is refused as having no geometry only if it contains none of these: faces, shells and
//! solids (boundary representation, CSG and swept), surface and wireframe models, geometric sets,
//! bounded curves and surfaces, and tessellated items. Points, placements, directions, and
//! unbounded curves and surfaces do not count. Whether the geometry can be meshed is up to the
//! kernel.
//!
//! # Leniency
//!
//! Unknown entities, keywords in lower case, a byte order mark, bytes before the start mark and
//! after the end mark, apostrophes that are not doubled, missing `;` and malformed records are
//! tolerated. [`StepSummary::warnings`] reports the last three, as well as references to undefined
//! instances.
//!
//! # Other files
//!
//! Other files are never opened. [`StepSummary::missing_geometry`] lists the files that hold
//! geometry of this one: documents assigned to a product without geometry of its own (by an applied
//! document reference, associated documents or an external definition; curves alone do not count),
//! externally defined representations, references to product definitions, and entries of the
//! reference section that the data section uses.
//!
//! # Strings
//!
//! The control directives `\X2\…\X0\`, `\X4\…\X0\`, `\X\hh`, `\S\c` and `\P?\` are decoded. Bytes
//! above 0x7F are read as UTF-8 if the whole string is valid UTF-8, and as Latin-1 otherwise.

mod collector;
mod entity;
mod error;
mod external;
mod facts;
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
