//! Transactions that share one commit.
//!
//! The first transaction of a group begins one of SQLite; each that follows while it is open is a
//! savepoint in it, so one that fails is undone without its neighbours. When no more wait for their
//! turn, or the group is large or old enough, one `COMMIT` makes all of them durable, and only then
//! is any of them answered. A task of its own does that: a caller may give up at any time.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use sea_orm::{ConnAcquireErr, DbErr};
use tokio::{
    sync::oneshot,
    time::{Instant, timeout_at},
};

use super::{Kept, Shared};

/// A group has at most so many members.
const MAX_MEMBERS: usize = 64;
/// A group takes members for four times as long as a commit takes, but within these limits.
const MIN_AGE: Duration = Duration::from_millis(2);
const MAX_AGE: Duration = Duration::from_millis(50);
/// Waiting for more members takes a timer, which is not worth it for a faster commit.
const MIN_COMMIT_TO_WAIT: Duration = Duration::from_millis(1);
/// A group waits for as many members as may come, but no longer than this.
const MAX_WAIT: Duration = Duration::from_millis(2);

/// Transactions that are done and wait for their commit.
#[derive(Debug)]
pub(super) struct Group {
    begun: Instant,
    members: Vec<oneshot::Sender<Result<(), DbErr>>>,
}

impl Group {
    /// Answers each member how its commit ended.
    pub(super) fn answer(self, outcome: &Result<(), DbErr>) {
        for member in self.members {
            // One that has given up needs no answer.
            let _ = member.send(outcome.clone());
        }
    }
}

/// How the commit of a group will end.
#[derive(Debug)]
pub(super) struct Outcome(oneshot::Receiver<Result<(), DbErr>>);

impl Outcome {
    pub(super) async fn wait(self) -> Result<(), DbErr> {
        let closed = || DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed);
        self.0.await.map_err(|_| closed())?
    }
}

/// What the last commits were like.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// How long the last one took.
    commit: Duration,
    /// How many shared it, and came while it was under way: those may share the next one.
    members: usize,
}

impl Pace {
    /// Whether others are likely to come soon, so that waiting for them saves commits.
    pub(super) fn expects_more(&self) -> bool {
        self.members > 1 && self.commit >= MIN_COMMIT_TO_WAIT
    }

    pub(super) fn was(&mut self, commit: Duration, members: usize) {
        *self = Self { commit, members };
    }

    fn max_age(&self) -> Duration {
        (4 * self.commit).clamp(MIN_AGE, MAX_AGE)
    }

    fn wait(&self) -> Duration {
        if self.expects_more() {
            (self.commit / 2).min(MAX_WAIT)
        } else {
            Duration::ZERO
        }
    }
}

impl Kept {
    /// Adds a transaction that is done to the group. The first begins one, and lets a task close it.
    pub(super) fn join(&mut self, shared: &Arc<Shared>) -> Outcome {
        let (answer, outcome) = oneshot::channel();
        let group = self.group.get_or_insert_with(|| {
            tokio::spawn(close(Arc::clone(shared), Instant::now() + self.pace.wait()));
            Group {
                begun: Instant::now(),
                members: Vec::new(),
            }
        });
        group.members.push(answer);
        if group.members.len() >= self.pace.members {
            shared.filled.notify_one();
        }
        Outcome(outcome)
    }

    async fn commit(&mut self, shared: &Shared) {
        let begun = Instant::now();
        let committed = self.execute("COMMIT").await;
        let Some(group) = self.group.take() else {
            return;
        };
        let waiting = shared.waiting.load(Ordering::Relaxed);
        self.pace
            .was(begun.elapsed(), group.members.len() + waiting);
        group.answer(&committed);
        if committed.is_err() {
            self.is_left_open = true;
            self.undo_what_was_left().await;
        }
    }
}

/// Commits a group when it is time.
async fn close(shared: Arc<Shared>, wait_until: Instant) {
    loop {
        // Turns are taken in the order in which they were asked for, so all who waited when this was
        // asked for are members by now.
        let mut kept = shared.lock().await;
        kept.undo_what_was_left().await;
        let Some(group) = &kept.group else {
            return;
        };
        let members = group.members.len();
        if members < MAX_MEMBERS && group.begun.elapsed() < kept.pace.max_age() {
            if shared.waiting.load(Ordering::Relaxed) > 0 {
                continue;
            }
            if members < kept.pace.members && Instant::now() < wait_until {
                drop(kept);
                // Whether the time is over or the group is full is seen in the next round.
                let _ = timeout_at(wait_until, shared.filled.notified()).await;
                continue;
            }
        }
        return kept.commit(&shared).await;
    }
}
