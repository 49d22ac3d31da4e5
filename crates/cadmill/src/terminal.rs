//! What people see: text on standard output, and progress on standard error.

pub(crate) mod failure;
pub(crate) mod output;
pub(crate) mod progress;
pub(crate) mod text;
