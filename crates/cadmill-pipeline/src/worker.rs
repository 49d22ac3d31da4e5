//! The worker: claims what the ledger holds and mills it, on as many slots as it has.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use cadmill_domain::{Doorbell, Recovered, TaskOutcome, TaskPayload};
use tokio::{
    task::{Id, JoinError, JoinSet},
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::mill::{Mill, TaskError, lock_key};

/// How a worker works.
#[derive(Debug, Clone, Copy)]
pub struct WorkerSettings {
    /// How many pieces of work are done at once.
    pub slots: usize,
    /// How often the ledger is looked at although nobody rang.
    pub poll: Duration,
    /// How long work may go on when the worker is to stop.
    pub grace: Duration,
}

/// Works until it is told to stop.
#[derive(Debug)]
pub struct Worker {
    mill: Arc<Mill>,
    bell: Arc<dyn Doorbell>,
    settings: WorkerSettings,
    /// Cancelled when work has to go back to the queue at once.
    abandon: CancellationToken,
    running: JoinSet<Result<TaskOutcome, TaskError>>,
    /// What each running task works on.
    in_hand: HashMap<Id, TaskPayload>,
    /// Work whose lock somebody else holds, and until when it is not tried again.
    held_elsewhere: BTreeMap<TaskPayload, Instant>,
    /// Whether the last look found the database or the lock store away, which is told once.
    is_cut_off: bool,
}

/// How long work is left alone whose lock somebody else holds.
const LEAVE_ALONE: Duration = Duration::from_secs(1);
/// How long work may take to go back to the queue when it was abandoned.
const ABANDON_WITHIN: Duration = Duration::from_secs(15);

impl Worker {
    /// A worker of `mill` that `bell` wakes.
    pub fn new(mill: Arc<Mill>, bell: Arc<dyn Doorbell>, settings: WorkerSettings) -> Self {
        Self {
            mill,
            bell,
            settings,
            abandon: CancellationToken::new(),
            running: JoinSet::new(),
            in_hand: HashMap::new(),
            held_elsewhere: BTreeMap::new(),
            is_cut_off: false,
        }
    }

    /// Works until `stop` is cancelled; then claims nothing more, lets work go on for a grace time,
    /// and gives the rest back to the queue.
    pub async fn run(mut self, stop: CancellationToken) {
        let bell = Arc::clone(&self.bell);
        let mut recovered_at = None;
        while !stop.is_cancelled() {
            let poll = self.settings.poll;
            let is_due = |at: Instant| at.elapsed() >= poll;
            let look = async {
                if recovered_at.is_none_or(is_due) {
                    self.recover().await;
                    recovered_at = Some(Instant::now());
                }
                self.fill_slots().await;
            };
            // A database that does not answer shall not keep us from the end.
            if stop.run_until_cancelled(look).await.is_none() {
                break;
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = bell.wait() => {}
                () = sleep(self.nap()) => {}
                Some(ended) = self.running.join_next_with_id() => self.ended(ended),
            }
        }
        self.wind_down().await;
    }

    /// How long to sleep if nobody rings.
    fn nap(&self) -> Duration {
        let next = self.held_elsewhere.values().min();
        let next = next.map(|at| at.saturating_duration_since(Instant::now()));
        next.unwrap_or(self.settings.poll).min(self.settings.poll)
    }

    /// Takes as much work as there are free slots.
    async fn fill_slots(&mut self) {
        let now = Instant::now();
        self.held_elsewhere.retain(|_, until| *until > now);
        let free = self.settings.slots.saturating_sub(self.running.len());
        if free == 0 {
            return;
        }
        let passed_over = self.in_hand.len() + self.held_elsewhere.len();
        let next = self.mill.records.ledger.next(free + passed_over).await;
        let next = match next {
            Ok(next) => next,
            Err(error) => return self.tell_cut_off(&error),
        };
        // Without locks nothing is claimed.
        if !next.is_empty()
            && let Err(error) = self.mill.lock.ping().await
        {
            return self.tell_cut_off(&error);
        }
        self.is_cut_off = false;
        let fresh =
            |work: &TaskPayload| !self.is_in_hand(work) && !self.held_elsewhere.contains_key(work);
        let fresh: Vec<_> = next.into_iter().filter(fresh).take(free).collect();
        for work in fresh {
            let mill = Arc::clone(&self.mill);
            let abandon = self.abandon.clone();
            let task = async move { mill.take(work, &abandon).await };
            self.in_hand.insert(self.running.spawn(task).id(), work);
        }
    }

    fn is_in_hand(&self, work: &TaskPayload) -> bool {
        self.in_hand.values().any(|in_hand| in_hand == work)
    }

    fn ended(&mut self, ended: Result<(Id, Result<TaskOutcome, TaskError>), JoinError>) {
        let id = match &ended {
            Ok((id, _)) => *id,
            Err(error) => error.id(),
        };
        let Some(work) = self.in_hand.remove(&id) else {
            return;
        };
        let outcome = match ended {
            Ok((_, outcome)) => outcome,
            Err(error) => {
                // The lease was released, so the row is taken back like that of a dead worker.
                warn!(%work, %error, "A task panicked.");
                return;
            }
        };
        match outcome {
            Ok(TaskOutcome::Skipped) => {
                debug!(%work, "Somebody else is at it.");
                self.held_elsewhere
                    .insert(work, Instant::now() + LEAVE_ALONE);
            }
            Ok(outcome) => debug!(%work, ?outcome, "Ended."),
            Err(error) => {
                self.held_elsewhere
                    .insert(work, Instant::now() + LEAVE_ALONE);
                self.tell_cut_off(&error);
            }
        }
    }

    /// Takes back claims whose owners have lost their leases.
    async fn recover(&mut self) {
        let running = match self.mill.records.ledger.running().await {
            Ok(running) => running,
            Err(error) => return self.tell_cut_off(&error),
        };
        for claim in running {
            // Whether our own work has lost its lease, it finds out by itself.
            if self.is_in_hand(&claim.work) {
                continue;
            }
            match self.mill.lock.holder(&lock_key(claim.work)).await {
                Ok(None) => {}
                Ok(Some(_)) => continue,
                Err(error) => return self.tell_cut_off(&error),
            }
            match self.mill.records.ledger.recover(&claim).await {
                Ok(Recovered::NoLonger) => {}
                Ok(recovered) => warn!(
                    work = %claim.work, fence = claim.fence.0, worker = %claim.worker, ?recovered,
                    "A worker is gone; its work was taken back."
                ),
                Err(error) => return self.tell_cut_off(&error),
            }
        }
    }

    async fn wind_down(&mut self) {
        info!(
            running = self.running.len(),
            "Stopping: no more work is claimed."
        );
        if timeout(self.settings.grace, self.finish()).await.is_ok() {
            return;
        }
        info!(
            running = self.running.len(),
            "The grace time is over: work goes back to the queue."
        );
        self.abandon.cancel();
        if timeout(ABANDON_WITHIN, self.finish()).await.is_err() {
            warn!(
                running = self.running.len(),
                "Some work did not end; its leases run out."
            );
        }
    }

    async fn finish(&mut self) {
        while let Some(ended) = self.running.join_next_with_id().await {
            self.ended(ended);
        }
    }

    fn tell_cut_off(&mut self, error: &(dyn std::error::Error + 'static)) {
        if self.is_cut_off {
            debug!(error, "Still nothing can be claimed.");
        } else {
            warn!(error, "Nothing can be claimed now; it is tried again.");
        }
        self.is_cut_off = true;
    }
}
