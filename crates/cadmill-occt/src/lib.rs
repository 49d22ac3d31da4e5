//! Open CASCADE, and all that links it: reading STEP files and meshing what they hold.
//!
//! The kernel crashes on bad input, so nothing but the programs of this crate uses it, and those
//! run as child processes.

mod assemble;
mod encoding;
pub mod kernel;
mod meshing;
mod protocol;
pub mod sandbox;
pub mod tessellate;
