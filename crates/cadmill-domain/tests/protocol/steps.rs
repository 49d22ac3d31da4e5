//! What each step does, and whether that was right.

use cadmill_domain::{
    Failure, FailureCode,
    ledger::{Fence, Recovered, Recovery, Request, Requested, Row, RowState},
};

use crate::{
    ledger::{Asset, Confirmation, Ledger, Made, NOW, UNCONFIRMED, asset_id, input},
    protocol::{Guard, Protocol, Step},
    state::{Breach, Ending, Lease, Phase, State, Worker},
};

impl Protocol {
    /// What there is after a step.
    pub(crate) fn take(self, before: &State, step: Step) -> State {
        let mut after = before.clone();
        match step {
            Step::Request { made, retry_failed } => self.request(&mut after, made, retry_failed),
            Step::Cancel => {
                after.left.faults -= 1;
                after.row.change(cadmill_domain::ledger::Row::cancel);
            }
            Step::Break => {
                after.left.faults -= 1;
                after.is_broken = true;
            }
            Step::Find => after.lose_asset(),
            Step::Flush => {
                after.left.faults -= 1;
                after.free_lock();
            }
            Step::Crash(n) => {
                after.left.faults -= 1;
                after.orphaned |= after.workers[n].lease == Lease::Live;
                after.workers[n] = Worker::default();
            }
            Step::Freeze(n) => {
                after.left.faults -= 1;
                after.workers[n].frozen = true;
            }
            Step::Wake(n) => after.workers[n].frozen = false,
            Step::HandBack(n) => {
                after.left.faults -= 1;
                let wanted = after.seen.wanted;
                self.close(&mut after, n, |row, fence| hand_back(row, fence, wanted));
            }
            Step::Fail { worker, for_good } => {
                after.left.faults -= 1;
                self.close(&mut after, worker, |row, fence| fail(row, fence, for_good));
            }
            Step::ExpireOrphan => after.orphaned = false,
            Step::Expire(n) => after.workers[n].lease = Lease::Lost,
            Step::Look(n) => after.workers[n].phase = Phase::SawQueued,
            Step::LookForClaims(n) => after.workers[n].phase = Phase::SawClaim(after.row.fence),
            Step::LookAtLock(n) => after.workers[n].phase = after.workers[n].phase.seen_no_lock(),
            Step::Lock(n) => {
                let worker = &mut after.workers[n];
                worker.phase = worker.phase.locked();
                if self.has(Guard::Lock) {
                    worker.lease = Lease::Live;
                }
            }
            Step::Claim(n) => after.claim(n),
            Step::Recover(n) => self.recover(&mut after, n),
            Step::Renew(n) => self.renew(&mut after, n),
            Step::Outage => {
                after.left.faults -= 1;
                after.row.confirmation = Confirmation::Old;
            }
            Step::Lapse => after.row.confirmation = Confirmation::Old,
            Step::Ripen => after.row.confirmation = Confirmation::Ripe,
            Step::Confirm(n) => {
                if let Some(fence) = after.workers[n].fence() {
                    after
                        .row
                        .change(|row| row.confirm(Fence(fence.into()), NOW));
                }
            }
            Step::Progress(n) => after.workers[n].phase = Phase::Closing(Ending::Other),
            Step::Publish(n) => self.publish(&mut after, n),
            Step::Release(n) => self.release(&mut after, n),
        }
        if !self.has(Guard::Coalescing) && after.row.state == RowState::Idle && after.appended > 0 {
            after.appended -= 1;
            after.row.state = RowState::Queued;
            after.row.desired = after.seen.wanted;
        }
        let claims = u8::from(matches!(step, Step::Claim(_)) && after.row != before.row);
        if after.row.fence != before.row.fence + claims {
            after.seen.note(Breach::FenceMoved);
        }
        if self.without.is_none() && step.is_inner() && after.distance() >= before.distance() {
            after.seen.note(Breach::FurtherFromTheEnd);
        }
        after
    }

    fn request(self, state: &mut State, made: Made, retry_failed: bool) {
        state.left.requests -= 1;
        let before = state.row;
        let is_new = state.seen.wanted != Some(made);
        state.seen.wanted = Some(made);
        state.seen.inputs = state.seen.inputs.max(made + 1);
        state.seen.due = match before.state {
            RowState::Running if before.running == Some(made) => 1,
            RowState::Running => 2,
            RowState::Failed if !retry_failed => 0,
            _ => u8::from(before.ready != Some(made)),
        };
        if !self.has(Guard::Coalescing) && before.state != RowState::Idle {
            state.appended += 1;
            return;
        }
        let request = Request {
            retry_failed,
            ..Request::ASKED
        };
        let answer = state
            .row
            .change(|row| row.request(&input(made), request, NOW));
        if is_new || answer == Requested::Queued {
            state.seen.deaths = 0;
        }
        if !is_answer(answer, made, &before, &state.row) {
            state.seen.note(Breach::WrongAnswer);
        }
    }

    /// Closes the claim of a worker. A stale one must change nothing.
    fn close(
        self,
        state: &mut State,
        n: usize,
        close: impl FnOnce(&mut Ledger, Fence) -> Ending,
    ) -> Ending {
        let Phase::Running { fence, .. } = state.workers[n].phase else {
            unreachable!("only a worker that runs has a claim to close");
        };
        let before = state.row;
        let shown = if self.has(Guard::Fence) {
            fence
        } else {
            before.fence
        };
        let ending = close(&mut state.row, Fence(shown.into()));
        state.workers[n].phase = Phase::Closing(ending);
        let is_stale = before.fence > fence || before.state != RowState::Running;
        if is_stale && (state.row != before || ending != Ending::Refused) {
            state.seen.note(Breach::StaleOwnerChanged);
        }
        ending
    }

    fn publish(self, state: &mut State, n: usize) {
        let Phase::Running { fence, made } = state.workers[n].phase else {
            unreachable!("only a worker that runs can publish");
        };
        let asset = Asset { fence, made };
        let before = state.row.asset;
        let ending = self.close(state, n, |row, fence| {
            match row.change(|row| row.publish(fence, Some(asset_id(asset)), None, NOW)) {
                None => Ending::Refused,
                Some(false) => Ending::Published,
                Some(true) => Ending::PublishedAndWantedAgain,
            }
        });
        if ending == Ending::Refused {
            state.workers[n].phase = Phase::Closing(Ending::PublishRefused);
            return;
        }
        state.seen.deaths = 0;
        state.is_broken = false;
        if before.is_some_and(|before| before.fence >= fence) {
            state.seen.note(Breach::OlderPublished);
        }
        match state.seen.due.checked_sub(1) {
            Some(due) => state.seen.due = due,
            None => state.seen.note(Breach::OneRunTooMany),
        }
    }

    /// A lease that is lost is taken again. Where another has the lock, the work is handed back.
    fn renew(self, state: &mut State, n: usize) {
        let is_at_work = matches!(state.workers[n].phase, Phase::Running { .. });
        if !is_at_work {
            state.workers[n] = Worker::default();
        } else if state.is_locked() {
            let wanted = state.seen.wanted;
            self.close(state, n, |row, fence| hand_back(row, fence, wanted));
        } else {
            state.workers[n].lease = Lease::Live;
        }
    }

    fn recover(self, state: &mut State, n: usize) {
        let (fence, next) = match state.workers[n].phase {
            Phase::SawNoLock(fence) => (fence, Phase::Idle),
            Phase::LockedToRecover(fence) => (fence, Phase::Locked),
            _ => unreachable!("only a claim that was seen can be recovered"),
        };
        let before = state.row;
        let is_alive = state.has_owner_at_work() && before.confirmation != Confirmation::Ripe;
        let is_old = before.confirmation != Confirmation::Fresh;
        let recovery = if self.has(Guard::Confirmation) && (self.has(Guard::Suspicion) || !is_old) {
            UNCONFIRMED
        } else {
            Recovery::Ended
        };
        let recover = |row: &mut Row| row.recover(Fence(fence.into()), recovery, NOW);
        let recovered = state.row.change(recover);
        state.workers[n].phase = match recovered {
            // The lock is not kept where there is nothing to recover yet.
            Recovered::NotYet if next == Phase::Locked => Phase::Closing(Ending::Other),
            _ => next,
        };
        if matches!(recovered, Recovered::NoLonger | Recovered::NotYet) {
            return;
        }
        if before.running == before.desired {
            state.seen.deaths += 1;
        }
        if is_alive {
            state.seen.note(Breach::LiveOwnerRecovered);
        }
    }

    fn release(self, state: &mut State, n: usize) {
        let lease = state.workers[n].lease;
        state.workers[n] = Worker::default();
        if lease == Lease::Lost && !self.has(Guard::Token) && state.is_locked() {
            state.free_lock();
            state.seen.note(Breach::StaleOwnerChanged);
        }
    }
}

impl State {
    fn claim(&mut self, n: usize) {
        let before = self.row;
        let Some((fence, made)) = self.row.claim() else {
            self.workers[n].phase = Phase::Closing(Ending::Other);
            return;
        };
        let is_at_work = |worker: &Worker| worker.fence().is_some() && !worker.frozen;
        if !self.seen.lacks(Breach::LiveOwnerRecovered) && self.workers.iter().any(is_at_work) {
            self.seen.note(Breach::SecondRun);
        }
        self.workers[n].phase = Phase::Running { fence, made };
        if before.ready == Some(made) || self.seen.wanted != Some(made) {
            self.seen.note(Breach::NeedlessRun);
        }
    }

    /// The bytes of the asset are found to be lost, as in `FileRows::assets_lost`.
    fn lose_asset(&mut self) {
        self.is_broken = false;
        self.row.change(cadmill_domain::ledger::Row::lose_asset);
        if self.row.state == RowState::Idle {
            self.seen.due = 1;
        }
        if let Some(wanted) = self.seen.wanted
            && self.row.state != RowState::Cancelled
        {
            let request = |row: &mut Row| row.request(&input(wanted), Request::BULK, NOW);
            self.row.change(request);
        }
    }

    /// The lock is nobody's any more.
    fn free_lock(&mut self) {
        self.orphaned = false;
        for worker in &mut self.workers {
            if worker.lease == Lease::Live {
                worker.lease = Lease::Lost;
            }
        }
    }
}

impl Phase {
    fn seen_no_lock(self) -> Self {
        match self {
            Self::SawClaim(fence) => Self::SawNoLock(fence),
            other => other,
        }
    }

    fn locked(self) -> Self {
        match self {
            Self::SawClaim(fence) => Self::LockedToRecover(fence),
            _ => Self::Locked,
        }
    }
}

impl Step {
    /// Whether it is a step of the protocol itself.
    fn is_inner(self) -> bool {
        !matches!(
            self,
            Self::Request { .. }
                | Self::Cancel
                | Self::Break
                | Self::Flush
                | Self::Outage
                | Self::Crash(_)
                | Self::Freeze(_)
                | Self::Wake(_)
                | Self::HandBack(_)
                | Self::Fail { .. }
        )
    }
}

/// Gives a claim back and looks up anew what is wanted, as `FileRows::hand_back` does.
fn hand_back(row: &mut Ledger, fence: Fence, wanted: Option<Made>) -> Ending {
    if !row.change(|row| row.hand_back(fence)) {
        return Ending::Refused;
    }
    if let Some(wanted) = wanted {
        row.change(|row| row.request(&input(wanted), Request::BULK, NOW));
    }
    Ending::Other
}

fn fail(row: &mut Ledger, fence: Fence, for_good: bool) -> Ending {
    let failure = Failure::new(FailureCode::KernelEmpty, "");
    let retry_at = (!for_good).then_some(NOW);
    if row.change(|row| row.fail(fence, &failure, retry_at)) {
        Ending::Other
    } else {
        Ending::Refused
    }
}

/// Whether a request was answered with what became of it.
fn is_answer(answer: Requested, made: Made, before: &Ledger, after: &Ledger) -> bool {
    let wants = after.desired == Some(made);
    match answer {
        Requested::Queued => wants && after.is_queued() && !before.is_queued(),
        Requested::InFlight => wants && after.state == before.state && !after.is_settled(),
        Requested::Present => wants && after.is_settled() && after.ready == Some(made),
        Requested::Failed => after == before && after.state == RowState::Failed,
    }
}
