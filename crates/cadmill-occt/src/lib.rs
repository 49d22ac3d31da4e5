//! Reads and meshes STEP files with Open CASCADE. This is the only crate that links it.
//!
//! The kernel crashes on bad input, so it is used only in the programs of this crate, which run as
//! child processes.

mod assemble;
mod encoding;
pub mod kernel;
mod meshing;
mod protocol;
pub mod sandbox;
pub mod tessellate;
