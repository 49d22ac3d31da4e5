//! The pipeline against a stand-in for the tessellator.

mod cleanup;
mod confinement;
mod convert;
mod endings;
mod mill;
