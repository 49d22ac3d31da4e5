//! The canonical scene of an earlier run, if it is whole and made of the same.

use std::{fs, path::Path};

use cadmill_domain::{ContentHash, MaterialMaps, tessellator::Tessellation};
use cadmill_scene::glb;

use super::record::{Origin, Recorded};

/// Restores the canonical GLB from `glb_path` if the record beside it says that it has this origin
/// and its bytes are those of then. If anything is odd, it is tessellated again; so is a file that
/// names other files and was tessellated when the kernel still opened them.
pub(super) fn find(
    glb_path: &Path,
    record_path: &Path,
    origin: &Origin,
    names_other_files: bool,
) -> Option<Tessellation> {
    let recorded: Recorded = serde_json::from_slice(&fs::read(record_path).ok()?).ok()?;
    if names_other_files && recorded.step.names_other_files.is_none() {
        return None;
    }
    if recorded.origin != *origin {
        return None;
    }
    let written = fs::read(glb_path).ok()?;
    let canonical = glb::overlay(&written, &MaterialMaps::default()).ok()?.glb;
    (ContentHash::of(&canonical) == recorded.canonical_sha256).then_some(Tessellation {
        glb: canonical,
        report: recorded.tessellation,
    })
}
