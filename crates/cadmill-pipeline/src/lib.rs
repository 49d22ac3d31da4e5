//! Runs the mill: the tessellator as a child process.

mod process;

pub use process::ProcessTessellator;
