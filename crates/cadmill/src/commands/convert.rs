//! `cadmill convert`: converts files and folders to media.

mod arguments;
mod report;
mod targets;

use std::{
    num::NonZero,
    panic::AssertUnwindSafe,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context as _, Result};
use cadmill_domain::{Failure, FailureCode, MaterialMaps, MediaKind, Recipe};
use cadmill_pipeline::{Conversion, ProcessTessellator, Target};
use futures_util::FutureExt as _;
use tokio::task::JoinSet;

pub(crate) use self::arguments::ConvertArguments;
use self::report::{Outcome, Report};
use crate::{
    exit::{Exit, Misuse},
    inputs::Inputs,
    material_maps,
    terminal::progress::Progress,
    wiring::{interrupt::Interrupt, machine, tessellator},
};

pub(crate) fn run(arguments: &ConvertArguments) -> Result<Exit> {
    let recipe = arguments
        .recipe
        .recipe()
        .map_err(|error| Misuse(error.to_string()))?;
    let materials = arguments.materials.as_deref().map(material_maps::read);
    let materials = materials.transpose()?.unwrap_or_default();
    let inputs = Inputs::find(&arguments.inputs);
    let targets = targets::targets(&inputs.files, &arguments.output);
    let batch = Batch::new(arguments, recipe, materials, inputs.files.len());

    let planned = inputs.files.len() + inputs.unreadable.len() + inputs.empty.len();
    let mut report = Report::new(arguments.json, planned);
    for (path, reason) in inputs.unreadable {
        report.add(refused_folder(&path, &reason))?;
    }
    for path in inputs.empty {
        let reason = "There is no *.step, *.stp or *.p21 file below this folder.";
        report.add(refused_folder(&path, reason))?;
    }
    let sources = inputs.files.into_iter().map(|input| input.path);
    let runtime = machine::runtime()?;
    let interrupted = runtime.block_on(batch.convert(sources.zip(targets), &mut report))?;
    // All media are written or given up by now. A blocked read from a network share must not delay
    // the end.
    runtime.shutdown_background();
    report.finish(interrupted)
}

/// The outcome of a folder without files that can be converted.
fn refused_folder(path: &Path, reason: &str) -> Outcome {
    Outcome {
        input: path.to_owned(),
        target: Target {
            folder: path.to_owned(),
            stem: path.as_os_str().to_owned(),
        },
        result: Err(Failure::new(FailureCode::Unreadable, reason)),
    }
}

/// What all conversions of a run have in common.
#[derive(Debug)]
struct Batch {
    tessellator: Arc<ProcessTessellator>,
    jobs: usize,
    /// Complete except for its source and target.
    conversion: Conversion,
    files: usize,
}

impl Batch {
    fn new(
        arguments: &ConvertArguments,
        recipe: Recipe,
        materials: MaterialMaps,
        files: usize,
    ) -> Self {
        let cores = machine::cores();
        // Threads and memory are shared by the jobs, so there are no more jobs than files.
        let max_jobs = NonZero::new(files).unwrap_or(cores);
        let jobs = arguments.jobs.unwrap_or(cores).min(max_jobs);
        let memory = arguments.memory;
        Self {
            tessellator: Arc::new(tessellator::find().require_sandbox(arguments.require_sandbox)),
            jobs: jobs.get(),
            conversion: Conversion {
                source: PathBuf::new(),
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

    /// Converts the files, and returns whether a signal interrupted it.
    async fn convert(
        &self,
        files: impl Iterator<Item = (PathBuf, Target)>,
        report: &mut Report,
    ) -> Result<bool> {
        let interrupt = Interrupt::listen().context("Ctrl-C cannot be listened for")?;
        let progress = Progress::new(self.files);
        let mut running = JoinSet::new();
        for (index, (source, target)) in files.enumerate() {
            if running.len() >= self.jobs {
                report_next(&mut running, &progress, report).await?;
            }
            if interrupt.is_stopping() {
                break;
            }
            let file_progress = progress.start(index + 1, &source.to_string_lossy());
            let conversion = Conversion {
                source,
                target,
                ..self.conversion.clone()
            };
            let tessellator = Arc::clone(&self.tessellator);
            let cancelled = interrupt.cancelled();
            running.spawn(async move {
                let convert = conversion.run(&*tessellator, file_progress, cancelled);
                // A panic must not end the conversion of the other files.
                let result = AssertUnwindSafe(convert).catch_unwind().await;
                let result = result.unwrap_or_else(|_| {
                    let detail = "The converter itself failed on it.";
                    Err(Failure::new(FailureCode::OutputInvalid, detail))
                });
                Outcome {
                    input: conversion.source,
                    target: conversion.target,
                    result,
                }
            });
        }
        while !running.is_empty() {
            report_next(&mut running, &progress, report).await?;
        }
        progress.finish();
        Ok(interrupt.is_stopping())
    }
}

/// Waits for one of the running conversions, and reports its outcome.
async fn report_next(
    running: &mut JoinSet<Outcome>,
    progress: &Progress,
    report: &mut Report,
) -> Result<()> {
    match running.join_next().await {
        Some(outcome) => {
            let outcome = outcome.context("a conversion was aborted")?;
            progress.finish_file(|| report.add(outcome))
        }
        None => Ok(()),
    }
}
