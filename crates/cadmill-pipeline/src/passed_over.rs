//! Work whose lock others hold, and when it is tried again.

use std::{collections::BTreeMap, time::Duration};

use cadmill_domain::Work;
use tokio::time::Instant;

/// How long work is left alone when its lock was found held for the first time: another worker may be
/// about to claim it.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// The wait doubles up to this.
const MAX_WAIT: Duration = Duration::from_secs(30);
/// What was not looked at for so long is forgotten.
const FORGET_AFTER: Duration = Duration::from_mins(5);

/// Work that a worker has passed over.
#[derive(Debug, Default)]
pub(crate) struct PassedOver(BTreeMap<Work, Entry>);

#[derive(Debug, Clone, Copy)]
struct Entry {
    /// How often in a row its lock was held.
    times: u32,
    again_at: Instant,
}

impl PassedOver {
    /// The lock of this work is held: how often in a row it was, and for how long the work is left
    /// alone.
    pub(crate) fn add(&mut self, work: Work) -> (u32, Duration) {
        let now = Instant::now();
        self.0
            .retain(|_, entry| now < entry.again_at + FORGET_AFTER);
        let times = self.0.get(&work).map_or(0, |entry| entry.times) + 1;
        let wait = wait(times);
        let again_at = now + wait;
        self.0.insert(work, Entry { times, again_at });
        (times, wait)
    }

    /// How long this work would be left alone if its lock were held once more.
    pub(crate) fn next_wait(&self, work: Work) -> Duration {
        wait(self.0.get(&work).map_or(0, |entry| entry.times) + 1)
    }

    /// Whether this work is left alone at the moment.
    pub(crate) fn has(&self, work: Work) -> bool {
        let entry = self.0.get(&work);
        entry.is_some_and(|entry| Instant::now() < entry.again_at)
    }

    /// The work that is left alone at the moment.
    pub(crate) fn work(&self) -> impl Iterator<Item = &Work> {
        let now = Instant::now();
        let waiting = self.0.iter().filter(move |(_, entry)| now < entry.again_at);
        waiting.map(|(work, _)| work)
    }

    /// The work was done.
    pub(crate) fn forget(&mut self, work: Work) {
        self.0.remove(&work);
    }

    /// How long until some of it is tried again.
    pub(crate) fn next(&self) -> Option<Duration> {
        let now = Instant::now();
        let waits = self.0.values().map(|entry| entry.again_at);
        let next = waits.filter(|again_at| now < *again_at).min();
        next.map(|again_at| again_at - now)
    }
}

fn wait(times: u32) -> Duration {
    let doubled = FIRST_WAIT.saturating_mul(1 << times.saturating_sub(1).min(16));
    doubled.min(MAX_WAIT)
}

#[cfg(test)]
mod tests {
    use cadmill_domain::{CadFileId, SystemClock, TaskKind};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn waits_double_until_the_work_is_done() {
        let cad_file_id = CadFileId::generate(&SystemClock);
        let kind = TaskKind::ProcessStep;
        let work = Work { cad_file_id, kind };
        let mut passed_over = PassedOver::default();
        for round in 0..2 {
            for (times, seconds) in (1..).zip([1, 2, 4, 8, 16, 30, 30]) {
                let wait = Duration::from_secs(seconds);
                assert_eq!(passed_over.next_wait(work), wait, "round {round}");
                assert_eq!(passed_over.add(work), (times, wait));
                assert_eq!(passed_over.next(), Some(wait));
                assert!(passed_over.has(work));
                assert_eq!(passed_over.work().count(), 1);
                tokio::time::advance(wait).await;
                assert!(!passed_over.has(work));
                assert_eq!(passed_over.work().count(), 0);
            }
            passed_over.forget(work);
        }
        passed_over.add(work);
        tokio::time::advance(FORGET_AFTER + FIRST_WAIT).await;
        assert_eq!(passed_over.work().count(), 0);
        assert_eq!(passed_over.add(work), (1, FIRST_WAIT));
    }
}
