//! `cadmill inspect`: what STEP files contain.

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
};

use anyhow::Result;
use cadmill_domain::Failure;
use cadmill_step::{ProductKind, StepSummary, inspect_path};
use clap::Args;
use serde_json::json;

use crate::{
    exit::Exit,
    quantity,
    terminal::{
        failure::FailureParagraph,
        output,
        text::{counted, plain},
    },
};

/// How many products are listed.
const MAX_PRODUCTS: usize = 40;

#[derive(Debug, Args)]
pub(crate) struct InspectArguments {
    /// STEP files.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Prints one JSON object per file.
    #[arg(long)]
    json: bool,
}

/// Inspects each file; one that is refused does not stop the others.
pub(crate) fn run(arguments: &InspectArguments) -> Result<Exit> {
    let mut failed = 0;
    for file in &arguments.files {
        let inspected = inspect_path(file).map_err(Failure::from);
        failed += usize::from(inspected.is_err());
        let text = match (inspected, arguments.json) {
            (Ok(summary), false) => describe(file, &summary),
            (Err(failure), false) => FailureParagraph {
                file,
                failure: &failure,
            }
            .to_string(),
            (Ok(summary), true) => {
                json!({"file": file.to_string_lossy(), "status": "ok", "step": summary}).to_string()
            }
            (Err(failure), true) => json!({
                "file": file.to_string_lossy(),
                "status": "failed",
                "failure": failure,
                "sentence": failure.code.sentence(),
                "remedy": failure.code.remedy(),
            })
            .to_string(),
        };
        output::line(&text)?;
    }
    Ok(Exit::after(arguments.files.len() - failed, failed))
}

fn describe(file: &Path, step: &StepSummary) -> String {
    let mut text = plain(&file.to_string_lossy());
    let mut line = |name: &str, value: String| {
        if !value.is_empty() {
            // Writing into a string cannot fail.
            let _ = write!(text, "\n  {name:<14}{value}");
        }
    };
    let (header, counts, geometry) = (&step.header, &step.counts, &step.geometry);
    line("size", size(step));
    line("sha256", step.hash.to_string());
    line("schema", schema(step));
    line("unit", unit(step));
    line("name", plain(&header.name));
    line("description", list(&header.description));
    line("author", list(&header.author));
    line("organization", list(&header.organization));
    line("system", plain(&header.originating_system));
    line("preprocessor", plain(&header.preprocessor));
    line("time stamp", plain(&header.time_stamp));
    line(
        "structure",
        format!(
            "{} in {}, {} {} in {}, {} deep",
            counted(counts.parts, "part"),
            counted(counts.part_occurrences, "occurrence"),
            counts.assemblies,
            if counts.assemblies == 1 {
                "assembly"
            } else {
                "assemblies"
            },
            counted(counts.assembly_occurrences, "occurrence"),
            counted(counts.depth, "level"),
        ),
    );
    let geometry = [
        (geometry.solids, "solid"),
        (geometry.shells, "shell"),
        (geometry.faces, "face"),
        (geometry.tessellated, "tessellated item"),
        (geometry.other, "other item"),
    ];
    let geometry: Vec<_> = geometry
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|&(count, noun)| counted(count, noun))
        .collect();
    line("geometry", geometry.join(", "));
    line("other files", list(&step.external_files));
    for warning in &step.warnings {
        line("warning", plain(warning));
    }
    for product in step.products.iter().take(MAX_PRODUCTS) {
        let kind = match product.kind {
            ProductKind::Part => "part",
            ProductKind::Assembly => "assembly",
        };
        let (id, name) = (plain(&product.id), plain(&product.name));
        let id = if id == name {
            String::new()
        } else {
            format!(" ({id})")
        };
        line(kind, format!("{:>4} × {name}{id}", product.occurrences));
    }
    if let Some(more @ 1..) = step.products.len().checked_sub(MAX_PRODUCTS) {
        line("", format!("and {more} more; --json lists all"));
    }
    text
}

fn size(step: &StepSummary) -> String {
    format!(
        "{}, {}, {}",
        quantity::format_bytes(step.bytes),
        counted(step.lines, "line"),
        counted(step.instances, "instance"),
    )
}

fn schema(step: &StepSummary) -> String {
    let names = list(&step.schema.names);
    match step.schema.protocol {
        Some(protocol) => format!("{protocol}: {names}"),
        None => names,
    }
}

fn unit(step: &StepSummary) -> String {
    let Some(unit) = &step.length_unit else {
        return "none".to_owned();
    };
    format!("{} ({} m)", plain(&unit.name), unit.metres)
}

fn list(texts: &[String]) -> String {
    let texts = texts.iter().filter(|text| !text.trim().is_empty());
    plain(&texts.cloned().collect::<Vec<_>>().join(", "))
}
