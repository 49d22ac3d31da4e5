//! The life of one row, as pure transitions. The databases, the fake and the model checker all run
//! these.

use serde::{Deserialize, Serialize};

use super::{Claim, Fence, Priority, Progress, Request, Requested, Requester, WorkerName};
use crate::{Failure, Input, MediaAssetId, Moment, Work};

/// After so many crashes in a row the work is set aside.
pub const MAX_CRASHES: u32 = 3;

/// Where a row is in its life.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum RowState {
    /// Nothing is to be done.
    #[default]
    Idle,
    /// It waits for a worker.
    Queued,
    /// A worker is at it.
    Running,
    /// It failed for good.
    Failed,
    /// Somebody took it out of the queue.
    Cancelled,
}

impl RowState {
    /// Every state.
    pub const ALL: [Self; 5] = [
        Self::Idle,
        Self::Queued,
        Self::Running,
        Self::Failed,
        Self::Cancelled,
    ];

    /// The stable name, as stored.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether work is under way.
    #[must_use]
    pub const fn is_in_flight(self) -> bool {
        matches!(self, Self::Queued | Self::Running)
    }

    /// The state of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }
}

/// One row of the ledger.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Row {
    /// Where it is in its life.
    pub state: RowState,
    /// How urgent it is.
    pub priority: Priority,
    /// For whom it is done.
    pub requester: Requester,
    /// What is wanted.
    pub desired: Option<Input>,
    /// What is being made.
    pub running: Option<Input>,
    /// What is there.
    pub ready: Option<Input>,
    /// The current asset.
    pub asset: Option<MediaAssetId>,
    /// The number of the newest claim.
    pub fence: Fence,
    /// How often in a row its worker died.
    pub crashes: u32,
    /// How often in a row it failed and was to be tried again.
    pub attempts: u32,
    /// Not to be claimed before.
    pub not_before: Option<Moment>,
    /// Since when it is wanted: work that follows from other work inherits this, so that a file is
    /// finished before the next is begun.
    pub requested_at: Option<Moment>,
    /// When it was last claimed.
    pub claimed_at: Option<Moment>,
    /// When its owner last said that it is at work on it.
    pub confirmed_at: Option<Moment>,
    /// Since when its owner may be gone; nothing while the claim is confirmed.
    pub suspected_at: Option<Moment>,
    /// Who claimed it last.
    pub worker: Option<WorkerName>,
    /// How far it is.
    pub progress: Option<Progress>,
    /// How it failed last, until it succeeds or is asked for again.
    pub failure: Option<Failure>,
    /// Whether it is made though it was there. Only what is in flight is, and until it is published
    /// nothing counts as ready; the asset stays to be shown.
    pub force: bool,
}

impl Row {
    /// Whether work on it is under way.
    #[must_use]
    pub fn is_in_flight(&self) -> bool {
        self.state.is_in_flight()
    }

    /// Whether requests that came while it runs are merged into one more run.
    #[must_use]
    pub fn runs_again(&self) -> bool {
        self.state == RowState::Running && self.desired != self.running
    }

    /// Whether `wanted` is there.
    #[must_use]
    pub fn has(&self, wanted: &Input) -> bool {
        self.ready.as_ref() == Some(wanted)
    }

    /// Whether just this has failed.
    #[must_use]
    pub fn has_failed(&self, wanted: &Input) -> bool {
        self.state == RowState::Failed && self.desired.as_ref() == Some(wanted)
    }

    /// How often it was tried for what is wanted, be it that it failed or that its worker died.
    #[must_use]
    pub const fn tries(&self) -> u32 {
        self.crashes + self.attempts
    }

    /// Whether `wanted` is under way.
    #[must_use]
    pub fn wants(&self, wanted: &Input) -> bool {
        self.is_in_flight() && self.desired.as_ref() == Some(wanted)
    }

    /// Asks for `wanted`, which is wanted since `since`.
    pub fn request(&mut self, wanted: &Input, request: Request, since: Moment) -> Requested {
        // Whoever waits for what is there needs no run; whoever runs is left to finish.
        let is_needless = self.state == RowState::Queued && self.has(wanted);
        if self.is_in_flight() && !is_needless {
            if self.desired.as_ref() != Some(wanted) {
                self.desired = Some(wanted.clone());
                self.forget_trouble();
            }
            // Somebody who asks for this one does not want to wait.
            if request.retry_failed && request.priority > Priority::Bulk {
                self.not_before = None;
            }
            if request.priority > self.priority {
                self.priority = request.priority;
                self.requester = request.requester;
            }
            return Requested::InFlight;
        }
        if self.has(wanted) && !request.force {
            self.state = RowState::Idle;
            self.desired = Some(wanted.clone());
            self.forget_trouble();
            return Requested::Present;
        }
        if self.has_failed(wanted) && !request.retry_failed {
            return Requested::Failed;
        }
        self.state = RowState::Queued;
        self.priority = request.priority;
        self.requester = request.requester;
        self.desired = Some(wanted.clone());
        self.requested_at = Some(since);
        self.forget_trouble();
        if request.force {
            self.force = true;
            self.ready = None;
        }
        Requested::Queued
    }

    /// Claims it, if it is in the queue and due.
    pub fn claim(&mut self, work: Work, worker: &WorkerName, now: Moment) -> Option<Claim> {
        if !self.is_due(now) {
            return None;
        }
        self.state = RowState::Running;
        self.running.clone_from(&self.desired);
        self.fence = Fence(self.fence.0 + 1);
        self.claimed_at = Some(now);
        self.confirmed_at = Some(now);
        self.suspected_at = None;
        self.worker = Some(worker.clone());
        self.progress = None;
        self.open_claim(work)
    }

    /// Whether it may be claimed.
    #[must_use]
    pub fn is_due(&self, now: Moment) -> bool {
        self.state == RowState::Queued && self.not_before.is_none_or(|at| at <= now)
    }

    /// Whether it is set aside if its worker dies once more.
    #[must_use]
    pub const fn is_suspect(&self) -> bool {
        self.crashes + 1 >= MAX_CRASHES
    }

    /// Leaves it alone until then, if it is in the queue.
    pub fn put_off(&mut self, until: Moment) {
        if self.state == RowState::Queued {
            self.not_before = Some(until);
        }
    }

    /// The same was made of the same input, or failed to be: if this waits for it, it waits no more.
    pub fn end_wait(&mut self, input: &Input, is_made: bool) {
        let is_same = self.state == RowState::Queued && self.desired.as_ref() == Some(input);
        // What has failed by itself has a time of its own, unless its result is there now.
        if is_same && (is_made || self.failure.is_none()) {
            self.not_before = None;
        }
    }

    /// Whether the claim with this fence is the newest and not closed.
    #[must_use]
    pub fn is_held_under(&self, fence: Fence) -> bool {
        self.state == RowState::Running && self.fence == fence
    }

    /// Closes the claim with a result, made of `coarser` if that is not what was claimed. None if it
    /// does not hold; else whether it is wanted again, since something else was asked for meanwhile.
    pub fn publish(
        &mut self,
        fence: Fence,
        asset: Option<MediaAssetId>,
        coarser: Option<Input>,
        now: Moment,
    ) -> Option<bool> {
        if !self.is_held_under(fence) {
            return None;
        }
        let claimed = self.running.take();
        if coarser.is_some() {
            // It is as good as can be had: the same is not tried again by itself.
            if self.desired == claimed {
                self.desired.clone_from(&coarser);
            }
            self.ready = coarser;
        } else {
            self.ready = claimed;
        }
        self.asset = asset;
        self.force = false;
        self.progress = None;
        self.suspected_at = None;
        self.forget_trouble();
        let again = self.desired != self.ready;
        self.state = if again {
            self.requested_at = Some(now);
            RowState::Queued
        } else {
            RowState::Idle
        };
        Some(again)
    }

    /// Closes the claim with a failure: until `retry_at`, or for good. False if it does not hold.
    pub fn fail(&mut self, fence: Fence, failure: &Failure, retry_at: Option<Moment>) -> bool {
        if !self.is_held_under(fence) {
            return false;
        }
        // Something else was asked for meanwhile, and that has not failed.
        let was_wanted = self.desired == self.running;
        self.running = None;
        self.progress = None;
        self.suspected_at = None;
        if !was_wanted {
            self.wait();
            return true;
        }
        self.failure = Some(failure.clone());
        if retry_at.is_some() {
            self.state = RowState::Queued;
            self.not_before = retry_at;
            self.attempts += 1;
        } else {
            self.state = RowState::Failed;
            self.force = false;
        }
        true
    }

    /// Gives the claim back. False if it does not hold.
    pub fn hand_back(&mut self, fence: Fence) -> bool {
        if !self.is_held_under(fence) {
            return false;
        }
        self.wait();
        self.running = None;
        self.progress = None;
        self.suspected_at = None;
        true
    }

    /// Takes it out of the queue or away from its worker. False if nothing was under way.
    pub fn cancel(&mut self) -> bool {
        let was_in_flight = self.is_in_flight();
        if was_in_flight {
            self.state = RowState::Cancelled;
            self.force = false;
            self.running = None;
            self.progress = None;
            self.suspected_at = None;
        }
        was_in_flight
    }

    /// Takes it out of the queue because it has to be asked for anew later.
    pub(super) fn withdraw(&mut self) {
        self.state = RowState::Idle;
        self.force = false;
        self.desired.clone_from(&self.ready);
        self.running = None;
        self.progress = None;
        self.suspected_at = None;
        self.forget_trouble();
    }

    /// The bytes of its asset are lost: nothing is there. A run that is under way goes on.
    pub fn lose_asset(&mut self) {
        self.asset = None;
        self.ready = None;
        if self.state == RowState::Idle {
            self.desired = None;
        }
    }

    /// The bytes that it reads are lost: `wanted` has failed for good. A worker that is at it closes its
    /// claim by itself. False if that was so before, or a worker is at it.
    pub(super) fn lose_source(&mut self, wanted: &Input, failure: &Failure, now: Moment) -> bool {
        self.ready = None;
        let is_known = self.failure.as_ref().map(|known| known.code) == Some(failure.code);
        if self.state == RowState::Running || is_known && self.has_failed(wanted) {
            return false;
        }
        self.state = RowState::Failed;
        self.desired = Some(wanted.clone());
        self.requested_at.get_or_insert(now);
        self.force = false;
        self.forget_trouble();
        self.failure = Some(failure.clone());
        true
    }

    /// The claim that is open, if there is one.
    #[must_use]
    pub fn open_claim(&self, work: Work) -> Option<Claim> {
        let input = self.running.clone()?;
        (self.state == RowState::Running).then(|| Claim {
            work,
            fence: self.fence,
            input,
            worker: self.worker.clone().unwrap_or_else(|| WorkerName::new("?")),
            tries: self.tries(),
            force: self.force,
        })
    }

    /// Puts it back into the queue, unless what is wanted is there: it was asked for again while
    /// something else was being made.
    fn wait(&mut self) {
        self.state = if self.desired == self.ready {
            RowState::Idle
        } else {
            RowState::Queued
        };
    }

    fn forget_trouble(&mut self) {
        self.crashes = 0;
        self.attempts = 0;
        self.not_before = None;
        self.failure = None;
    }
}
