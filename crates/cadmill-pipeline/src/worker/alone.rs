//! Work that may kill its worker runs alone, so that nothing healthy dies with it.

use cadmill_domain::Work;
use cadmill_lock::{Held, LockKey, Renewal};
use tokio::time::Instant;
use tracing::info;

use super::Worker;
use crate::runner::{TaskError, allow_renewal};

/// How many suspects are looked at, of which other workers may have reserved some.
const SUSPECTS: usize = 16;

/// One piece of work that was claimed by workers that died, and is set aside if it dies once more.
#[derive(Debug, Default)]
pub(super) struct Alone {
    reserved: Option<Reserved>,
    looked_at: Option<Instant>,
}

#[derive(Debug)]
struct Reserved {
    work: Work,
    /// Whether it runs, or waits until nothing else does.
    has_begun: bool,
    /// Keeps other workers from emptying their slots for the same work.
    _reservation: Held,
    /// Ends the reservation when the ledger does not answer any more.
    renewal: Renewal,
}

impl Alone {
    /// Whether nothing else may be begun.
    pub(super) const fn is_reserved(&self) -> bool {
        self.reserved.is_some()
    }

    /// The work, if it does not run yet.
    pub(super) fn begin(&mut self) -> Option<Work> {
        let reserved = self.reserved.as_mut()?;
        let is_first = !std::mem::replace(&mut reserved.has_begun, true);
        is_first.then_some(reserved.work)
    }

    pub(super) fn ended(&mut self, work: Work) {
        let is_over = |reserved: &mut Reserved| reserved.has_begun && reserved.work == work;
        if self.reserved.take_if(is_over).is_some() {
            // There may be more of them.
            self.looked_at = None;
        }
    }
}

impl Worker {
    /// Reserves a suspect, or keeps the one that is reserved, as often as the ledger is polled.
    pub(super) async fn look_for_suspects(&mut self) -> Result<(), TaskError> {
        let lease = self.runner.settings.lease;
        let poll = self.settings.poll.min(lease / 6);
        if (self.alone.looked_at).is_some_and(|at| at.elapsed() < poll) {
            return Ok(());
        }
        let asked_at = Instant::now();
        let suspects = self.runner.records.queue.suspects(SUSPECTS);
        let suspects = self.runner.ask(suspects).await?;
        self.alone.looked_at = Some(asked_at);
        if let Some(reserved) = &self.alone.reserved {
            allow_renewal(&reserved.renewal, asked_at, lease);
            return Ok(());
        }
        for work in suspects {
            if self.passed_over.has(work) {
                continue;
            }
            let key = LockKey::new(format!("suspect_lock:{}:{}", work.kind, work.cad_file_id));
            let (lock, renewal) = (&self.runner.lock, Renewal::default());
            allow_renewal(&renewal, asked_at, lease);
            let reservation = Held::try_acquire_while(lock, &key, lease, &renewal);
            if let Some(reservation) = reservation.await? {
                info!(%work, running = self.running.len(), "Its workers died, so it runs alone.");
                self.alone.reserved = Some(Reserved {
                    work,
                    has_begun: false,
                    _reservation: reservation,
                    renewal,
                });
                return Ok(());
            }
        }
        Ok(())
    }
}
