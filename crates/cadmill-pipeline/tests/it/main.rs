//! The pipeline against a stand-in for the tessellator.

mod cleanup;
mod confinement;
mod endings;
mod mill;
