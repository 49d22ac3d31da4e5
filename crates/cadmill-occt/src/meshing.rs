//! Transfers a document while other threads mesh its bodies.

use std::{
    collections::VecDeque,
    num::NonZero,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    thread::{self, Scope},
};

use cadmill_domain::{FailureCode, Recipe, tessellator::Phase};

use crate::{
    kernel::{Body, Document, KernelError, MeshedBody, Tree},
    protocol,
};

/// The stack size of a meshing thread in bytes. The kernel recurses over the contents of the file.
const STACK_BYTES: usize = 64 << 20;

/// Transfers all of `document` and meshes its bodies. The second result is ordered by
/// [`Body::index`].
///
/// The transfer is not thread-safe and is the longest phase, so one thread does only that. The
/// other threads mesh the bodies of each leaf as soon as they are transferred.
pub(crate) fn transfer_and_mesh(
    document: &mut Document,
    recipe: &Recipe,
    threads: NonZero<usize>,
    timed: &mut impl FnMut(Phase),
) -> Result<(Tree, Vec<MeshedBody>), KernelError> {
    let queue = Queue::new(*recipe);
    let (tree, rest) = thread::scope(|scope| {
        // Workers must be notified of the end of the queue on every path.
        let _closed = CloseOnDrop(&queue);
        for _ in 1..threads.get() {
            queue.start_worker(scope)?;
        }
        // With a single part, there is nothing to mesh during the transfer.
        if document.leaves() > 1 {
            for leaf in 0..document.leaves() {
                queue.push(document.transfer_leaf(leaf)?)?;
            }
        }
        let (tree, rest) = document.transfer()?;
        timed(Phase::Transfer);
        queue.close(rest.len());
        queue.work();
        Ok::<_, KernelError>((tree, rest))
    })?;
    // The remaining bodies may share topology with all others, so they are meshed last, one after
    // the other, each on all threads.
    queue.mesh(rest, threads.get() > 1);
    let bodies = queue.into_results()?;
    // All bodies may have been meshed before the transfer ended, without a progress report.
    protocol::progress(Phase::Mesh, 1.0);
    timed(Phase::Mesh);
    Ok((tree, bodies))
}

struct Queue {
    recipe: Recipe,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// Groups of bodies that may share topology within the group, but not with other groups.
    waiting: VecDeque<Vec<Body>>,
    closed: bool,
    pushed: usize,
    done: usize,
    results: Vec<Option<MeshedBody>>,
    error: Option<KernelError>,
}

impl Queue {
    fn new(recipe: Recipe) -> Self {
        Self {
            recipe,
            state: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn start_worker<'scope>(
        &'scope self,
        scope: &'scope Scope<'scope, '_>,
    ) -> Result<(), KernelError> {
        thread::Builder::new()
            .stack_size(STACK_BYTES)
            .spawn_scoped(scope, || self.work())
            .map(drop)
            .map_err(|error| KernelError {
                code: FailureCode::KernelMemory,
                detail: format!("A thread could not be started: {error}."),
            })
    }

    /// Fails if an earlier body could not be meshed, so that the caller stops.
    fn push(&self, bodies: Vec<Body>) -> Result<(), KernelError> {
        let mut state = self.state();
        if let Some(error) = &state.error {
            return Err(error.clone());
        }
        if !bodies.is_empty() {
            state.pushed += bodies.len();
            state.waiting.push_back(bodies);
            self.changed.notify_one();
        }
        Ok(())
    }

    /// Closes the queue. `remaining` bodies will be meshed separately.
    fn close(&self, remaining: usize) {
        let mut state = self.state();
        state.closed = true;
        state.pushed += remaining;
        self.changed.notify_all();
    }

    /// Meshes bodies until the queue is closed and empty.
    fn work(&self) {
        while let Some(bodies) = self.next() {
            self.mesh(bodies, false);
        }
    }

    fn mesh(&self, bodies: Vec<Body>, parallel: bool) {
        for body in bodies {
            if self.state().error.is_some() {
                return;
            }
            let result = body.mesh(&self.recipe, parallel);
            self.finish(body.index(), result);
        }
    }

    fn next(&self) -> Option<Vec<Body>> {
        let mut state = self.state();
        loop {
            if let Some(bodies) = state.waiting.pop_front() {
                return Some(bodies);
            }
            if state.closed {
                return None;
            }
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn finish(&self, index: usize, result: Result<MeshedBody, KernelError>) {
        let mut state = self.state();
        match result {
            Ok(meshed) => {
                if state.results.len() <= index {
                    state.results.resize(index + 1, None);
                }
                state.results[index] = Some(meshed);
                state.done += 1;
                if state.closed {
                    protocol::progress(Phase::Mesh, state.done as f64 / state.pushed as f64);
                }
            }
            Err(error) => {
                state.waiting.clear();
                state.error.get_or_insert(error);
            }
        }
    }

    fn into_results(self) -> Result<Vec<MeshedBody>, KernelError> {
        let state = self
            .state
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        match state.error {
            Some(error) => Err(error),
            None => Ok(state.results.into_iter().flatten().collect()),
        }
    }
}

struct CloseOnDrop<'a>(&'a Queue);

impl Drop for CloseOnDrop<'_> {
    fn drop(&mut self) {
        self.0.close(0);
    }
}
