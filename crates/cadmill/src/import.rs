//! `cadmill import`: brings STEP files in, each once.

use std::path::Path;

use anyhow::Result;
use cadmill_domain::{
    BlobRefs as _, CadFileId, CadFiles as _, Ledger as _, NewCadFile, Priority, Request, RowState,
    keep_file,
};
use serde::Serialize;

use crate::{
    cli::ImportArguments,
    config::Config,
    convert::inputs::{Input, Inputs},
    deployment::Deployment,
    exit::Exit,
    machine, output, waiting,
};

/// What became of the files.
#[derive(Debug, Default, Serialize)]
struct Imported {
    /// Were not there.
    added: u64,
    /// Were there with other bytes.
    changed: u64,
    /// Were there as they are.
    unchanged: u64,
    /// Could not be read or stored.
    refused: u64,
    /// Of those that were waited for, how many failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    failed: Option<u64>,
}

/// What became of one file.
enum Became {
    Added(CadFileId),
    Changed(CadFileId),
    Unchanged,
}

pub(crate) fn run(arguments: &ImportArguments) -> Result<Exit> {
    let config = Config::load(&arguments.deployment)?;
    let inputs = Inputs::find(&arguments.inputs);
    let runtime = machine::runtime()?;
    runtime.block_on(import(arguments, config, inputs))
}

async fn import(arguments: &ImportArguments, config: Config, inputs: Inputs) -> Result<Exit> {
    let mut deployment = Deployment::open(config).await?;
    deployment.own_blobs().await?;
    let mut imported = Imported::default();
    let mut ids = Vec::new();
    for (path, why) in &inputs.unreadable {
        refuse(&mut imported, path, why);
    }
    for path in &inputs.empty {
        let why = "there is no *.step, *.stp or *.p21 file below this folder";
        refuse(&mut imported, path, why);
    }
    for input in &inputs.files {
        match bring_in(&deployment, input, arguments.later).await {
            Ok(Became::Added(id)) => {
                imported.added += 1;
                ids.push(id);
            }
            Ok(Became::Changed(id)) => {
                imported.changed += 1;
                ids.push(id);
            }
            Ok(Became::Unchanged) => imported.unchanged += 1,
            Err(error) => refuse(&mut imported, &input.path, &format!("{error:#}")),
        }
    }
    let mut is_done = true;
    if arguments.wait {
        is_done = waiting::until_idle(&mut deployment, "`cadmill import --wait`").await?;
        imported.failed = Some(failed(&deployment, &ids).await?);
    }
    tell(arguments, &imported)?;
    if !is_done {
        return Ok(Exit::Interrupted);
    }
    let good = imported.added + imported.changed + imported.unchanged;
    let bad = imported.refused + imported.failed.unwrap_or(0);
    Ok(Exit::after(good as usize, bad as usize))
}

async fn bring_in(deployment: &Deployment, input: &Input, later: bool) -> Result<Became> {
    let file_name = input.path.file_name().unwrap_or_default();
    let name = input.relative.join(file_name);
    let name = name.to_string_lossy().into_owned();
    let store = &deployment.store;
    let source = keep_file(&*deployment.blobs, &**store, &input.path).await?;
    let request = Request {
        priority: Priority::Asked,
        ..Request::BULK
    };
    match store.named(&name).await? {
        Some(file) if file.source == source.blob() => {
            // Its bytes may have been lost since it was brought in.
            store.blob_found(file.source.sha256).await?;
            if let Some(intent) = source.intent() {
                store.withdraw(intent).await?;
            }
            Ok(Became::Unchanged)
        }
        Some(file) => {
            store.replace_source(file.id, source, request, None).await?;
            Ok(Became::Changed(file.id))
        }
        None => {
            let file = NewCadFile { name, source };
            let file = store.add(file, (!later).then_some(request)).await?;
            Ok(Became::Added(file.id))
        }
    }
}

/// How many of these files have work that failed.
async fn failed(deployment: &Deployment, ids: &[CadFileId]) -> Result<u64> {
    let mut failed = 0;
    for id in ids {
        let rows = deployment.store.rows(*id).await?;
        if rows.iter().any(|(_, row)| row.state == RowState::Failed) {
            failed += 1;
        }
    }
    Ok(failed)
}

fn refuse(imported: &mut Imported, path: &Path, why: &str) {
    eprintln!("{}: {why}", output::plain_path(path));
    imported.refused += 1;
}

fn tell(arguments: &ImportArguments, imported: &Imported) -> Result<()> {
    if arguments.json {
        return output::line(&serde_json::to_string(imported)?);
    }
    let Imported {
        added,
        changed,
        unchanged,
        refused,
        failed,
    } = imported;
    let failed = failed.map_or_else(String::new, |failed| format!(", failed {failed}"));
    output::line(&format!(
        "added {added}, changed {changed}, unchanged {unchanged}, refused {refused}{failed}"
    ))
}
