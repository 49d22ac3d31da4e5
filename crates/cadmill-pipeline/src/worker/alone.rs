//! Work that may kill its worker runs alone, so that nothing healthy dies with it.

use cadmill_domain::TaskPayload;
use cadmill_lock::{Held, LockKey};
use tokio::time::Instant;
use tracing::info;

use super::Worker;
use crate::mill::TaskError;

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
    work: TaskPayload,
    /// Whether it runs, or waits until nothing else does.
    has_begun: bool,
    /// Keeps other workers from emptying their slots for the same work.
    _reservation: Held,
}

impl Alone {
    /// Whether nothing else may be begun.
    pub(super) const fn is_reserved(&self) -> bool {
        self.reserved.is_some()
    }

    /// The work, if it does not run yet.
    pub(super) fn begin(&mut self) -> Option<TaskPayload> {
        let reserved = self.reserved.as_mut()?;
        let is_first = !std::mem::replace(&mut reserved.has_begun, true);
        is_first.then_some(reserved.work)
    }

    pub(super) fn ended(&mut self, work: TaskPayload) {
        let is_over = |reserved: &mut Reserved| reserved.has_begun && reserved.work == work;
        if self.reserved.take_if(is_over).is_some() {
            // There may be more of them.
            self.looked_at = None;
        }
    }
}

impl Worker {
    /// Reserves a suspect, as often as the ledger is polled.
    pub(super) async fn look_for_suspects(&mut self) -> Result<(), TaskError> {
        let is_recent = |at: Instant| at.elapsed() < self.settings.poll;
        if self.alone.is_reserved() || self.alone.looked_at.is_some_and(is_recent) {
            return Ok(());
        }
        let suspects = self.mill.records.ledger.suspects(SUSPECTS);
        let suspects = self.ask(suspects).await?;
        self.alone.looked_at = Some(Instant::now());
        for work in suspects {
            if self.passed_over.has(work) {
                continue;
            }
            let key = LockKey::new(format!("suspect_lock:{}:{}", work.kind, work.cad_file_id));
            let (lock, lease) = (&self.mill.lock, self.mill.settings.lease);
            if let Some(reservation) = Held::try_acquire(lock, &key, lease).await? {
                info!(%work, running = self.running.len(), "Its workers died, so it runs alone.");
                self.alone.reserved = Some(Reserved {
                    work,
                    has_begun: false,
                    _reservation: reservation,
                });
                return Ok(());
            }
        }
        Ok(())
    }
}
