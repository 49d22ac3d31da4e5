//! What is written is read back by the rules of the formats.

mod layers;
mod master;
mod packages;
mod reader;
