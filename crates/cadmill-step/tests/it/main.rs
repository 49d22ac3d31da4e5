//! Tests of the public API: accepted and refused files, references to other files, and robustness.

mod accepts;
mod damage;
mod external;
mod invariants;
mod real_files;
mod refuses;

/// A small handwritten assembly.
const ASSEMBLY: &[u8] = include_bytes!("../samples/assembly.step");

/// Everything unusual that is allowed or tolerated, in one file.
const ODD: &[u8] = include_bytes!("../samples/odd.step");
