//! `cadmill convert`: files and folders into media.

pub(crate) mod inputs;
mod plan;
mod progress;
pub(crate) mod report;

use std::{num::NonZero, panic::AssertUnwindSafe, path::Path, sync::Arc};

use anyhow::{Context as _, Result};
use cadmill_domain::{Failure, FailureCode, MaterialMaps, MediaKind, Recipe};
use cadmill_pipeline::{Conversion, ProcessTessellator, Target};
use futures_util::FutureExt as _;
use tokio::task::JoinSet;

use self::{
    inputs::Inputs,
    progress::Progress,
    report::{Outcome, Report},
};
use crate::{
    cli::ConvertArguments,
    exit::{Exit, Misuse},
    interrupt::Interrupt,
    machine, materials, tessellator,
};

/// Converts everything that is asked for.
pub(crate) fn run(arguments: &ConvertArguments) -> Result<Exit> {
    let recipe = arguments.recipe.recipe();
    let recipe = recipe.map_err(|error| Misuse(error.to_string()))?;
    let materials = arguments.materials.as_deref().map(materials::read);
    let materials = materials.transpose()?.unwrap_or_default();
    let inputs = Inputs::find(&arguments.inputs);
    let targets = plan::targets(&inputs.files, &arguments.output);
    let runner = TaskRunner::new(arguments, recipe, materials, inputs.files.len());

    let planned = inputs.files.len() + inputs.unreadable.len() + inputs.empty.len();
    let mut report = Report::new(arguments.json, planned);
    for (path, why) in inputs.unreadable {
        report.add(refused(&path, FailureCode::Unreadable, &why))?;
    }
    for path in inputs.empty {
        let why = "There is no *.step, *.stp or *.p21 file below this folder.";
        report.add(refused(&path, FailureCode::Unreadable, why))?;
    }
    let sources = inputs.files.into_iter().map(|input| input.path);
    let runtime = machine::runtime()?;
    let interrupted = runtime.block_on(runner.convert(sources.zip(targets), &mut report))?;
    // All media are written or given up by now; only the reading of an input can still hang, on a
    // share that does not answer, and it must not keep the command from its end.
    runtime.shutdown_background();
    report.finish(interrupted)
}

/// A folder that nothing can be made of.
fn refused(path: &Path, code: FailureCode, why: &str) -> Outcome {
    Outcome {
        input: path.to_owned(),
        target: Target {
            folder: path.to_owned(),
            stem: path.as_os_str().to_owned(),
        },
        ended: Err(Failure::new(code, why)),
    }
}

/// What all conversions of a run have in common.
#[derive(Debug)]
struct TaskRunner {
    tessellator: Arc<ProcessTessellator>,
    jobs: usize,
    /// Complete but for its source and target.
    conversion: Conversion,
    files: usize,
}

impl TaskRunner {
    fn new(
        arguments: &ConvertArguments,
        recipe: Recipe,
        materials: MaterialMaps,
        files: usize,
    ) -> Self {
        let cores = machine::cores();
        // Jobs that have nothing to do shall not keep threads and memory from the others.
        let useful = NonZero::new(files).unwrap_or(cores);
        let jobs = arguments.jobs.unwrap_or(cores).min(useful);
        let memory = arguments.memory;
        Self {
            tessellator: Arc::new(tessellator::find().require_sandbox(arguments.require_sandbox)),
            jobs: jobs.get(),
            conversion: Conversion {
                source: Path::new("").to_owned(),
                target: Target {
                    folder: arguments.output.clone(),
                    stem: "".into(),
                },
                kinds: arguments
                    .kinds
                    .iter()
                    .copied()
                    .map(MediaKind::from)
                    .collect(),
                recipe,
                materials: Arc::new(materials),
                loose_layers: arguments.usd_layers,
                afresh: arguments.force,
                timeout: arguments.timeout,
                memory_bytes: memory.unwrap_or_else(|| machine::memory_per_job(jobs)),
                threads: (cores.get() / jobs.get()).max(1),
            },
            files,
        }
    }

    /// Converts the files, so many at once; whether it was interrupted.
    async fn convert(
        &self,
        files: impl Iterator<Item = (std::path::PathBuf, Target)>,
        report: &mut Report,
    ) -> Result<bool> {
        let interrupt = Interrupt::listen().context("Ctrl-C cannot be listened for")?;
        let progress = Progress::new(self.files);
        let mut running = JoinSet::new();
        for (index, (source, target)) in files.enumerate() {
            if running.len() >= self.jobs {
                next(&mut running, &progress, report).await?;
            }
            if interrupt.is_asked_for() {
                break;
            }
            let on_its_way = progress.begin(index + 1, &source.to_string_lossy());
            let conversion = Conversion {
                source,
                target,
                ..self.conversion.clone()
            };
            let tessellator = Arc::clone(&self.tessellator);
            let cancelled = interrupt.cancelled();
            running.spawn(async move {
                let run = conversion.run(&*tessellator, on_its_way, cancelled);
                // A defect of ours must not take the other files with it.
                let ended = AssertUnwindSafe(run).catch_unwind().await;
                let ended = ended.unwrap_or_else(|_| {
                    let detail = "The converter itself failed on it.";
                    Err(Failure::new(FailureCode::OutputInvalid, detail))
                });
                Outcome {
                    input: conversion.source,
                    target: conversion.target,
                    ended,
                }
            });
        }
        while !running.is_empty() {
            next(&mut running, &progress, report).await?;
        }
        progress.finish();
        Ok(interrupt.is_asked_for())
    }
}

/// Waits for one of the running conversions and reports what became of it.
async fn next(
    running: &mut JoinSet<Outcome>,
    progress: &Progress,
    report: &mut Report,
) -> Result<()> {
    match running.join_next().await {
        Some(outcome) => {
            let outcome = outcome.context("a conversion broke down")?;
            progress.done(|| report.add(outcome))
        }
        None => Ok(()),
    }
}
