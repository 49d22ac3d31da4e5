//! `cadmill status`: the state of all work, or the details of one file.

use anyhow::Result;
use cadmill_domain::{
    CadFile, CadFiles, Failure, MediaAsset, MediaAssets as _, TaskKind, Work,
    ledger::{Count, LedgerView as _, Row, RowState},
    pipeline_log::{PipelineEvent, PipelineLog as _},
};
use clap::Args;
use serde_json::json;

use crate::{
    exit::Exit,
    quantity,
    terminal::{output, text::plain},
    wiring::{
        config::DeploymentArguments,
        deployment::{Deployment, with_deployment},
        maintenance,
    },
};

/// How many failures are listed.
const MAX_FAILURES: usize = 20;

#[derive(Debug, Args)]
pub(crate) struct StatusArguments {
    /// The id or the name of a file [default: all files].
    #[arg(value_name = "ID")]
    file: Option<String>,
    /// Prints one JSON object.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    deployment: DeploymentArguments,
}

pub(crate) fn run(arguments: &StatusArguments) -> Result<Exit> {
    with_deployment(&arguments.deployment, async |deployment| {
        match &arguments.file {
            None => show_all(deployment, arguments.json).await,
            Some(file) => show_file(deployment, file, arguments.json).await,
        }
    })
}

async fn show_all(deployment: &Deployment, as_json: bool) -> Result<Exit> {
    let counts = deployment.store.stats().await?;
    let failures = deployment.store.failures(None, MAX_FAILURES + 1).await?;
    let sweep = deployment.store.last_sweep().await?;
    if as_json {
        let failures: Vec<_> = failures
            .iter()
            .map(|(work, failure)| json!({"work": work, "failure": failure}))
            .collect();
        output::line(&json!({"counts": counts, "failures": failures, "sweep": sweep}).to_string())?;
        return Ok(Exit::Ok);
    }
    output::line(&table(&counts))?;
    for (work, failure) in failures.iter().take(MAX_FAILURES) {
        let file = CadFiles::get(&*deployment.store, work.cad_file_id).await?;
        let name = file.map_or_else(String::new, |file| format!(" ({})", plain(&file.name)));
        output::line(&describe_failure(*work, &name, failure))?;
    }
    if failures.len() > MAX_FAILURES {
        output::line("… and more failures")?;
    }
    if let Some(sweep) = sweep.filter(|sweep| sweep.unconfirmed > 0) {
        let text = format!("blobs: {}", maintenance::needs_confirmation(&sweep));
        output::line(&text)?;
    }
    Ok(Exit::Ok)
}

fn table(counts: &[Count]) -> String {
    let states = [
        RowState::Queued,
        RowState::Running,
        RowState::Idle,
        RowState::Failed,
        RowState::Cancelled,
    ];
    let head: String = states
        .map(|state| format!("{:>10}", state.as_str()))
        .concat();
    let row = |kind: TaskKind| {
        let cells = states.map(|state| {
            let is_cell = |count: &&Count| count.kind == kind && count.state == state;
            let rows = counts.iter().find(is_cell).map_or(0, |count| count.rows);
            format!("{rows:>10}")
        });
        format!("\n{:<14}{}", kind.as_str(), cells.concat())
    };
    format!("{:<14}{head}{}", "", TaskKind::ALL.map(row).concat())
}

fn describe_failure(work: Work, name: &str, failure: &Failure) -> String {
    let (code, text) = (failure.code, plain(&failure.to_string()));
    format!("{work}{name}: {code}: {text} {}", code.remedy())
}

async fn show_file(deployment: &Deployment, id_or_name: &str, as_json: bool) -> Result<Exit> {
    let file = deployment.find(id_or_name).await?;
    let rows = deployment.store.rows(file.id).await?;
    let assets = deployment.store.of_file(file.id).await?;
    let is_current = |asset: &MediaAsset| rows.iter().any(|(_, row)| row.asset == Some(asset.id));
    let media: Vec<_> = assets.into_iter().filter(is_current).collect();
    let events = deployment.store.timeline(file.id).await?;
    if as_json {
        let rows: serde_json::Map<_, _> = rows
            .iter()
            .map(|(kind, row)| (kind.to_string(), json!(row)))
            .collect();
        let details = json!({"file": file, "work": rows, "media": media, "timeline": events});
        output::line(&details.to_string())?;
        return Ok(Exit::Ok);
    }
    output::line(&details(&file, &rows, &media, &events))?;
    Ok(Exit::Ok)
}

fn details(
    file: &CadFile,
    rows: &[(TaskKind, Row)],
    media: &[MediaAsset],
    events: &[PipelineEvent],
) -> String {
    let mut lines = vec![
        format!("{}  {}", file.id, plain(&file.name)),
        format!(
            "  sha256 {}, {} bytes",
            file.source.sha256, file.source.bytes
        ),
        format!("  changed {}", file.updated_at),
    ];
    for (kind, row) in rows {
        let progress = row.progress.as_ref().map_or_else(String::new, |progress| {
            format!(", {} {:.0} %", progress.phase, progress.fraction * 100.0)
        });
        let worker = match (&row.worker, row.state) {
            (Some(worker), RowState::Running) => format!(" by {worker}"),
            _ => String::new(),
        };
        let asset = media.iter().find(|asset| row.asset == Some(asset.id));
        let asset = asset.map_or_else(String::new, |asset| {
            let size = quantity::format_bytes(asset.blob.bytes);
            format!(", asset {} ({size})", asset.id)
        });
        let state = row.state.as_str();
        lines.push(format!("  {kind}: {state}{worker}{progress}{asset}"));
        if let Some(failure) = &row.failure {
            let text = plain(&failure.to_string());
            lines.push(format!(
                "    {}: {text} {}",
                failure.code,
                failure.code.remedy()
            ));
        }
    }
    for event in events {
        let (step, kind) = (event.event.task.step_name(), event.event.event.as_str());
        let result = plain(&event.event.result.to_string());
        lines.push(format!("  {} {kind} {step} {result}", event.at));
    }
    lines.join("\n")
}
