//! Confirms a claim in the ledger for as long as the work on it goes on, and ends the work when it is
//! no longer wanted.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use cadmill_domain::{
    Work,
    ledger::{Claim, Confirmed, HandBack, WorkQueue},
};
use cadmill_lock::Renewal;
use tokio::{
    runtime::Handle,
    time::{Instant, sleep_until},
};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};
use tracing::warn;

use crate::deadline::within;

/// A claim that is open, and what the ledger says of it.
#[derive(Debug)]
pub(crate) struct Standing {
    pub(crate) claim: Claim,
    /// Cancelled when the work is to end.
    pub(crate) cancelled: CancellationToken,
    /// Why, if it was the ledger that said so.
    verdict: OnceLock<Confirmed>,
}

impl Standing {
    /// Takes in what the ledger says.
    pub(crate) fn hear(&self, confirmed: Confirmed) {
        if confirmed != Confirmed::Held {
            // The first verdict stays.
            let _ = self.verdict.set(confirmed);
            self.cancelled.cancel();
        }
    }

    /// Why the work was ended by the ledger.
    pub(crate) fn verdict(&self) -> Option<Confirmed> {
        self.verdict.get().copied()
    }
}

/// The open claims of one worker.
#[derive(Debug, Clone, Default)]
pub(crate) struct OpenClaims(Arc<Mutex<HashMap<Work, Arc<Standing>>>>);

impl OpenClaims {
    /// All of them at this moment.
    pub(crate) fn all(&self) -> Vec<Arc<Standing>> {
        self.claims().values().cloned().collect()
    }

    fn claims(&self) -> MutexGuard<'_, HashMap<Work, Arc<Standing>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A claim of ours. It is confirmed three times in each lease; while that fails, its lock is renewed for
/// half a lease and no longer, so that others can take over from a worker whose own way to the database
/// is silent. One that is dropped before it was closed goes back to the queue.
#[derive(Debug)]
pub(crate) struct Confirmation {
    standing: Arc<Standing>,
    queue: Arc<dyn WorkQueue>,
    /// How long a question to the ledger may take.
    limit: Duration,
    open: OpenClaims,
    is_closed: bool,
    _confirming: AbortOnDropHandle<()>,
}

impl Confirmation {
    /// Confirms a claim that was made just now.
    pub(crate) fn begin(
        queue: Arc<dyn WorkQueue>,
        claim: Claim,
        cancelled: CancellationToken,
        lease: Duration,
        renewal: Renewal,
        open: &OpenClaims,
    ) -> Self {
        let standing = Arc::new(Standing {
            claim,
            cancelled,
            verdict: OnceLock::new(),
        });
        open.claims().insert(standing.claim.work, standing.clone());
        let confirming = confirm(queue.clone(), standing.clone(), lease, renewal);
        Self {
            standing,
            queue,
            limit: lease / 2,
            open: open.clone(),
            is_closed: false,
            _confirming: AbortOnDropHandle::new(tokio::spawn(confirming)),
        }
    }

    pub(crate) const fn standing(&self) -> &Arc<Standing> {
        &self.standing
    }

    /// Nothing is left to be closed.
    pub(crate) fn close(mut self) {
        self.is_closed = true;
    }
}

impl Drop for Confirmation {
    fn drop(&mut self) {
        self.open.claims().remove(&self.standing.claim.work);
        if !self.is_closed
            && let Ok(runtime) = Handle::try_current()
        {
            let (queue, standing, limit) = (self.queue.clone(), self.standing.clone(), self.limit);
            runtime.spawn(async move {
                let claim = &standing.claim;
                if let Err(error) = within(limit, queue.hand_back(claim, HandBack::Stopping)).await
                {
                    warn!(
                        work = %claim.work, fence = claim.fence.0,
                        error = &error as &dyn std::error::Error,
                        "A claim could not be handed back; it is taken back when its lease is over."
                    );
                }
            });
        }
    }
}

/// The ledger is asked now; a lease is renewed until half of it is over, unless there is an answer.
pub(crate) fn allow_renewal(renewal: &Renewal, asked_at: Instant, lease: Duration) {
    renewal.allow_until(asked_at + lease / 2);
}

async fn confirm(
    queue: Arc<dyn WorkQueue>,
    standing: Arc<Standing>,
    lease: Duration,
    renewal: Renewal,
) {
    let claim = &standing.claim;
    let (often, seldom) = (lease / 12, lease / 3);
    let claimed_at = Instant::now();
    allow_renewal(&renewal, claimed_at, lease);
    let mut next = claimed_at + seldom;
    loop {
        sleep_until(next).await;
        let asked_at = Instant::now();
        match within(seldom, queue.confirm(claim)).await {
            Ok(confirmed) => {
                standing.hear(confirmed);
                if confirmed == Confirmed::Gone {
                    return;
                }
                allow_renewal(&renewal, asked_at, lease);
                next = asked_at + seldom;
            }
            // The work goes on: whether its claim holds is checked when it is published.
            Err(error) => {
                warn!(
                    work = %claim.work, fence = claim.fence.0,
                    error = &error as &dyn std::error::Error,
                    "A claim could not be confirmed; it is tried again."
                );
                next = Instant::now() + often;
            }
        }
    }
}
