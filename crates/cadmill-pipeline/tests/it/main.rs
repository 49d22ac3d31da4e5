//! The pipeline against a stand-in for the tessellator; its tasks and its worker on fakes.

mod cleanup;
mod confinement;
mod convert;
mod counted;
mod endings;
mod exactly_once;
mod failures;
mod kernel;
mod leases;
mod mill;
mod outcomes;
mod overheard;
mod plant;
mod release;
mod scratch;
mod stopping;
mod unreliable;
mod worker;
