//! The worker: claims what the ledger holds and does it, on as many slots as it has.

mod alone;
mod look;

use std::{collections::HashMap, sync::Arc, time::Duration};

use cadmill_domain::{
    TaskOutcome, Work, WorkNotifier,
    ledger::{Lane, Turns},
};
use tokio::{
    task::{Id, JoinError, JoinSet},
    time::{Instant, sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};
use tracing::{debug, info, warn};

use self::alone::Alone;
use crate::{
    passed_over::PassedOver,
    recovery,
    runner::{OpenClaims, TaskError, TaskRunner, Terms},
    slots::GivenBack,
};

/// How a worker works.
#[derive(Debug, Clone, Copy)]
pub struct WorkerSettings {
    /// How many media are made at once. Files are read beside that, a few at a time.
    pub slots: usize,
    /// How often the ledger is looked at although no bell rang.
    pub poll: Duration,
    /// How long work may go on when the worker is to stop.
    pub grace: Duration,
    /// Whether no other process works on this ledger. Then the claims that are open at the start are
    /// those of a process that has ended, and are taken back at once.
    pub is_only_process: bool,
}

/// Works until it is to stop.
#[derive(Debug)]
pub struct Worker {
    runner: Arc<TaskRunner>,
    notifier: Arc<dyn WorkNotifier>,
    settings: WorkerSettings,
    /// Cancelled when work has to go back to the queue at once.
    abandon: CancellationToken,
    running: JoinSet<Result<TaskOutcome, TaskError>>,
    /// What each running task works on.
    in_hand: HashMap<Id, Work>,
    /// Which of it only publishes.
    publishing: GivenBack,
    /// The claims of the running tasks.
    open: OpenClaims,
    passed_over: PassedOver,
    /// Work that is to run with nothing else beside it.
    alone: Alone,
    /// Which requester had the last turn.
    turns: Turns,
    /// When the open claims are to be looked at because the bell rang.
    look_at_claims: Option<Instant>,
    /// Whether coarser scenes were looked for that may come out better here.
    has_retried_coarser: bool,
    /// Whether the last look found the database or the lock store away, which is logged once.
    is_cut_off: bool,
}

/// How many files are read at once, beside what is made: reading is short, and streams the file.
const READ_SLOTS: usize = 2;
/// The open claims are looked at this often at most, however often the bell rings.
const LOOK_AT_CLAIMS_AFTER: Duration = Duration::from_millis(200);
/// How long abandoned work may take to go back to the queue.
const ABANDON_WITHIN: Duration = Duration::from_millis(1_500);
/// How long what is left after that may take to be dropped, which kills its children.
const DROP_WITHIN: Duration = Duration::from_millis(300);

impl Worker {
    /// A worker of `runner` that `notifier` wakes.
    pub fn new(
        runner: Arc<TaskRunner>,
        notifier: Arc<dyn WorkNotifier>,
        settings: WorkerSettings,
    ) -> Self {
        Self {
            runner,
            notifier,
            settings,
            abandon: CancellationToken::new(),
            running: JoinSet::new(),
            in_hand: HashMap::new(),
            publishing: GivenBack::default(),
            open: OpenClaims::default(),
            passed_over: PassedOver::default(),
            alone: Alone::default(),
            turns: Turns::default(),
            look_at_claims: None,
            has_retried_coarser: false,
            is_cut_off: false,
        }
    }

    /// Works until `stop` is cancelled; then claims nothing more, lets work go on for a grace time,
    /// and gives the rest back to the queue. It ends within the grace time and two seconds.
    pub async fn run(mut self, stop: CancellationToken) {
        if self.settings.is_only_process {
            let recovering = self.recover_all();
            stop.run_until_cancelled(recovering).await;
        }
        let recovery = recovery::run(self.runner.clone(), self.settings.poll, stop.clone());
        let _recovery = AbortOnDropHandle::new(tokio::spawn(recovery));
        let (notifier, publishing) = (Arc::clone(&self.notifier), self.publishing.clone());
        while !stop.is_cancelled() {
            // A database that does not answer shall not keep us from the end.
            let look = async {
                self.retry_coarser().await;
                self.look().await;
            };
            if stop.run_until_cancelled(look).await.is_none() {
                break;
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = notifier.wait() => self.rang(),
                () = publishing.changed() => {}
                () = sleep(self.nap()) => {}
                Some(ended) = self.running.join_next_with_id() => self.ended(ended),
            }
        }
        self.wind_down().await;
    }

    /// How long to sleep if the bell does not ring.
    fn nap(&self) -> Duration {
        let claims = self.look_at_claims;
        let claims = claims.map(|at| at.saturating_duration_since(Instant::now()));
        let waits = self.passed_over.next().into_iter().chain(claims);
        waits
            .min()
            .unwrap_or(self.settings.poll)
            .min(self.settings.poll)
    }

    /// There may be work, or less of it.
    fn rang(&mut self) {
        self.look_at_claims
            .get_or_insert_with(|| Instant::now() + LOOK_AT_CLAIMS_AFTER);
    }

    async fn recover_all(&mut self) {
        while let Err(error) = recovery::all(&self.runner).await {
            self.tell_cut_off(&error);
            sleep(self.settings.poll).await;
        }
        self.is_cut_off = false;
    }

    /// How much more of a lane can be done now. At most as many results as there are slots are
    /// published beside that, so that nothing piles up while the database is away.
    fn free_slots(&self, lane: Lane) -> usize {
        let slots = match lane {
            Lane::Read => READ_SLOTS,
            Lane::Make => self.settings.slots,
        };
        let has_slot = |work: &&Work| !self.publishing.has(**work);
        let in_slots = of_lane(lane, self.in_hand.values().filter(has_slot));
        let in_hand = of_lane(lane, self.in_hand.values());
        let free = slots.saturating_sub(in_slots);
        free.min((2 * slots).saturating_sub(in_hand))
    }

    /// Begins a piece of work.
    fn begin(&mut self, work: Work) {
        let runner = Arc::clone(&self.runner);
        let (abandon, open) = (self.abandon.clone(), self.open.clone());
        let put_off_for = self.passed_over.next_wait(work);
        let slot = self.publishing.slot(work);
        let task = async move {
            let terms = Terms {
                stop: &abandon,
                open: &open,
                put_off_for,
                slot: Some(&slot),
            };
            runner.take(work, terms).await
        };
        self.in_hand.insert(self.running.spawn(task).id(), work);
    }

    fn is_in_hand(&self, work: Work) -> bool {
        self.in_hand.values().any(|in_hand| *in_hand == work)
    }

    fn ended(&mut self, ended: Result<(Id, Result<TaskOutcome, TaskError>), JoinError>) {
        let id = match &ended {
            Ok((id, _)) => *id,
            Err(error) => error.id(),
        };
        let Some(work) = self.in_hand.remove(&id) else {
            return;
        };
        self.publishing.forget(work);
        self.alone.ended(work);
        let outcome = match ended {
            Ok((_, outcome)) => outcome,
            Err(error) => {
                warn!(%work, %error, "A task panicked.");
                return;
            }
        };
        match outcome {
            Ok(TaskOutcome::Skipped | TaskOutcome::PutOff) => {
                debug!(%work, "It cannot be done now.");
                self.passed_over.add(work);
            }
            Ok(outcome) => {
                debug!(%work, ?outcome, "Ended.");
                self.passed_over.forget(work);
            }
            Err(error) => {
                self.passed_over.add(work);
                self.tell_cut_off(&error);
            }
        }
    }

    /// Once: whether scenes that are coarser than the recipe may come out better here.
    async fn retry_coarser(&mut self) {
        if self.has_retried_coarser {
            return;
        }
        match self.runner.retry_coarser().await {
            Ok(()) => self.has_retried_coarser = true,
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                debug!(error, "Coarser scenes could not be looked for.");
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
                "Some work did not go back to the queue; its leases run out."
            );
            self.running.abort_all();
            // What does not even end now ends with the process.
            let _ = timeout(DROP_WITHIN, self.finish()).await;
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

/// How much of this work is of this lane.
fn of_lane<'a>(lane: Lane, work: impl Iterator<Item = &'a Work>) -> usize {
    work.filter(|work| Lane::of(work.kind) == lane).count()
}
