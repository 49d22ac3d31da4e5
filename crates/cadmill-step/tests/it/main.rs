//! The reader from outside: what it accepts, what it refuses, and that nothing makes it panic.

mod accepts;
mod damage;
mod external;
mod invariants;
mod real_files;
mod refuses;

/// A small assembly, written by hand.
const ASSEMBLY: &[u8] = include_bytes!("../samples/assembly.step");

/// All that is allowed and all that is tolerated, in one file.
const ODD: &[u8] = include_bytes!("../samples/odd.step");
