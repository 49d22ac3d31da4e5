//! The ledger, in memory.

use std::collections::BTreeMap;

use async_trait::async_trait;

use super::{MemoryStore, Tables, cad_files::is_named};
use crate::{
    Book, CadFile, CadFileId, Claim, Count, FailedFilter, Failure, Ledger, MediaAssetId, MediaKind,
    Missing, MissingRequest, Moment, Priority, Product, Progress, Published, QueueDepth, Recovered,
    Remnant, Request, RequestKey, Requested, Row, RowState, StoreError, TaskKind, TaskPayload,
    WorkCursor, WorkItem, WorkerName,
};

#[async_trait]
impl Ledger for MemoryStore {
    async fn request(
        &self,
        work: TaskPayload,
        request: Request,
    ) -> Result<Option<Requested>, StoreError> {
        let asked = |book: &mut Book<'_>| book.request(work.kind, request);
        Ok(self.with_book(work.cad_file_id, asked))
    }

    async fn request_once(
        &self,
        work: TaskPayload,
        request: Request,
        key: RequestKey,
    ) -> Result<Option<Requested>, StoreError> {
        if !request.again {
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
            again: is_first,
            ..request
        };
        let asked = |book: &mut Book<'_>| book.request(work.kind, request);
        Ok(tables.with_book(&self.making, work.cad_file_id, now, asked))
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
            ..Request::BULK
        };
        let mut missing = Missing::default();
        for id in files {
            let kept = tables.rows_of(id);
            let became = tables.with_book(&self.making, id, now, |book| {
                book.request(request.kind, asked)
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

    async fn request_stale(&self, kind: Option<MediaKind>) -> Result<Missing, StoreError> {
        let mut stale = Missing::default();
        let media = self.making.media();
        for medium in media.filter(|medium| kind.is_none_or(|kind| kind == *medium)) {
            stale += self
                .request_missing(&MissingRequest::of_stale(medium))
                .await?;
        }
        Ok(stale)
    }

    async fn retry_failed(&self, filter: &FailedFilter) -> Result<u64, StoreError> {
        let mut queued = 0;
        let kinds = self.making.kinds();
        for kind in kinds.filter(|kind| filter.kind.is_none_or(|wanted| wanted == *kind)) {
            queued += self.request_missing(&filter.request(kind)).await?.queued;
        }
        Ok(queued)
    }

    async fn next(&self, limit: usize) -> Result<Vec<TaskPayload>, StoreError> {
        let now = self.clock.now();
        let tables = self.tables();
        let rows = tables.rows.iter();
        let mut due: Vec<_> = rows
            .filter(|(work, row)| row.is_due(now) && self.making.does(work.kind))
            .collect();
        due.sort_by_key(|(work, row)| (-row.priority.rank(), row.requested_at, **work));
        Ok(due.into_iter().take(limit).map(|(work, _)| *work).collect())
    }

    async fn claim(
        &self,
        work: TaskPayload,
        worker: &WorkerName,
    ) -> Result<Option<Claim>, StoreError> {
        let now = self.clock.now();
        let mut tables = self.tables();
        let row = tables.rows.get_mut(&work);
        Ok(row.and_then(|row| row.claim(work, worker, now)))
    }

    async fn progress(&self, claim: &Claim, progress: &Progress) -> Result<bool, StoreError> {
        let mut tables = self.tables();
        let row = tables.rows.get_mut(&claim.work);
        let held = row.filter(|row| row.is_held_under(claim.fence));
        Ok(held
            .map(|row| row.progress = Some(progress.clone()))
            .is_some())
    }

    async fn publish(&self, claim: &Claim, product: Product) -> Result<Published, StoreError> {
        let now = self.clock.now();
        let mut tables = self.tables();
        let row = tables.rows.get(&claim.work);
        if !row.is_some_and(|row| row.is_held_under(claim.fence)) {
            return Ok(Published::Refused);
        }
        let TaskPayload { cad_file_id, kind } = claim.work;
        let new_id = MediaAssetId::generate(&*self.clock);
        let asset = tables.store(claim, product, new_id, now)?;
        let published = tables.with_book(&self.making, cad_file_id, now, |book| {
            book.publish(kind, claim.fence, asset)
        });
        let done = published.flatten().map(|(again, chained)| Published::Done {
            asset,
            again,
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
        let TaskPayload { cad_file_id, kind } = claim.work;
        let failed = |book: &mut Book<'_>| book.fail(kind, claim.fence, failure, retry_at);
        Ok(self.with_book(cad_file_id, failed).unwrap_or(false))
    }

    async fn hand_back(&self, claim: &Claim) -> Result<bool, StoreError> {
        let TaskPayload { cad_file_id, kind } = claim.work;
        let back = |book: &mut Book<'_>| book.hand_back(kind, claim.fence);
        Ok(self.with_book(cad_file_id, back).unwrap_or(false))
    }

    async fn running(&self) -> Result<Vec<Claim>, StoreError> {
        let tables = self.tables();
        let rows = tables.rows.iter();
        Ok(rows
            .filter_map(|(work, row)| row.open_claim(*work))
            .collect())
    }

    async fn recover(&self, claim: &Claim) -> Result<Recovered, StoreError> {
        let TaskPayload { cad_file_id, kind } = claim.work;
        let recovered = |book: &mut Book<'_>| book.recover(kind, claim.fence);
        let recovered = self.with_book(cad_file_id, recovered);
        Ok(recovered.unwrap_or(Recovered::NoLonger))
    }

    async fn cancel(&self, work: TaskPayload) -> Result<bool, StoreError> {
        let cancelled = |book: &mut Book<'_>| book.cancel(work.kind);
        let cancelled = self.with_book(work.cad_file_id, cancelled);
        Ok(cancelled.unwrap_or(false))
    }

    async fn rows(&self, file: CadFileId) -> Result<Vec<(TaskKind, Row)>, StoreError> {
        Ok(self.tables().rows_of(file))
    }

    async fn failures(
        &self,
        after: Option<TaskPayload>,
        limit: usize,
    ) -> Result<Vec<(TaskPayload, Failure)>, StoreError> {
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

impl MemoryStore {
    /// Whether something is left of an earlier try to make this kind.
    fn is_left(&self, tables: &Tables, file: &CadFile, kind: TaskKind, only: Remnant) -> bool {
        let work = TaskPayload {
            cad_file_id: file.id,
            kind,
        };
        let wanted = self.making.input(kind, &file.subject());
        let row = tables.rows.get(&work);
        row.is_some_and(|row| match only {
            Remnant::Stale => row.asset.is_some() && !row.has(&wanted),
            Remnant::Failed(code) => {
                let failure = row.failure.as_ref();
                let is_meant = |code| failure.is_some_and(|failure: &Failure| failure.code == code);
                row.state == RowState::Failed && code.is_none_or(is_meant)
            }
        })
    }
}
