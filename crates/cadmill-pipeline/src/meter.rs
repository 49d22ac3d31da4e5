//! Reports to the ledger how far the work is, and hears from it whether the claim still holds. Takes
//! the time of each phase on the way, and gives it a span within that of the task.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use cadmill_domain::{
    TaskKind,
    ledger::{Confirmed, Progress, WorkQueue},
    tessellator::{Phase, ProgressSink},
};
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;
use tracing::{Span, debug_span, warn};

use crate::{Failpoint, deadline::within, metrics, runner::Standing};

/// How often the ledger is told.
const EVERY: Duration = Duration::from_secs(1);

/// The phase in which the work began.
const FIRST: &str = "start";

/// Reports for one claim, until it is stopped or dropped. When the ledger says that the claim no
/// longer holds, the work is cancelled.
#[derive(Debug)]
pub(crate) struct Meter {
    phases: Arc<Phases>,
    _reporting: AbortOnDropHandle<()>,
}

impl Meter {
    /// Each question to the ledger takes `limit` at most.
    pub(crate) fn start(
        queue: Arc<dyn WorkQueue>,
        standing: Arc<Standing>,
        limit: Duration,
    ) -> Self {
        let (progress, told) = watch::channel(Progress {
            phase: FIRST.to_owned(),
            fraction: 0.0,
        });
        let phases = Arc::new(Phases {
            task: standing.claim.work.kind,
            progress,
            stretch: Mutex::new(Stretch::begin(&Span::current(), FIRST)),
            span: Span::current(),
        });
        let reporting = tokio::spawn(report(queue, standing, limit, told));
        Self {
            phases,
            _reporting: AbortOnDropHandle::new(reporting),
        }
    }

    /// The work is in `phase` now.
    pub(crate) fn enter(&self, phase: &str) {
        self.phases.reach(phase, 0.0);
    }

    /// The same for the tessellator.
    pub(crate) fn sink(&self) -> Arc<dyn ProgressSink> {
        self.phases.clone()
    }
}

/// Which phase the work is in, and since when.
#[derive(Debug)]
struct Phases {
    task: TaskKind,
    progress: watch::Sender<Progress>,
    stretch: Mutex<Stretch>,
    /// That of the task.
    span: Span,
}

/// The time that a phase takes.
#[derive(Debug)]
struct Stretch {
    since: Instant,
    /// Ends when it is dropped.
    _span: Span,
}

impl Stretch {
    fn begin(task: &Span, phase: &str) -> Self {
        Self {
            since: Instant::now(),
            _span: debug_span!(parent: task, "step", task.step = phase),
        }
    }
}

impl Phases {
    fn reach(&self, phase: &str, fraction: f64) {
        let progress = Progress {
            phase: phase.to_owned(),
            fraction,
        };
        let before = self.progress.send_replace(progress);
        if before.phase != phase {
            let mut stretch = self.stretch.lock().unwrap_or_else(PoisonError::into_inner);
            metrics::phase(self.task, &before.phase, stretch.since.elapsed());
            *stretch = Stretch::begin(&self.span, phase);
        }
    }
}

impl Drop for Phases {
    fn drop(&mut self) {
        let last = self.progress.borrow().phase.clone();
        let stretch = self.stretch.get_mut();
        let since = stretch.unwrap_or_else(PoisonError::into_inner).since;
        metrics::phase(self.task, &last, since.elapsed());
    }
}

impl ProgressSink for Phases {
    fn report(&self, phase: Phase, fraction: f64) {
        let phase = match phase {
            Phase::Read => "read",
            Phase::Transfer => "transfer",
            Phase::Mesh => "mesh",
            Phase::Write => "write",
        };
        self.reach(phase, fraction);
        if phase == "mesh" {
            Failpoint::DuringTessellation.reach();
        }
    }
}

async fn report(
    queue: Arc<dyn WorkQueue>,
    standing: Arc<Standing>,
    limit: Duration,
    told: watch::Receiver<Progress>,
) {
    loop {
        tokio::time::sleep(EVERY).await;
        let progress = told.borrow().clone();
        let claim = &standing.claim;
        match within(limit, queue.progress(claim, &progress)).await {
            Ok(true) => {}
            Ok(false) => return standing.hear(Confirmed::Gone),
            // The work goes on: whether its claim holds is checked when it is published.
            Err(error) => warn!(
                cad_file.id = %claim.work.cad_file_id, error = &error as &dyn std::error::Error,
                "The progress could not be stored."
            ),
        }
    }
}
