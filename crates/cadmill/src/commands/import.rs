//! `cadmill import`: imports STEP files, each once.

use std::path::{Path, PathBuf};

use anyhow::Result;
use cadmill_domain::{
    CadFileId, CadFiles as _, NewCadFile,
    blobs::{BlobRefs as _, keep_file},
    cad_file::FileChange,
    ledger::{LedgerView as _, Priority, Request, RowState, WorkRequests as _},
};
use clap::Args;
use serde::Serialize;

use crate::{
    exit::Exit,
    inputs::{Input, Inputs},
    terminal::{output, text::plain_path},
    wiring::{
        config::{Config, DeploymentArguments},
        deployment::{Deployment, with_deployment_of},
        idle::{WaitArguments, wait_until_idle},
    },
};

#[derive(Debug, Args)]
#[command(after_help = "\
The name of a file is its file name, or its path below the named folder. If a file of this name
exists with the same bytes, nothing happens; with other bytes, it gets a new revision, and its media
are made again.")]
pub(crate) struct ImportArguments {
    /// STEP files; a folder stands for every *.step, *.stp and *.p21 file below it.
    #[arg(required = true, value_name = "DIR")]
    inputs: Vec<PathBuf>,
    /// Only adds new files; `generate-missing` queues their media later.
    #[arg(long, conflicts_with = "wait")]
    later: bool,
    /// Prints one JSON object.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    wait: WaitArguments,
    #[command(flatten)]
    deployment: DeploymentArguments,
}

/// How many files had which outcome.
#[derive(Debug, Default, Serialize)]
struct Counts {
    /// New files.
    added: u64,
    /// Files that existed with other bytes.
    changed: u64,
    /// Files that existed with the same bytes.
    unchanged: u64,
    /// Files that could not be read or stored.
    refused: u64,
    /// Files whose work failed while the command waited.
    #[serde(skip_serializing_if = "Option::is_none")]
    failed: Option<u64>,
}

/// The outcome of one file.
enum Outcome {
    Added(CadFileId),
    Changed(CadFileId),
    Unchanged,
}

pub(crate) fn run(arguments: &ImportArguments) -> Result<Exit> {
    let config = Config::load_with_slots(&arguments.deployment, arguments.wait.slots)?;
    let inputs = Inputs::find(&arguments.inputs);
    with_deployment_of(config, async |deployment| {
        import(arguments, deployment, inputs).await
    })
}

async fn import(
    arguments: &ImportArguments,
    deployment: &mut Deployment,
    inputs: Inputs,
) -> Result<Exit> {
    deployment.own_blobs().await?;
    let mut counts = Counts::default();
    let mut ids = Vec::new();
    for (path, reason) in &inputs.unreadable {
        refuse(&mut counts, path, reason);
    }
    for path in &inputs.empty {
        let reason = "there is no *.step, *.stp or *.p21 file below this folder";
        refuse(&mut counts, path, reason);
    }
    for input in &inputs.files {
        match import_file(deployment, input, arguments.later).await {
            Ok(Outcome::Added(id)) => {
                counts.added += 1;
                ids.push(id);
            }
            Ok(Outcome::Changed(id)) => {
                counts.changed += 1;
                ids.push(id);
            }
            Ok(Outcome::Unchanged) => counts.unchanged += 1,
            Err(error) => refuse(&mut counts, &input.path, &format!("{error:#}")),
        }
    }
    let mut is_done = true;
    if arguments.wait.wait {
        is_done = wait_until_idle(deployment, "`cadmill import --wait`").await?;
        counts.failed = Some(count_failed(deployment, &ids).await?);
    }
    print(&counts, arguments.json)?;
    if !is_done {
        return Ok(Exit::Interrupted);
    }
    let succeeded = counts.added + counts.changed + counts.unchanged;
    let failed = counts.refused + counts.failed.unwrap_or(0);
    Ok(Exit::after(succeeded as usize, failed as usize))
}

async fn import_file(deployment: &Deployment, input: &Input, later: bool) -> Result<Outcome> {
    let file_name = input.path.file_name().unwrap_or_default();
    let name = input
        .relative
        .join(file_name)
        .to_string_lossy()
        .into_owned();
    let store = &deployment.store;
    let source = keep_file(&*deployment.blobs, &**store, &input.path).await?;
    let request = Request {
        priority: Priority::Asked,
        ..Request::BULK
    };
    match store.named(&name).await? {
        Some(file) if file.source == source.blob() => {
            // Its bytes may have been lost since it was imported.
            store.blob_found(file.source.sha256).await?;
            if let Some(intent) = source.intent() {
                store.withdraw(intent).await?;
            }
            Ok(Outcome::Unchanged)
        }
        Some(file) => {
            store
                .change(file.id, FileChange::Source(source, request), None)
                .await?;
            Ok(Outcome::Changed(file.id))
        }
        None => {
            let file = NewCadFile { name, source };
            let file = store.add(file, (!later).then_some(request)).await?;
            Ok(Outcome::Added(file.id))
        }
    }
}

/// How many of these files have failed work.
async fn count_failed(deployment: &Deployment, ids: &[CadFileId]) -> Result<u64> {
    let mut failed = 0;
    for id in ids {
        let rows = deployment.store.rows(*id).await?;
        if rows.iter().any(|(_, row)| row.state == RowState::Failed) {
            failed += 1;
        }
    }
    Ok(failed)
}

fn refuse(counts: &mut Counts, path: &Path, reason: &str) {
    eprintln!("{}: {reason}", plain_path(path));
    counts.refused += 1;
}

fn print(counts: &Counts, as_json: bool) -> Result<()> {
    if as_json {
        return output::line(&serde_json::to_string(counts)?);
    }
    let Counts {
        added,
        changed,
        unchanged,
        refused,
        failed,
    } = counts;
    let failed = failed.map_or_else(String::new, |failed| format!(", failed {failed}"));
    output::line(&format!(
        "added {added}, changed {changed}, unchanged {unchanged}, refused {refused}{failed}"
    ))
}
