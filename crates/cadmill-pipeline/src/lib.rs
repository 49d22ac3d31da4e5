//! Runs the mill: the tessellator as a child process, the conversion of one file into its media,
//! and the tasks and workers that make the media of many, each exactly once.

mod backoff;
mod coarser;
mod convert;
mod deadline;
mod failpoint;
mod health;
mod meter;
mod metrics;
mod passed_over;
mod process;
mod recovery;
#[cfg(feature = "redis")]
mod redis;
mod runner;
mod scratch;
mod slots;
mod tasks;
mod unsent;
mod verify;
mod worker;

pub use convert::{
    CONVERTER, Conversion, ConversionProgress, ConversionTimings, Converted, Medium, Origin,
    Record, Stage, Target,
};
pub use failpoint::Failpoint;
pub use health::{LockCheck, TessellatorCheck};
pub use metrics::describe_metrics;
pub use process::{ProcessTessellator, SandboxReport};
#[cfg(feature = "redis")]
pub use redis::RedisNotifier;
pub use runner::{Records, TaskError, TaskRunner, TaskRunnerSettings};
pub use scratch::Scratch;
pub use verify::{Fault, Finding, Verified, Verifier};
pub use worker::{Worker, WorkerSettings};

/// The examples in the README compile.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
