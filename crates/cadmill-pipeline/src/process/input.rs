//! What a child reads: the STEP file, or a copy of it that names no other file.

use std::{
    fs::File,
    io::{BufWriter, Seek as _, Write as _},
    path::Path,
};

use cadmill_domain::{ExternalReferences, Failure, FailureCode, tessellator::TessellationRequest};
use cadmill_step::ExternalNames;
use tempfile::TempDir;
use tokio::task::spawn_blocking;

use crate::convert::join;

/// The copy's name in the private folder.
const COPY: &str = "input.step";

/// Opens what the child reads.
pub(super) async fn open(request: &TessellationRequest, folder: &TempDir) -> Result<File, Failure> {
    let source = request.source.clone();
    let copy = request.external.present.then(|| folder.path().join(COPY));
    join(spawn_blocking(move || read_only(&source, copy.as_deref())).await)
}

fn read_only(source: &Path, copy: Option<&Path>) -> Result<File, Failure> {
    let mut file = File::open(source).map_err(|error| unreadable(&error))?;
    let Some(copy) = copy else {
        return Ok(file);
    };
    let names = ExternalNames::find(&file)?;
    file.rewind().map_err(|error| unreadable(&error))?;
    let write = || {
        let mut target = BufWriter::new(File::create(copy)?);
        names.copy_without(&file, &mut target)?;
        target.flush()
    };
    write().map_err(|error| Failure::writing("a copy of the input", &error))?;
    File::open(copy).map_err(|error| unreadable(&error))
}

fn unreadable(error: &std::io::Error) -> Failure {
    let detail = format!("Reading it failed: {error}.");
    Failure::new(FailureCode::Unreadable, detail)
}

/// A file of which nothing can be meshed, and whose geometry lies elsewhere, is sound.
pub(super) fn explain(failure: Failure, external: &ExternalReferences) -> Failure {
    if failure.code != FailureCode::KernelEmpty || external.missing.is_empty() {
        return failure;
    }
    let files: Vec<_> = external
        .missing
        .iter()
        .take(3)
        .map(ToString::to_string)
        .collect();
    let detail = format!(
        "It holds nothing that can be meshed, only references to {}{}.",
        files.join(", "),
        match external.missing.len().saturating_sub(files.len()) {
            0 => String::new(),
            more => format!(" and {more} more"),
        }
    );
    Failure {
        log_tail: failure.log_tail,
        ..Failure::new(FailureCode::StepExternalReference, detail)
    }
}
