//! The queue and its claims, in memory.

use async_trait::async_trait;
use chrono::TimeDelta;

use crate::fakes::{MemoryStore, Tables};
use crate::{
    Failure, MediaAssetId, MediaKind, Moment, StoreError, TaskKind, Work,
    ledger::{
        Claim, Confirmed, FileRows, HandBack, Progress, Published, QueuedWork, Recovered, Recovery,
        ResultSummary, TaskOutput, WorkQuery, WorkQueue, WorkerName, first_in_queue,
    },
    pipeline_log::NewPipelineEvent,
};

#[async_trait]
impl WorkQueue for MemoryStore {
    async fn next(&self, query: &WorkQuery) -> Result<Vec<QueuedWork>, StoreError> {
        let tables = self.tables();
        let rows = tables.rows.iter().map(|(work, row)| (*work, row));
        let done_here = rows.filter(|(work, _)| self.plan.does(work.kind));
        let healthy = done_here.filter(|(_, row)| !row.is_suspect());
        Ok(first_in_queue(healthy, query, self.clock.now()))
    }

    async fn suspects(&self, limit: usize) -> Result<Vec<Work>, StoreError> {
        let now = self.clock.now();
        let tables = self.tables();
        let rows = tables.rows.iter();
        let due = rows.filter(|(work, row)| row.is_due(now) && self.plan.does(work.kind));
        let mut suspects: Vec<_> = due.filter(|(_, row)| row.is_suspect()).collect();
        suspects.sort_by_key(|(work, row)| (row.requested_at, **work));
        let suspects = suspects.into_iter().take(limit);
        Ok(suspects.map(|(work, _)| *work).collect())
    }

    async fn put_off(&self, work: &[Work], until: Moment) -> Result<(), StoreError> {
        let mut tables = self.tables();
        for work in work {
            if let Some(row) = tables.rows.get_mut(work) {
                row.put_off(until);
            }
        }
        Ok(())
    }

    async fn claim(&self, work: Work, worker: &WorkerName) -> Result<Option<Claim>, StoreError> {
        let now = self.clock.now();
        let mut tables = self.tables();
        let row = tables.rows.get_mut(&work);
        let claim = row.and_then(|row| row.claim(work, worker, now));
        if let Some(claim) = &claim {
            tables.add_event(NewPipelineEvent::started(claim), now);
        }
        Ok(claim)
    }

    async fn progress(&self, claim: &Claim, progress: &Progress) -> Result<bool, StoreError> {
        let mut tables = self.tables();
        let row = tables.rows.get_mut(&claim.work);
        let held = row.filter(|row| row.is_held_under(claim.fence));
        Ok(held
            .map(|row| row.progress = Some(progress.clone()))
            .is_some())
    }

    async fn publish(&self, claim: &Claim, product: TaskOutput) -> Result<Published, StoreError> {
        let now = self.clock.now();
        let mut tables = self.tables();
        let row = tables.rows.get(&claim.work);
        if !row.is_some_and(|row| row.is_held_under(claim.fence)) {
            return Ok(Published::Refused);
        }
        let Work { cad_file_id, kind } = claim.work;
        let new_id = MediaAssetId::generate(&*self.clock);
        let summary = ResultSummary::of(&product);
        let is_new = matches!(product, TaskOutput::Asset(_) | TaskOutput::Coarser { .. });
        let (asset, coarser) = tables.store(claim, product, new_id, now)?;
        if is_new {
            tables.end_waits(claim, true);
        }
        let published = tables.with_book(&self.plan, cad_file_id, now, |file_rows| {
            file_rows.publish(kind, claim.fence, asset, coarser, &summary)
        });
        let done = published
            .flatten()
            .map(|(requeued, chained)| Published::Done {
                asset,
                requeued,
                chained,
            });
        Ok(done.unwrap_or(Published::Refused))
    }

    async fn fail(
        &self,
        claim: &Claim,
        failure: &Failure,
        retry_at: Option<Moment>,
    ) -> Result<bool, StoreError> {
        let Work { cad_file_id, kind } = claim.work;
        let failed =
            |file_rows: &mut FileRows<'_>| file_rows.fail(kind, claim.fence, failure, retry_at);
        let held = self.with_book(cad_file_id, failed).unwrap_or(false);
        if held {
            self.tables().end_waits(claim, false);
        }
        Ok(held)
    }

    async fn hand_back(&self, claim: &Claim, reason: HandBack) -> Result<bool, StoreError> {
        let Work { cad_file_id, kind } = claim.work;
        let back = |file_rows: &mut FileRows<'_>| file_rows.hand_back(kind, claim.fence, reason);
        let held = self.with_book(cad_file_id, back).unwrap_or(false);
        if held {
            self.tables().end_waits(claim, false);
        }
        Ok(held)
    }

    async fn running(&self) -> Result<Vec<Claim>, StoreError> {
        let tables = self.tables();
        let rows = tables.rows.iter();
        Ok(rows
            .filter_map(|(work, row)| row.open_claim(*work))
            .collect())
    }

    async fn confirm(&self, claim: &Claim) -> Result<Confirmed, StoreError> {
        let Work { cad_file_id, kind } = claim.work;
        let confirmed = |file_rows: &mut FileRows<'_>| file_rows.confirm(kind, claim.fence);
        let confirmed = self.with_book(cad_file_id, confirmed);
        Ok(confirmed.unwrap_or(Confirmed::Gone))
    }

    async fn standing(&self, claims: &[Claim]) -> Result<Vec<Confirmed>, StoreError> {
        let standing = |claim: &Claim| {
            let Work { cad_file_id, kind } = claim.work;
            let standing = |file_rows: &mut FileRows<'_>| file_rows.standing(kind, claim.fence);
            let standing = self.with_book(cad_file_id, standing);
            standing.unwrap_or(Confirmed::Gone)
        };
        Ok(claims.iter().map(standing).collect())
    }

    async fn unconfirmed(&self, lease: TimeDelta) -> Result<Vec<Claim>, StoreError> {
        let before = self.clock.now() - Recovery::suspected_after(lease);
        let tables = self.tables();
        let rows = tables.rows.iter();
        let silent = rows.filter(|(_, row)| row.confirmed_at.is_none_or(|at| at <= before));
        Ok(silent
            .filter_map(|(work, row)| row.open_claim(*work))
            .collect())
    }

    async fn recover(&self, claim: &Claim, recovery: Recovery) -> Result<Recovered, StoreError> {
        let Work { cad_file_id, kind } = claim.work;
        let recovered =
            |file_rows: &mut FileRows<'_>| file_rows.recover(kind, claim.fence, recovery);
        let recovered = self.with_book(cad_file_id, recovered);
        Ok(recovered.unwrap_or(Recovered::NoLonger))
    }
}

impl Tables {
    /// A claim on these bytes is closed: what waits for their tessellation waits no more.
    fn end_waits(&mut self, claim: &Claim, is_made: bool) {
        if claim.work.kind != TaskKind::Make(MediaKind::GltfGeometry) {
            return;
        }
        let same = self.rows.iter_mut().filter(|(work, _)| {
            work.kind == claim.work.kind && work.cad_file_id != claim.work.cad_file_id
        });
        for (_, row) in same {
            row.end_wait(&claim.input, is_made);
        }
    }
}
