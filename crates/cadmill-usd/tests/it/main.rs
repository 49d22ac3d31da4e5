//! Reads back what was written, according to the file formats.

mod layers;
mod master;
mod packages;
mod reader;
