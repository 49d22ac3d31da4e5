//! Confirmations: a worker says from time to time, in the ledger, that it still works on its claim.
//! A claim is taken back only if its confirmation is older than the lease.

use chrono::TimeDelta;

use super::{Fence, MAX_CRASHES, Row, RowState, WorkerName};
use crate::{Failure, FailureCode, Moment};

/// What the ledger says of a claim that was confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Confirmed {
    /// It is the newest, and what it makes is still wanted.
    Held,
    /// It is the newest, but something else is wanted by now: hand it back.
    Superseded,
    /// It was taken back, cancelled or closed, or its file was removed.
    Gone,
}

/// Why a claim is taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recovery {
    /// Its owner is known to be gone: the task panicked, or its process has ended.
    Ended,
    /// Its owner may be gone. It is taken back only if its lock is free, it was not confirmed for the
    /// whole `lease`, and its owner has had a third of that time to confirm it after it was first
    /// suspected: after an outage of the database every confirmation is old, although its owner may be
    /// at work.
    Unconfirmed {
        /// How long a lease runs.
        lease: TimeDelta,
        /// Whether no other worker has the lock; else its owner is only suspected.
        is_free: bool,
    },
}

impl Recovery {
    /// The silence after which a claim is suspected: two renewals were missed.
    #[must_use]
    pub fn suspected_after(lease: TimeDelta) -> TimeDelta {
        lease / 3 * 2
    }
}

/// What became of a claim whose owner may be gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recovered {
    /// It is in the queue again, if there is still something to be done.
    Requeued,
    /// It was the third time; it is set aside as a failure.
    SetAside,
    /// The claim was closed meanwhile.
    NoLonger,
    /// Its owner may still be at work, or another transaction holds its rows: look again later.
    NotYet,
}

impl Row {
    /// The owner of the claim with this fence is at work. False if that claim does not hold.
    pub fn confirm(&mut self, fence: Fence, now: Moment) -> bool {
        let is_held = self.is_held_under(fence);
        if is_held {
            self.confirmed_at = Some(now);
            self.suspected_at = None;
        }
        is_held
    }

    /// Takes the claim back from a worker that is gone, and counts a crash.
    pub fn recover(&mut self, fence: Fence, recovery: Recovery, now: Moment) -> Recovered {
        if !self.is_held_under(fence) {
            return Recovered::NoLonger;
        }
        if let Recovery::Unconfirmed { lease, is_free } = recovery
            && !(self.has_lapsed(lease, now) && is_free)
        {
            return Recovered::NotYet;
        }
        let is_wanted = self.desired == self.running;
        self.hand_back(fence);
        self.crashes = if is_wanted { self.crashes + 1 } else { 0 };
        if self.crashes < MAX_CRASHES {
            return Recovered::Requeued;
        }
        self.state = RowState::Failed;
        self.force = false;
        let worker = self.worker.as_ref().map_or("?", WorkerName::as_str);
        let detail = format!("It died {MAX_CRASHES} times, last on {worker}.");
        self.failure = Some(Failure::new(FailureCode::WorkerCrash, detail));
        Recovered::SetAside
    }

    /// Whether the claim was not confirmed for so long that its owner is gone. Its owner is suspected
    /// first.
    fn has_lapsed(&mut self, lease: TimeDelta, now: Moment) -> bool {
        let silence = self
            .confirmed_at
            .map_or(TimeDelta::MAX, |confirmed_at| now - confirmed_at);
        if silence < Recovery::suspected_after(lease) {
            return false;
        }
        let suspected_at = *self.suspected_at.get_or_insert(now);
        silence >= lease && now - suspected_at >= lease / 3
    }
}
