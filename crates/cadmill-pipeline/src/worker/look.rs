//! What a worker does between two naps: looks at its claims, and fills its slots.

use std::{collections::BTreeMap, time::Duration};

use cadmill_domain::{
    Work,
    ledger::{Lane, QueuedWork, WorkQuery},
};
use cadmill_lock::LockKey;
use tokio::time::Instant;
use tracing::debug;

use super::{Worker, of_lane};
use crate::runner::{TaskError, lock_key};

/// How much of a lane of the queue is looked at in one go, at least.
const PAGE: usize = 64;

impl Worker {
    pub(super) async fn look(&mut self) {
        if let Err(error) = self.look_for_work().await {
            self.tell_cut_off(&error);
        }
    }

    async fn look_for_work(&mut self) -> Result<(), TaskError> {
        let is_due = |at: Instant| at <= Instant::now();
        if self.look_at_claims.is_some_and(is_due) {
            self.look_at_claims = None;
            self.end_what_is_not_wanted().await?;
        }
        self.look_for_suspects().await?;
        if self.alone.is_reserved() {
            // Nothing else is begun until it has run.
            if self.running.is_empty()
                && let Some(work) = self.alone.begin()
            {
                self.begin(work);
            }
            return Ok(());
        }
        while self.take_page().await? {}
        self.is_cut_off = false;
        Ok(())
    }

    /// Ends the work on claims that were cancelled or superseded, or whose files were removed.
    async fn end_what_is_not_wanted(&self) -> Result<(), TaskError> {
        let open = self.open.all();
        if open.is_empty() {
            return Ok(());
        }
        let claims: Vec<_> = open.iter().map(|open| open.claim.clone()).collect();
        let standing = self.runner.ask(self.runner.records.queue.standing(&claims));
        let standing = standing.await?;
        for (open, confirmed) in open.iter().zip(standing) {
            open.hear(confirmed);
        }
        Ok(())
    }

    /// Begins work from the front of the queue. Whether more may fit that was not looked at.
    async fn take_page(&mut self) -> Result<bool, TaskError> {
        let query = WorkQuery {
            reads: self.looked_for(Lane::Read),
            makes: self.looked_for(Lane::Make),
            turns: self.turns.clone(),
        };
        if query.reads + query.makes == 0 {
            return Ok(false);
        }
        let queue = self.runner.records.queue.clone();
        let next = self.runner.ask(queue.next(&query)).await?;
        let may_be_more = Lane::ALL.into_iter().any(|lane| {
            let limit = query.limit(lane);
            limit > 0 && of_lane(lane, next.iter().map(|queued| &queued.work)) == limit
        });
        let is_new = |queued: &QueuedWork| {
            !self.is_in_hand(queued.work) && !self.passed_over.has(queued.work)
        };
        let new: Vec<_> = next.into_iter().filter(is_new).collect();
        if new.is_empty() {
            return Ok(false);
        }
        // Without locks nothing is claimed.
        let keys: Vec<LockKey> = new.iter().map(|queued| lock_key(queued.work)).collect();
        let held = self.runner.lock.held(&keys).await?;
        let mut put_off: BTreeMap<Duration, Vec<Work>> = BTreeMap::new();
        for (queued, is_held) in new.into_iter().zip(held) {
            let work = queued.work;
            if is_held {
                let (times, wait) = self.passed_over.add(work);
                // A worker that is just claiming it is done with that by the second time.
                if times > 1 {
                    put_off.entry(wait).or_default().push(work);
                }
            } else if self.free_slots(Lane::of(work.kind)) > 0 {
                self.turns.took(&queued);
                self.begin(work);
            }
        }
        for (wait, work) in put_off {
            debug!(
                rows = work.len(),
                ?wait,
                "Locked elsewhere, so it is put off."
            );
            self.runner.put_off(&work, wait).await?;
        }
        Ok(may_be_more)
    }

    /// How much of a lane is looked for: a page, beside what is passed over.
    fn looked_for(&self, lane: Lane) -> usize {
        match self.free_slots(lane) {
            0 => 0,
            free => {
                let in_hand = of_lane(lane, self.in_hand.values());
                PAGE.max(4 * free) + in_hand + of_lane(lane, self.passed_over.work())
            }
        }
    }
}
