//! The ledger, in memory.

use std::collections::BTreeMap;

use async_trait::async_trait;
use chrono::TimeDelta;

use super::{MemoryStore, Tables, cad_files::is_named};
use crate::{
    CadFile, CadFileId, ContentHash, Failure, Input, MediaAssetId, MediaKind, Moment, StoreError,
    TaskKind, Work, WorkCursor,
    blobs::BlobLoss,
    ledger::{
        Claim, Confirmed, Count, FailedFilter, FileRows, HandBack, Ledger, Missing, MissingReason,
        MissingRequest, Priority, Progress, Published, QueueDepth, QueuedWork, Recovered, Recovery,
        Request, RequestKey, Requested, Requester, ResultSummary, Row, RowState, TaskOutput,
        WorkItem, WorkQuery, WorkerName, first_in_queue,
    },
    pipeline_log::NewPipelineEvent,
};

#[async_trait]
impl Ledger for MemoryStore {
    async fn request(&self, work: Work, request: Request) -> Result<Option<Requested>, StoreError> {
        let asked = |file_rows: &mut FileRows<'_>| file_rows.request(work.kind, request);
        Ok(self.with_book(work.cad_file_id, asked))
    }

    async fn request_once(
        &self,
        work: Work,
        request: Request,
        key: RequestKey,
    ) -> Result<Option<Requested>, StoreError> {
        if !request.force {
            return self.request(work, request).await;
        }
        let now = self.clock.now();
        let mut tables = self.tables();
        if !tables.files.contains_key(&work.cad_file_id) {
            return Ok(None);
        }
        tables.keys.retain(|_, used| *used + RequestKey::LIFE > now);
        let is_first = !tables.keys.contains_key(&(work, key));
        if is_first {
            tables.keys.insert((work, key), now);
        }
        let request = Request {
            force: is_first,
            ..request
        };
        let asked = |file_rows: &mut FileRows<'_>| file_rows.request(work.kind, request);
        Ok(tables.with_book(&self.plan, work.cad_file_id, now, asked))
    }

    async fn request_missing(&self, request: &MissingRequest) -> Result<Missing, StoreError> {
        let now = self.clock.now();
        let mut tables = self.tables();
        let filter = &request.filter;
        let files = tables.files.values().filter(|file| {
            is_named(file, filter.name_contains.as_deref())
                && filter
                    .only
                    .is_none_or(|only| self.is_left(&tables, file, request.kind, only))
        });
        let files: Vec<_> = files.map(|file| file.id).collect();
        let asked = Request {
            retry_failed: request.include_failed,
            requester: request.requester,
            retry_coarser: request.retries_coarser(),
            ..Request::BULK
        };
        let mut missing = Missing::default();
        for id in files {
            let kept = tables.rows_of(id);
            let became = tables.with_book(&self.plan, id, now, |file_rows| {
                file_rows.request(request.kind, asked)
            });
            match became {
                Some(Requested::Queued) => missing.queued += 1,
                Some(Requested::InFlight) => missing.in_flight += 1,
                Some(Requested::Present) => missing.present += 1,
                Some(Requested::Failed) => missing.failed += 1,
                None => {}
            }
            if request.dry_run {
                tables.rows.retain(|work, _| work.cad_file_id != id);
                tables.write(id, kept);
            }
        }
        Ok(missing)
    }

    async fn request_stale(
        &self,
        kind: Option<MediaKind>,
        requester: Requester,
    ) -> Result<Missing, StoreError> {
        let mut stale = Missing::default();
        let media = self.plan.media();
        for medium in media.filter(|medium| kind.is_none_or(|kind| kind == *medium)) {
            let request = MissingRequest {
                requester,
                ..MissingRequest::of_stale(medium)
            };
            stale += self.request_missing(&request).await?;
        }
        Ok(stale)
    }

    async fn retry_failed(
        &self,
        filter: &FailedFilter,
        requester: Requester,
    ) -> Result<u64, StoreError> {
        let mut queued = 0;
        let kinds = self.plan.kinds();
        for kind in kinds.filter(|kind| filter.kind.is_none_or(|wanted| wanted == *kind)) {
            let request = MissingRequest {
                requester,
                ..filter.request(kind)
            };
            queued += self.request_missing(&request).await?.queued;
        }
        Ok(queued)
    }

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

    async fn blob_lost(
        &self,
        sha256: ContentHash,
        finder: &WorkerName,
    ) -> Result<BlobLoss, StoreError> {
        Ok(self.lose_blob(sha256, finder))
    }

    async fn blob_found(&self, sha256: ContentHash) -> Result<u64, StoreError> {
        let now = self.clock.now();
        Ok(self.tables().source_found(&self.plan, sha256, now))
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

    async fn cancel(&self, work: Work) -> Result<bool, StoreError> {
        let cancelled = |file_rows: &mut FileRows<'_>| file_rows.cancel(work.kind);
        let cancelled = self.with_book(work.cad_file_id, cancelled);
        Ok(cancelled.unwrap_or(false))
    }

    async fn coarser(&self) -> Result<Vec<(Work, Input)>, StoreError> {
        let tables = self.tables();
        let rows = tables.rows.iter();
        let coarser = rows.filter_map(|(work, row)| {
            let ready = row.ready.as_ref().filter(|ready| ready.is_coarser())?;
            let is_scene = work.kind == TaskKind::Make(MediaKind::GltfGeometry);
            (is_scene && !row.is_in_flight()).then(|| (*work, ready.clone()))
        });
        Ok(coarser.collect())
    }

    async fn rows(&self, file: CadFileId) -> Result<Vec<(TaskKind, Row)>, StoreError> {
        Ok(self.tables().rows_of(file))
    }

    async fn failures(
        &self,
        after: Option<Work>,
        limit: usize,
    ) -> Result<Vec<(Work, Failure)>, StoreError> {
        let tables = self.tables();
        let rows = tables.rows.iter();
        let failed = rows.filter(|(work, row)| {
            row.state == RowState::Failed && after.is_none_or(|after| **work > after)
        });
        let failures = failed.filter_map(|(work, row)| Some((*work, row.failure.clone()?)));
        Ok(failures.take(limit).collect())
    }

    async fn stats(&self) -> Result<Vec<Count>, StoreError> {
        let tables = self.tables();
        let mut counts: BTreeMap<(TaskKind, RowState), Count> = BTreeMap::new();
        for (work, row) in &tables.rows {
            let (kind, state) = (work.kind, row.state);
            let count = counts.entry((kind, state)).or_insert(Count {
                kind,
                state,
                rows: 0,
                oldest: row.requested_at,
            });
            count.rows += 1;
            count.oldest = count.oldest.min(row.requested_at);
        }
        Ok(counts.into_values().collect())
    }

    async fn queue_depths(&self) -> Result<Vec<QueueDepth>, StoreError> {
        let tables = self.tables();
        let mut depths: BTreeMap<(TaskKind, Priority), QueueDepth> = BTreeMap::new();
        let rows = tables.rows.iter();
        for (work, row) in rows.filter(|(_, row)| row.state == RowState::Queued) {
            let (kind, priority) = (work.kind, row.priority);
            let depth = depths.entry((kind, priority)).or_insert(QueueDepth {
                kind,
                priority,
                rows: 0,
                oldest: row.requested_at,
            });
            depth.rows += 1;
            depth.oldest = depth.oldest.min(row.requested_at);
        }
        Ok(depths.into_values().collect())
    }

    async fn work(
        &self,
        after: Option<WorkCursor>,
        limit: usize,
    ) -> Result<Vec<WorkItem>, StoreError> {
        let tables = self.tables();
        let rows = tables.rows.iter().filter(|(_, row)| row.is_in_flight());
        let items = rows.filter_map(|(work, row)| {
            Some(WorkItem {
                work: *work,
                file_name: tables.files.get(&work.cad_file_id)?.name.clone(),
                row: row.clone(),
            })
        });
        let is_behind =
            |item: &WorkItem| after.is_none_or(|after| item.cursor().place() > after.place());
        let mut items: Vec<_> = items.filter(is_behind).collect();
        items.sort_by_key(|item| item.cursor().place());
        items.truncate(limit);
        Ok(items)
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

impl MemoryStore {
    /// Whether something is left of an earlier try to make this kind.
    fn is_left(
        &self,
        tables: &Tables,
        file: &CadFile,
        kind: TaskKind,
        only: MissingReason,
    ) -> bool {
        let work = Work {
            cad_file_id: file.id,
            kind,
        };
        let wanted = self.plan.input(kind, &file.subject());
        let row = tables.rows.get(&work);
        row.is_some_and(|row| match only {
            MissingReason::Stale => row.asset.is_some() && !row.has(&wanted),
            MissingReason::Failed(code) => {
                let failure = row.failure.as_ref();
                let is_meant = |code| failure.is_some_and(|failure: &Failure| failure.code == code);
                row.state == RowState::Failed && code.is_none_or(is_meant)
            }
        })
    }
}
