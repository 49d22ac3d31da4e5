//! Meshes the distinct parts of a document on a few threads.

use std::{
    num::NonZero,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use cadmill_domain::{Deflection, FailureCode, Recipe};

use crate::kernel::{Document, KernelError, Measure, PartInfo, PartMesh};

/// Stack of a meshing thread, in bytes: the kernel recurses over what the file holds.
const STACK_BYTES: usize = 64 << 20;

/// A part that was measured and meshed.
#[derive(Debug)]
pub(crate) struct MeshedPart {
    pub(crate) measure: Measure,
    pub(crate) deflection: Deflection,
    pub(crate) mesh: PartMesh,
}

/// Meshes all of `parts`, the ones with most faces first, so that no thread ends on a large one.
pub(crate) fn mesh_parts(
    document: &Document,
    parts: &[PartInfo],
    recipe: &Recipe,
    threads: NonZero<usize>,
    progress: fn(f64),
) -> Result<Vec<MeshedPart>, KernelError> {
    let groups = groups(parts);
    let threads = threads.get().min(groups.len()).max(1);
    // Faces are meshed in parallel only where there are too few parts to keep the threads busy.
    let parallel = groups.len() == 1;

    let results: Vec<Mutex<Option<Result<MeshedPart, KernelError>>>> =
        parts.iter().map(|_| Mutex::new(None)).collect();
    let next = AtomicUsize::new(0);
    let done = AtomicUsize::new(0);
    let work = || {
        while let Some(group) = groups.get(next.fetch_add(1, Ordering::Relaxed)) {
            for &part in group {
                let result = mesh_part(document, part, recipe, parallel);
                *results[part].lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
                let done = done.fetch_add(1, Ordering::Relaxed) + 1;
                progress(done as f64 / parts.len() as f64);
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..threads {
            thread::Builder::new()
                .stack_size(STACK_BYTES)
                .spawn_scoped(scope, work)
                .map_err(|error| KernelError {
                    code: FailureCode::KernelMemory,
                    detail: format!("A thread could not be started: {error}."),
                })?;
        }
        Ok::<_, KernelError>(())
    })?;
    results
        .into_iter()
        .filter_map(|slot| slot.into_inner().unwrap_or_else(PoisonError::into_inner))
        .collect()
}

fn mesh_part(
    document: &Document,
    part: usize,
    recipe: &Recipe,
    parallel: bool,
) -> Result<MeshedPart, KernelError> {
    let deflection = recipe.deflection(document.diagonal_mm(part)?);
    let mesh = document.mesh(part, deflection, parallel)?;
    let measure = document.measure(part)?;
    Ok(MeshedPart {
        measure,
        deflection,
        mesh,
    })
}

/// The parts of each group, the groups with most faces first.
fn groups(parts: &[PartInfo]) -> Vec<Vec<usize>> {
    let mut groups: Vec<Vec<usize>> = vec![Vec::new(); parts.len()];
    for (index, part) in parts.iter().enumerate() {
        groups[part.group].push(index);
    }
    groups.retain(|group| !group.is_empty());
    let faces = |group: &Vec<usize>| group.iter().map(|&part| parts[part].faces).sum::<u64>();
    groups.sort_by_key(|group| std::cmp::Reverse(faces(group)));
    groups
}
