//! Requests, in memory.

use async_trait::async_trait;

use crate::fakes::{MemoryStore, Tables, cad_files::is_named};
use crate::{
    CadFile, ContentHash, Failure, MediaPlan, StoreError, TaskKind, Work,
    blobs::BlobLoss,
    ledger::{
        FileRows, Missing, MissingReason, MissingRequest, Request, RequestKey, Requested, RowState,
        WorkRequests, WorkerName,
    },
};

#[async_trait]
impl WorkRequests for MemoryStore {
    fn plan(&self) -> &MediaPlan {
        &self.plan
    }

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

    async fn cancel(&self, work: Work) -> Result<bool, StoreError> {
        let cancelled = |file_rows: &mut FileRows<'_>| file_rows.cancel(work.kind);
        let cancelled = self.with_book(work.cad_file_id, cancelled);
        Ok(cancelled.unwrap_or(false))
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
