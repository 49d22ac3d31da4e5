//! Runs the mill: the tessellator as a child process, and the conversion of one file into its media.

mod convert;
mod process;

pub use convert::{
    CONVERTER, Conversion, ConversionProgress, ConversionTimings, Converted, Medium, Origin,
    Record, Stage, Target,
};
pub use process::ProcessTessellator;

/// The examples in the README compile.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
