//! The protocol: which steps can be taken at a moment.

use cadmill_domain::ledger::RowState;
use stateright::{Model, Property};

use crate::{
    ledger::{Confirmation, Ledger, Made},
    properties::properties,
    state::{Lease, Left, Phase, Seen, State, WORKERS, Worker},
};

/// The protocol, with or without one of its guards.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Protocol {
    pub(crate) without: Option<Guard>,
    /// How often something is asked for.
    pub(crate) requests: u8,
    /// How much goes wrong, of whatever kind.
    pub(crate) faults: u8,
    /// How many inputs there are to ask for.
    pub(crate) inputs: Made,
}

/// What keeps the protocol right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Guard {
    /// A claim is closed only under the newest fence.
    Fence,
    /// A request is merged with what the row wants already.
    Coalescing,
    /// Nobody claims without the lock.
    Lock,
    /// A lock is released by its owner only.
    Token,
    /// Bytes that are found to be lost are lost for the row, too.
    Loss,
    /// A claim is taken back only if its owner does not confirm it.
    Confirmation,
    /// An owner that does not confirm its claim is suspected first, and has time to confirm it.
    Suspicion,
}

/// One step. The number is that of the worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Somebody asks for this.
    Request { made: Made, retry_failed: bool },
    /// Somebody cancels the work.
    Cancel,
    /// The bytes of the asset are lost.
    Break,
    /// The lock store forgets everything.
    Flush,
    /// The database is away for longer than a lease.
    Outage,
    /// The worker dies, and starts anew.
    Crash(usize),
    /// The worker stops in the middle of whatever it does.
    Freeze(usize),
    /// It goes on, and knows nothing of the pause.
    Wake(usize),
    /// The worker is told to stop.
    HandBack(usize),
    /// Its work fails: for now or for good.
    Fail { worker: usize, for_good: bool },

    /// It is found that the bytes of the asset are lost: by a download, by a worker or by a scrub.
    Find,
    /// The lease of a dead worker runs out.
    ExpireOrphan,
    /// The lease of a frozen worker runs out.
    Expire(usize),
    /// The claim of a worker that died or stopped was not confirmed for a lease.
    Lapse,
    /// Such a worker has not used the time that it had after it was suspected.
    Ripen,
    /// It confirms its claim.
    Confirm(usize),
    /// It looks what can be claimed.
    Look(usize),
    /// It looks which claims are open.
    LookForClaims(usize),
    /// It looks whether somebody holds the lock.
    LookAtLock(usize),
    /// It takes the lock.
    Lock(usize),
    /// It claims.
    Claim(usize),
    /// It takes back the claim that it saw.
    Recover(usize),
    /// It finds that its lease is lost: it takes the lock again if that is free, and else hands its
    /// work back.
    Renew(usize),
    /// It finds that its claim is lost, and lets the work be.
    Progress(usize),
    /// It publishes.
    Publish(usize),
    /// It releases the lock.
    Release(usize),
}

impl Protocol {
    /// Whether this guard is there.
    pub(crate) fn has(self, guard: Guard) -> bool {
        self.without != Some(guard)
    }

    /// Whether every open claim is one to recover as soon as its lock is free.
    fn recovers_any(self, state: &State) -> bool {
        !self.has(Guard::Confirmation) && state.row.open_fence().is_some()
    }

    /// The steps that come from outside, and may never come.
    fn outer(self, state: &State, steps: &mut Vec<Step>) {
        if state.left.requests > 0 {
            let request = |made, retry_failed| Step::Request { made, retry_failed };
            // Inputs are alike: of those that nobody has asked for yet, one is enough.
            let inputs = self.inputs.min(state.seen.inputs + 1);
            steps.extend((0..inputs).map(|made| request(made, true)));
            if state.row.state == RowState::Failed {
                steps.extend(state.row.desired.map(|made| request(made, false)));
            }
        }
        for (n, worker) in state.workers.iter().enumerate() {
            if worker.frozen {
                steps.push(Step::Wake(n));
            }
        }
        if state.left.faults == 0 {
            return;
        }
        if matches!(state.row.state, RowState::Queued | RowState::Running) {
            steps.push(Step::Cancel);
        }
        if state.row.asset.is_some() && !state.is_broken {
            steps.push(Step::Break);
        }
        if state.is_locked() {
            steps.push(Step::Flush);
        }
        if state.is_open_and(Confirmation::Fresh) {
            steps.push(Step::Outage);
        }
        for (n, worker) in awake(state) {
            if worker.lease != Lease::None {
                steps.push(Step::Crash(n));
            }
            if worker.lease == Lease::Live {
                steps.push(Step::Freeze(n));
            }
            if worker.fence().is_some() {
                let fail = |for_good| Step::Fail {
                    worker: n,
                    for_good,
                };
                steps.extend([Step::HandBack(n), fail(false), fail(true)]);
            }
        }
    }

    /// The steps that are certain to be taken if nothing else happens.
    pub(crate) fn inner(self, state: &State, steps: &mut Vec<Step>) {
        if state.is_broken && self.has(Guard::Loss) {
            steps.push(Step::Find);
        }
        if state.orphaned {
            steps.push(Step::ExpireOrphan);
        }
        if state.is_open_and(Confirmation::Fresh) && !state.has_owner_at_work() {
            steps.push(Step::Lapse);
        }
        if state.is_open_and(Confirmation::Suspected) && !state.has_owner_at_work() {
            steps.push(Step::Ripen);
        }
        for (n, worker) in state.workers.iter().enumerate() {
            if worker.frozen && worker.lease == Lease::Live {
                steps.push(Step::Expire(n));
            }
        }
        for (n, worker) in awake(state) {
            let is_free = !self.has(Guard::Lock) || !state.is_locked();
            match worker.phase {
                Phase::Idle if state.row.is_queued() => steps.push(Step::Look(n)),
                Phase::Idle if state.may_be_recovered() || self.recovers_any(state) => {
                    steps.push(Step::LookForClaims(n));
                }
                // Where the lock is held it is skipped, and looked at again later.
                Phase::SawQueued if is_free => steps.push(Step::Lock(n)),
                Phase::SawClaim(_) if is_free => {
                    steps.extend([Step::LookAtLock(n), Step::Lock(n)]);
                }
                Phase::Idle | Phase::SawQueued | Phase::SawClaim(_) => {}
                Phase::SawNoLock(_) | Phase::LockedToRecover(_) => steps.push(Step::Recover(n)),
                Phase::Locked => steps.push(Step::Claim(n)),
                Phase::Running { fence, .. } => {
                    steps.push(Step::Publish(n));
                    if state.row.open_fence() != Some(fence) {
                        steps.push(Step::Progress(n));
                    } else if state.row.confirmation != Confirmation::Fresh {
                        steps.push(Step::Confirm(n));
                    }
                }
                Phase::Closing(_) => steps.push(Step::Release(n)),
            }
            if worker.lease == Lease::Lost {
                steps.push(Step::Renew(n));
            }
        }
    }
}

impl Model for Protocol {
    type State = State;
    type Action = Step;

    fn init_states(&self) -> Vec<State> {
        vec![State {
            row: Ledger::default(),
            workers: [Worker::default(); WORKERS],
            orphaned: false,
            is_broken: false,
            appended: 0,
            left: Left {
                requests: self.requests,
                faults: self.faults,
            },
            seen: Seen::default(),
        }]
    }

    fn actions(&self, state: &State, steps: &mut Vec<Step>) {
        self.outer(state, steps);
        self.inner(state, steps);
    }

    fn next_state(&self, state: &State, step: Step) -> Option<State> {
        Some(self.take(state, step))
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties()
    }
}

fn awake(state: &State) -> impl Iterator<Item = (usize, &Worker)> {
    let workers = state.workers.iter().enumerate();
    workers.filter(|(_, worker)| !worker.frozen)
}
