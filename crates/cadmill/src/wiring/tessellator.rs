//! Finds the tessellator, and checks its sandbox.

use std::{env, path::PathBuf};

use anyhow::Result;
use cadmill_pipeline::ProcessTessellator;
use tracing::warn;

use crate::exit::Failed;

/// The name of the program.
const PROGRAM: &str = "cadmill-tessellate";
/// The variable with the path of the program.
const VARIABLE: &str = "CADMILL_TESSELLATOR";

/// The program that `CADMILL_TESSELLATOR` names, else the one beside this program, else the one on
/// `PATH`. Its existence is not checked.
pub(crate) fn find() -> ProcessTessellator {
    let named = env::var_os(VARIABLE).filter(|name| !name.is_empty());
    let program = named.map(PathBuf::from).or_else(beside_this_program);
    ProcessTessellator::new(program.unwrap_or_else(|| PROGRAM.into()))
}

/// Checks before the first file whether the tessellator can be confined.
pub(crate) async fn check_sandbox(
    tessellator: &ProcessTessellator,
    is_required: bool,
) -> Result<()> {
    let report = match tessellator.sandbox().await {
        Ok(report) => report,
        // Each file will fail for the same reason.
        Err(failure) => {
            warn!(error = %failure, "sandbox of the tessellator not checked");
            return Ok(());
        }
    };
    if report.is_whole() {
        return Ok(());
    }
    let lacks = report.lacks();
    if is_required {
        let text = format!(
            "`require_sandbox` is set, but the sandbox lacks {lacks}; `cadmill doctor` has details"
        );
        return Err(Failed(text).into());
    }
    warn!(sandbox.lacks = lacks, "tessellator not fully confined");
    Ok(())
}

fn beside_this_program() -> Option<PathBuf> {
    let program = env::current_exe().ok()?.canonicalize().ok()?;
    let beside = program.with_file_name(PROGRAM);
    beside.is_file().then_some(beside)
}
