//! Tells the ledger how far the work is, and hears from it whether the work is still wanted.

use std::{sync::Arc, time::Duration};

use cadmill_domain::{Claim, Ledger, Phase, Progress, ProgressSink};
use tokio::sync::watch;
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};
use tracing::warn;

use crate::Failpoint;

/// How often the ledger is told.
const EVERY: Duration = Duration::from_secs(1);

/// Reports for one claim, until it is stopped or dropped. When the ledger says that the claim no
/// longer holds, the work is cancelled.
#[derive(Debug)]
pub(crate) struct Meter {
    progress: watch::Sender<Progress>,
    reporting: AbortOnDropHandle<()>,
}

impl Meter {
    pub(crate) fn start(ledger: Arc<dyn Ledger>, claim: Claim, work: CancellationToken) -> Self {
        let (progress, told) = watch::channel(Progress {
            phase: "start".to_owned(),
            fraction: 0.0,
        });
        let reporting = tokio::spawn(report(ledger, claim, work, told));
        Self {
            progress,
            reporting: AbortOnDropHandle::new(reporting),
        }
    }

    /// The work is in `phase` now.
    pub(crate) fn enter(&self, phase: &str) {
        self.progress.send_replace(Progress {
            phase: phase.to_owned(),
            fraction: 0.0,
        });
    }

    /// The same for the tessellator.
    pub(crate) fn sink(&self) -> Arc<dyn ProgressSink> {
        Arc::new(Sink(self.progress.clone()))
    }

    /// Stops reporting, so that nothing is told of a claim that is closed. Says whether the claim
    /// held when the ledger was last told.
    pub(crate) async fn stop(self) -> bool {
        self.reporting.abort();
        // It only ends by itself when the claim no longer holds.
        self.reporting.await.is_err()
    }
}

struct Sink(watch::Sender<Progress>);

impl ProgressSink for Sink {
    fn report(&self, phase: Phase, fraction: f64) {
        let phase = match phase {
            Phase::Read => "read",
            Phase::Transfer => "transfer",
            Phase::Mesh => "mesh",
            Phase::Write => "write",
        };
        self.0.send_replace(Progress {
            phase: phase.to_owned(),
            fraction,
        });
        if phase == "mesh" {
            Failpoint::DuringTessellation.reach();
        }
    }
}

async fn report(
    ledger: Arc<dyn Ledger>,
    claim: Claim,
    work: CancellationToken,
    told: watch::Receiver<Progress>,
) {
    loop {
        tokio::time::sleep(EVERY).await;
        let progress = told.borrow().clone();
        match ledger.progress(&claim, &progress).await {
            Ok(true) => {}
            Ok(false) => {
                work.cancel();
                return;
            }
            // The work goes on: whether its claim holds is checked when it is published.
            Err(error) => warn!(
                cad_file.id = %claim.work.cad_file_id, error = &error as &dyn std::error::Error,
                "The progress could not be stored."
            ),
        }
    }
}
