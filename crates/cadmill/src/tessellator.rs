//! Where the tessellator is.

use std::{env, path::PathBuf};

use cadmill_pipeline::ProcessTessellator;

/// The name of its program.
const PROGRAM: &str = "cadmill-tessellate";
/// The variable that names it.
const VARIABLE: &str = "CADMILL_TESSELLATOR";

/// The program named by `CADMILL_TESSELLATOR`, else the one beside this program, else the one on
/// `PATH`. Whether it is there shows when it is started.
pub(crate) fn find() -> ProcessTessellator {
    let named = env::var_os(VARIABLE).filter(|name| !name.is_empty());
    let program = named.map(PathBuf::from).or_else(beside_this_program);
    ProcessTessellator::new(program.unwrap_or_else(|| PROGRAM.into()))
}

fn beside_this_program() -> Option<PathBuf> {
    let program = env::current_exe().ok()?.canonicalize().ok()?;
    let beside = program.with_file_name(PROGRAM);
    beside.is_file().then_some(beside)
}
