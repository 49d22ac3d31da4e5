//! The ports of the ledger. What changes one file locks it, reads its rows, runs the transitions of the
//! domain and writes what changed; what is asked for often or of many files is one statement.

mod claim;
pub(crate) mod columns;
mod confirm;
pub(crate) mod events;
mod file_rows;
mod loss;
pub(crate) mod missing;
pub(crate) mod next;
mod once;
mod publish;
mod queue;
mod work;

use async_trait::async_trait;
use cadmill_domain::{
    CadFileId, ContentHash, Failure, Input, MediaKind, MediaPlan, Moment, StoreError, TaskKind,
    Work, WorkCursor,
    blobs::BlobLoss,
    ledger::{
        Claim, Confirmed, Count, HandBack, LedgerView, Missing, MissingRequest, Progress,
        Published, QueueDepth, QueuedWork, Recovered, Recovery, Request, RequestKey, Requested,
        Row, RowState, TaskOutput, WorkItem, WorkQuery, WorkQueue, WorkRequests, WorkerName,
    },
};
use chrono::TimeDelta;
use sea_orm::{
    ConnectionTrait as _, Statement, Value,
    prelude::{ChronoDateTimeUtc, Uuid},
};

use self::{claim::CLAIM, columns::COLUMNS};
use crate::{Store, dialect::Dialect, error::store_error};

#[async_trait]
impl WorkRequests for Store {
    fn plan(&self) -> &MediaPlan {
        &self.plan
    }

    async fn request(&self, work: Work, request: Request) -> Result<Option<Requested>, StoreError> {
        // Most requests ask for what is there or under way; they only read.
        let Some(mut file_rows) = self.read_book(work.cad_file_id).await? else {
            return Ok(None);
        };
        let requested = file_rows.request(work.kind, request);
        if file_rows.changes().next().is_none() {
            return Ok(Some(requested));
        }
        self.in_book(work.cad_file_id, |file_rows| {
            file_rows.request(work.kind, request)
        })
        .await
    }

    async fn request_once(
        &self,
        work: Work,
        request: Request,
        key: RequestKey,
    ) -> Result<Option<Requested>, StoreError> {
        if request.force {
            once::request(self, work, request, key).await
        } else {
            self.request(work, request).await
        }
    }

    async fn request_missing(&self, request: &MissingRequest) -> Result<Missing, StoreError> {
        missing::request(self, request).await
    }

    async fn cancel(&self, work: Work) -> Result<bool, StoreError> {
        let cancelled = self.in_book(work.cad_file_id, |file_rows| {
            let row = file_rows.row(work.kind);
            let is_running = row.is_some_and(|row| row.state == RowState::Running);
            (file_rows.cancel(work.kind), is_running)
        });
        let (cancelled, was_running) = cancelled.await?.unwrap_or_default();
        if was_running {
            // Its worker looks whether it is still wanted.
            self.notifier.notify().await;
        }
        Ok(cancelled)
    }

    async fn blob_lost(
        &self,
        sha256: ContentHash,
        finder: &WorkerName,
    ) -> Result<BlobLoss, StoreError> {
        loss::blob_lost(self, sha256, finder).await
    }

    async fn blob_found(&self, sha256: ContentHash) -> Result<u64, StoreError> {
        loss::blob_found(self, sha256).await
    }
}

#[async_trait]
impl WorkQueue for Store {
    async fn next(&self, query: &WorkQuery) -> Result<Vec<QueuedWork>, StoreError> {
        next::next(self, query).await
    }

    async fn suspects(&self, limit: usize) -> Result<Vec<Work>, StoreError> {
        queue::suspects(self, limit).await
    }

    async fn put_off(&self, work: &[Work], until: Moment) -> Result<(), StoreError> {
        queue::put_off(self, work, until).await
    }

    async fn claim(&self, work: Work, worker: &WorkerName) -> Result<Option<Claim>, StoreError> {
        claim::claim(self, work, worker).await
    }

    async fn progress(&self, claim: &Claim, progress: &Progress) -> Result<bool, StoreError> {
        let sql = "UPDATE ledger SET progress = $4 \
                   WHERE cad_file_id = $1 AND kind = $2 AND fence = $3 AND state = 'running'";
        let [file, kind] = key(claim.work);
        let fence = (claim.fence.0 as i64).into();
        let values = [file, kind, fence, columns::json(Some(progress))];
        let updated = self
            .writing()
            .execute_raw(self.statement(sql, values))
            .await;
        Ok(updated.map_err(store_error)?.rows_affected() == 1)
    }

    async fn publish(&self, claim: &Claim, product: TaskOutput) -> Result<Published, StoreError> {
        publish::publish(self, claim, product).await
    }

    async fn fail(
        &self,
        claim: &Claim,
        failure: &Failure,
        retry_at: Option<Moment>,
    ) -> Result<bool, StoreError> {
        let kind = claim.work.kind;
        queue::close_unmade(self, claim, |file_rows| {
            file_rows.fail(kind, claim.fence, failure, retry_at)
        })
        .await
    }

    async fn hand_back(&self, claim: &Claim, reason: HandBack) -> Result<bool, StoreError> {
        let kind = claim.work.kind;
        queue::close_unmade(self, claim, |file_rows| {
            file_rows.hand_back(kind, claim.fence, reason)
        })
        .await
    }

    async fn running(&self) -> Result<Vec<Claim>, StoreError> {
        let sql = format!("SELECT {CLAIM} FROM ledger WHERE state = 'running'");
        let rows = self.reading().query_all_raw(self.statement(&sql, [])).await;
        rows.map_err(store_error)?
            .iter()
            .map(columns::claim)
            .collect()
    }

    async fn confirm(&self, claim: &Claim) -> Result<Confirmed, StoreError> {
        confirm::confirm(self, claim).await
    }

    async fn standing(&self, claims: &[Claim]) -> Result<Vec<Confirmed>, StoreError> {
        confirm::standing(self, claims).await
    }

    async fn unconfirmed(&self, lease: TimeDelta) -> Result<Vec<Claim>, StoreError> {
        confirm::unconfirmed(self, lease).await
    }

    async fn recover(&self, claim: &Claim, recovery: Recovery) -> Result<Recovered, StoreError> {
        confirm::recover(self, claim, recovery).await
    }
}

#[async_trait]
impl LedgerView for Store {
    async fn rows(&self, file: CadFileId) -> Result<Vec<(TaskKind, Row)>, StoreError> {
        let mut rows = self.rows_of(self.reading(), file, "").await?;
        rows.sort_by_key(|(kind, _)| *kind);
        Ok(rows)
    }

    async fn failures(
        &self,
        after: Option<Work>,
        limit: usize,
    ) -> Result<Vec<(Work, Failure)>, StoreError> {
        let columns = COLUMNS.join(", ");
        let rank = rank();
        let sql = format!(
            "SELECT {columns} FROM ledger WHERE state = 'failed' \
             AND (cad_file_id > $1 OR (cad_file_id = $1 AND {rank} > $2)) \
             ORDER BY cad_file_id, {rank} LIMIT $3"
        );
        let after = after.map_or((Uuid::nil(), -1), |after| {
            let place = TaskKind::ALL.iter().position(|kind| *kind == after.kind);
            (after.cad_file_id.as_uuid(), place.unwrap_or(0) as i32)
        });
        let values = [after.0.into(), after.1.into(), (limit as i64).into()];
        let rows = self.reading().query_all_raw(self.statement(&sql, values));
        let rows = rows.await.map_err(store_error)?;
        let failures = rows.iter().map(|answer| {
            let failure = columns::row(answer)?.1.failure;
            let missing = || StoreError::Unreadable("a failure without a reason".to_owned());
            Ok((columns::work(answer)?, failure.ok_or_else(missing)?))
        });
        failures.collect()
    }

    async fn coarser(&self) -> Result<Vec<(Work, Input)>, StoreError> {
        let scene = MediaKind::GltfGeometry;
        let sql = format!(
            "SELECT cad_file_id, kind, ready_input FROM ledger WHERE coarser AND kind = '{scene}' \
             AND state NOT IN ('queued', 'running') ORDER BY cad_file_id"
        );
        let rows = self.reading().query_all_raw(self.statement(&sql, [])).await;
        let rows = rows.map_err(store_error)?;
        let coarser = rows.iter().map(|answer| {
            let ready = columns::get::<String>(answer, "ready_input")?;
            Ok((columns::work(answer)?, columns::parse_input(ready)?))
        });
        coarser.collect()
    }

    async fn stats(&self) -> Result<Vec<Count>, StoreError> {
        let sql = "SELECT kind, state, COUNT(*) AS row_count, MIN(requested_at) AS oldest \
                   FROM ledger GROUP BY kind, state";
        let rows = self.reading().query_all_raw(self.statement(sql, [])).await;
        let rows = rows.map_err(store_error)?;
        let counts = rows.iter().map(|row| {
            let state: String = columns::get(row, "state")?;
            Ok(Count {
                kind: columns::kind(row)?,
                state: RowState::from_name(&state).ok_or(StoreError::Unreadable(state))?,
                rows: columns::get::<i64>(row, "row_count")? as u64,
                oldest: columns::get::<Option<ChronoDateTimeUtc>>(row, "oldest")?,
            })
        });
        let mut counts = counts.collect::<Result<Vec<_>, StoreError>>()?;
        counts.sort_by_key(|count| (count.kind, count.state));
        Ok(counts)
    }

    async fn queue_depths(&self) -> Result<Vec<QueueDepth>, StoreError> {
        work::queue_depths(self).await
    }

    async fn work(
        &self,
        after: Option<WorkCursor>,
        limit: usize,
    ) -> Result<Vec<WorkItem>, StoreError> {
        work::page(self, after, limit).await
    }
}

impl Store {
    pub(crate) fn dialect(&self) -> Dialect {
        Dialect::of(self.writing().get_database_backend())
    }

    pub(crate) fn statement(
        &self,
        sql: &str,
        values: impl IntoIterator<Item = Value>,
    ) -> Statement {
        Statement::from_sql_and_values(self.dialect().backend, sql, values)
    }
}

/// The place of a row's kind in the chain.
fn rank() -> String {
    let kinds = TaskKind::ALL.iter().enumerate();
    let cases: Vec<_> = kinds
        .map(|(rank, kind)| format!("WHEN '{kind}' THEN {rank}"))
        .collect();
    format!("CASE kind {} END", cases.join(" "))
}

/// The values of a row's key.
fn key(work: Work) -> [Value; 2] {
    [work.cad_file_id.as_uuid().into(), work.kind.as_str().into()]
}

/// Names of kinds for `IN (…)`; they are ours, so they need no escaping.
fn in_words(kinds: impl Iterator<Item = TaskKind>) -> String {
    let kinds: Vec<String> = kinds.map(|kind| format!("'{kind}'")).collect();
    kinds.join(", ")
}
