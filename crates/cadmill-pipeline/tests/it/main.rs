//! The pipeline against a stand-in for the tessellator; its tasks and its worker on fakes.

mod cleanup;
mod coarser;
mod confinement;
mod confirmations;
mod convert;
mod counted;
mod endings;
mod exactly_once;
mod failures;
mod harness;
mod health;
mod input;
mod kernel;
mod leases;
mod loss;
mod outcomes;
mod overheard;
mod publishing;
mod redis;
mod release;
mod scratch;
mod stopping;
mod test_folder;
mod unreliable;
mod unsent;
mod worker;
