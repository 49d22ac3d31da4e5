//! What there is at one moment: the row, the lock, the workers, and what the check remembers.

use cadmill_domain::ledger::RowState;
use stateright::Representative;

use crate::ledger::{Confirmation, Ledger, Made};

/// How many workers there are.
pub(crate) const WORKERS: usize = 3;

/// One moment.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct State {
    pub(crate) row: Ledger,
    pub(crate) workers: [Worker; WORKERS],
    /// The lock is held by a lease whose worker died.
    pub(crate) orphaned: bool,
    /// The bytes of the asset are lost, and the row shows it all the same.
    pub(crate) is_broken: bool,
    /// Jobs that were appended instead of merged; only where requests are not merged.
    pub(crate) appended: u8,
    pub(crate) left: Left,
    pub(crate) seen: Seen,
}

/// What may still happen to the workers from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Left {
    pub(crate) requests: u8,
    pub(crate) faults: u8,
}

/// What the check remembers, which no part of the protocol can see.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(crate) struct Seen {
    /// What was asked for last.
    pub(crate) wanted: Option<Made>,
    /// How many results may still come of what was asked for.
    pub(crate) due: u8,
    /// How often in a row a worker died over what is wanted.
    pub(crate) deaths: u8,
    /// How many inputs were asked for so far.
    pub(crate) inputs: Made,
    /// What went wrong on the way here, a bit for each [`Breach`].
    breaches: u16,
}

/// A step that was wrong, whatever state it led to.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Breach {
    FenceMoved,
    StaleOwnerChanged,
    OlderPublished,
    NeedlessRun,
    OneRunTooMany,
    LiveOwnerRecovered,
    FurtherFromTheEnd,
    WrongAnswer,
    SecondRun,
}

/// One process that does work.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Worker {
    pub(crate) phase: Phase,
    pub(crate) lease: Lease,
    /// It takes no step (`SIGSTOP`, a page fault, a long pause).
    pub(crate) frozen: bool,
}

/// Where a worker is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Phase {
    /// It waits for work.
    #[default]
    Idle,
    /// It has seen that the row is in the queue.
    SawQueued,
    /// It has seen that this claim is open.
    SawClaim(u8),
    /// It has seen this claim, and then that nobody holds the lock.
    SawNoLock(u8),
    /// It has taken the lock, to take back this claim.
    LockedToRecover(u8),
    /// It has taken the lock, to claim.
    Locked,
    /// It is at work under this claim.
    Running { fence: u8, made: Made },
    /// It is done and has the lock to release.
    Closing(Ending),
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Ending {
    Published,
    PublishedAndWantedAgain,
    PublishRefused,
    Refused,
    Other,
}

/// What the lock store says of the lease that a worker has. The worker cannot see it; it learns of
/// a loss when it renews.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Lease {
    /// It has taken none.
    #[default]
    None,
    /// Its token is that of the lock.
    Live,
    /// It ran out, or the lock store was flushed.
    Lost,
}

impl Seen {
    /// Remembers that a step was wrong.
    pub(crate) fn note(&mut self, breach: Breach) {
        self.breaches |= 1 << breach as u16;
    }

    /// Whether no step was wrong in this way.
    pub(crate) fn lacks(self, breach: Breach) -> bool {
        self.breaches & 1 << breach as u16 == 0
    }
}

impl State {
    /// Whether somebody holds the lock.
    pub(crate) fn is_locked(&self) -> bool {
        self.orphaned
            || self
                .workers
                .iter()
                .any(|worker| worker.lease == Lease::Live)
    }

    /// Whoever runs under the claim that is open, and would be heard if it published.
    pub(crate) fn owner(&self) -> Option<&Worker> {
        let open = self.row.open_fence()?;
        self.workers
            .iter()
            .find(|worker| worker.fence() == Some(open))
    }

    /// Whether a claim is open, and was confirmed so.
    pub(crate) fn is_open_and(&self, confirmation: Confirmation) -> bool {
        self.row.open_fence().is_some() && self.row.confirmation == confirmation
    }

    /// Whether the owner of the open claim is there and not frozen.
    pub(crate) fn has_owner_at_work(&self) -> bool {
        self.owner().is_some_and(|owner| !owner.frozen)
    }

    /// Whether the claim that is open brings something to one that tries to recover it.
    pub(crate) fn may_be_recovered(&self) -> bool {
        self.is_open_and(Confirmation::Old) || self.is_open_and(Confirmation::Ripe)
    }

    /// How far it is to the end if nothing happens from outside: every step of the protocol makes
    /// this smaller, so the protocol ends. What weighs most comes first: bytes that were lost, leases
    /// that were lost, what the row needs, where the workers are, and leases that will run out.
    pub(crate) fn distance(&self) -> [usize; 5] {
        let row = match self.row.state {
            RowState::Queued => 5,
            RowState::Running => self.distance_of_claim(),
            RowState::Idle | RowState::Failed | RowState::Cancelled => 0,
        };
        let workers = || self.workers.into_iter();
        let lost = workers().map(Worker::weight_of_loss).sum();
        let phases = workers().map(|worker| self.distance_of(worker));
        let live = workers().filter(|worker| worker.lease == Lease::Live);
        [
            usize::from(self.is_broken),
            lost,
            row,
            phases.sum(),
            live.count() + usize::from(self.orphaned),
        ]
    }

    /// What is confirmed comes to its end, and what is not, back into the queue.
    fn distance_of_claim(&self) -> usize {
        let done = if self.is_well_owned() { 1 } else { 6 };
        match (self.row.confirmation, self.has_owner_at_work()) {
            (Confirmation::Ripe, _) => 10,
            (Confirmation::Fresh, true) => done,
            (Confirmation::Suspected, true) => done + 1,
            (Confirmation::Old, true) => done + 2,
            (Confirmation::Suspected, false) => 11,
            (Confirmation::Old, false) => 12,
            (Confirmation::Fresh, false) => 13,
        }
    }

    /// Whether its owner is at work, keeps its lease, and makes what is wanted.
    fn is_well_owned(&self) -> bool {
        let is_well = |owner: &Worker| owner.lease == Lease::Live && !owner.frozen;
        self.row.desired == self.row.running && self.owner().is_some_and(is_well)
    }

    fn distance_of(&self, worker: Worker) -> usize {
        let is_open = |fence| self.row.open_fence() == Some(fence) && self.may_be_recovered();
        match worker.phase {
            Phase::Running { .. } => 10,
            Phase::SawClaim(fence) if !is_open(fence) => 9,
            Phase::SawNoLock(fence) | Phase::LockedToRecover(fence) if !is_open(fence) => 8,
            Phase::SawQueued if !self.row.is_queued() => 7,
            Phase::Locked if !self.row.is_queued() => 6,
            Phase::Closing(_) => 5,
            Phase::Idle => 4,
            Phase::SawClaim(_) | Phase::SawQueued => 3,
            Phase::SawNoLock(_) | Phase::LockedToRecover(_) | Phase::Locked => 2,
        }
    }
}

impl Representative for State {
    /// Workers are alike: which of them is where does not matter.
    fn representative(&self) -> Self {
        let mut sorted = self.clone();
        sorted.workers.sort_unstable();
        sorted
    }
}

impl Worker {
    /// The fence of the claim under which it runs.
    pub(crate) fn fence(self) -> Option<u8> {
        match self.phase {
            Phase::Running { fence, .. } => Some(fence),
            _ => None,
        }
    }

    /// What it may still do with a lease that is lost, or will be.
    fn weight_of_loss(self) -> usize {
        match (self.lease, self.frozen) {
            (Lease::Live, false) | (Lease::None, _) => 0,
            _ => match self.phase {
                Phase::LockedToRecover(_) => 3,
                Phase::Locked => 2,
                _ => 1,
            },
        }
    }
}
