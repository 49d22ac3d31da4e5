//! The canonical scene of an earlier run, if it is whole and made of the same.

use std::{fs, path::Path};

use cadmill_domain::{ContentHash, FailureCode, MaterialMaps, Retried, Tessellation};
use cadmill_scene::glb;

use super::record::{Origin, Recorded};

/// Restores the canonical GLB from `glb_path` if the record beside it says that it has this origin
/// and its bytes are those of then. Whatever is odd only means that it is milled anew.
pub(super) fn find(glb_path: &Path, record_path: &Path, origin: &Origin) -> Option<Tessellation> {
    let recorded: Recorded = serde_json::from_slice(&fs::read(record_path).ok()?).ok()?;
    let retried = recorded.tessellation.retried.as_ref();
    if recorded.origin != *origin || !retried.is_none_or(would_fail_again) {
        return None;
    }
    let written = fs::read(glb_path).ok()?;
    let canonical = glb::overlay(&written, &MaterialMaps::default()).ok()?.glb;
    (ContentHash::of(&canonical) == recorded.canonical_sha256).then_some(Tessellation {
        glb: canonical,
        report: recorded.tessellation,
    })
}

/// With more time or memory, the recipe that was asked for may do.
fn would_fail_again(retried: &Retried) -> bool {
    use FailureCode::{KernelMemory, KernelTimeout};
    !matches!(retried.first.code, KernelMemory | KernelTimeout)
}
