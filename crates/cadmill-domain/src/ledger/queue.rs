//! The order of the queue: by priority; within one, requesters take turns; the work of one requester
//! goes by the age of the request, so that a file is finished before the next is begun.
//!
//! The databases compute the same order in the query of `WorkQueue::next`; [`first_in_queue`] is the
//! reference that they are tested against.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Priority, Row};
use crate::{AccessTokenId, ContentHash, Moment, TaskKind, Work};

/// How many retries that are due are considered in one look, those that became due first.
pub const MAX_DUE_RETRIES: usize = 256;

/// The party for which work is done: an access token, or a project of it. Requesters take turns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Requester(Uuid);

impl Requester {
    /// All requests without a token: those of the command line, and of a service that asks for none.
    /// It is not the nil UUID, so that a search can begin below every requester.
    pub const SHARED: Self = Self(Uuid::from_u128(1));

    /// The owner of this token.
    #[must_use]
    pub const fn of_token(token: AccessTokenId) -> Self {
        Self(token.as_uuid())
    }

    /// A project of `self`: the same key names another project under another token.
    #[must_use]
    pub fn project(self, key: &str) -> Self {
        let text = [self.0.as_bytes(), key.as_bytes()].concat();
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&ContentHash::of(&text).as_bytes()[..16]);
        // A UUID of version 8 (RFC 9562): its bits are those of the hash.
        Self(uuid::Builder::from_custom_bytes(bytes).into_uuid())
    }

    /// The one with this UUID, as it was stored.
    #[must_use]
    pub const fn from_uuid(uuid: Uuid) -> Self {
        Self(uuid)
    }

    /// Its UUID.
    #[must_use]
    pub const fn as_uuid(&self) -> Uuid {
        self.0
    }
}

impl Default for Requester {
    fn default() -> Self {
        Self::SHARED
    }
}

/// The two halves of the queue. Each has workers' capacity of its own, so that reading a file never
/// waits for a tessellator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lane {
    /// `process_step_file`: short, without the kernel.
    Read,
    /// Everything that makes a medium.
    Make,
}

impl Lane {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Read, Self::Make];

    /// The one of work of this kind.
    #[must_use]
    pub const fn of(kind: TaskKind) -> Self {
        match kind {
            TaskKind::ProcessStep => Self::Read,
            TaskKind::Make(_) => Self::Make,
        }
    }
}

/// Which requester had the last turn, for each lane and priority. A worker keeps it in memory: it is
/// only where the next round begins, so nothing is lost with it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Turns(BTreeMap<(Lane, Priority), Requester>);

impl Turns {
    /// The requester that had the last turn.
    #[must_use]
    pub fn last(&self, lane: Lane, priority: Priority) -> Option<Requester> {
        self.0.get(&(lane, priority)).copied()
    }

    /// Notes that this work was taken.
    pub fn took(&mut self, taken: &QueuedWork) {
        let lane = Lane::of(taken.work.kind);
        self.0.insert((lane, taken.priority), taken.requester);
    }
}

/// What a worker looks for in the queue.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WorkQuery {
    /// At most so much to read.
    pub reads: usize,
    /// At most so much to make.
    pub makes: usize,
    /// Who had the last turns.
    pub turns: Turns,
}

impl WorkQuery {
    /// At most so much of each lane, where no requester had a turn yet.
    #[must_use]
    pub fn first(limit: usize) -> Self {
        Self {
            reads: limit,
            makes: limit,
            turns: Turns::default(),
        }
    }

    /// At most so much of this lane.
    #[must_use]
    pub const fn limit(&self, lane: Lane) -> usize {
        match lane {
            Lane::Read => self.reads,
            Lane::Make => self.makes,
        }
    }
}

/// Work that may be claimed now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueuedWork {
    /// What is to be done.
    pub work: Work,
    /// How urgent it is.
    pub priority: Priority,
    /// For whom it is done.
    pub requester: Requester,
}

/// What of `rows` may be claimed at `now`: first what is to be read, then what is to be made, each in
/// the order of the queue. The first piece of work of each requester has place 0, its second place 1;
/// within a priority work goes by place, and within a place by requester, from the one behind the
/// last turn on, in a circle.
pub fn first_in_queue<'a>(
    rows: impl IntoIterator<Item = (Work, &'a Row)>,
    query: &WorkQuery,
    now: Moment,
) -> Vec<QueuedWork> {
    let due = rows.into_iter().filter(|(_, row)| row.is_due(now));
    let due: Vec<_> = due.collect();
    let lanes = Lane::ALL.into_iter();
    let lanes = lanes.flat_map(|lane| {
        let of_lane = due.iter().filter(|(work, _)| Lane::of(work.kind) == lane);
        first_of_lane(of_lane.copied().collect(), lane, query)
    });
    lanes.collect()
}

fn first_of_lane(mut due: Vec<(Work, &Row)>, lane: Lane, query: &WorkQuery) -> Vec<QueuedWork> {
    let retries = due.iter().filter_map(|(work, row)| {
        let due_since = row.not_before?;
        Some((due_since, *work))
    });
    let retries: BTreeSet<_> = retries.collect();
    let late: BTreeSet<_> = retries.into_iter().skip(MAX_DUE_RETRIES).collect();
    due.retain(|(work, row)| {
        let due_since = row.not_before;
        due_since.is_none_or(|due_since| !late.contains(&(due_since, *work)))
    });
    due.sort_by_key(|(work, row)| (row.requested_at, *work));
    let mut places: BTreeMap<(Priority, Requester), usize> = BTreeMap::new();
    let mut ranked: Vec<_> = due
        .into_iter()
        .map(|(work, row)| {
            let Row {
                priority,
                requester,
                ..
            } = *row;
            let next = places.entry((priority, requester)).or_default();
            let place = *next;
            *next += 1;
            let last = query.turns.last(lane, priority);
            let had_turn = last.is_some_and(|last| requester <= last);
            let rank = (-priority.rank(), place, had_turn, requester);
            let queued = QueuedWork {
                work,
                priority,
                requester,
            };
            (rank, queued)
        })
        .collect();
    ranked.sort_by_key(|(rank, _)| *rank);
    let first = ranked.into_iter().take(query.limit(lane));
    first.map(|(_, queued)| queued).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn projects_differ_by_key_and_by_token() {
        let token = Requester::of_token(AccessTokenId::from_uuid(Uuid::from_u128(7)));
        assert_eq!(token.project("a"), token.project("a"));
        assert_ne!(token.project("a"), token.project("b"));
        assert_ne!(token.project("a"), Requester::SHARED.project("a"));
        assert_eq!(token.project("a").as_uuid().get_version_num(), 8);
    }
}
