//! The port `Ledger`. What changes one file locks it, reads its rows, runs the transitions of the
//! domain and writes what changed; what is asked for often or of many files is one statement.

mod book;
pub(crate) mod columns;
pub(crate) mod missing;
mod once;
mod publish;
mod work;

use async_trait::async_trait;
use cadmill_domain::{
    CadFileId, Claim, Count, FailedFilter, Failure, Ledger, MediaKind, Missing, MissingRequest,
    Moment, Product, Progress, Published, QueueDepth, Recovered, Request, RequestKey, Requested,
    Row, RowState, StoreError, TaskKind, TaskPayload, WorkCursor, WorkItem, WorkerName,
};
use sea_orm::{
    ConnectionTrait as _, Statement, Value,
    prelude::{ChronoDateTimeUtc, Uuid},
};

use self::columns::COLUMNS;
use crate::{Store, dialect::Dialect, error::store_error};

/// The columns of a claim.
const CLAIM: &str = "cad_file_id, kind, fence, running_input, worker, crashes, attempts, forced";

#[async_trait]
impl Ledger for Store {
    async fn request(
        &self,
        work: TaskPayload,
        request: Request,
    ) -> Result<Option<Requested>, StoreError> {
        // Most requests ask for what is there or under way; they only read.
        let Some(mut book) = self.read_book(work.cad_file_id).await? else {
            return Ok(None);
        };
        let requested = book.request(work.kind, request);
        if book.changes().next().is_none() {
            return Ok(Some(requested));
        }
        self.in_book(work.cad_file_id, |book| book.request(work.kind, request))
            .await
    }

    async fn request_missing(&self, request: &MissingRequest) -> Result<Missing, StoreError> {
        missing::request(self, request).await
    }

    async fn request_once(
        &self,
        work: TaskPayload,
        request: Request,
        key: RequestKey,
    ) -> Result<Option<Requested>, StoreError> {
        if request.again {
            once::request(self, work, request, key).await
        } else {
            self.request(work, request).await
        }
    }

    async fn request_stale(&self, kind: Option<MediaKind>) -> Result<Missing, StoreError> {
        let mut stale = Missing::default();
        let media = self.making.media();
        for medium in media.filter(|medium| kind.is_none_or(|kind| kind == *medium)) {
            stale += missing::request(self, &MissingRequest::of_stale(medium)).await?;
        }
        Ok(stale)
    }

    async fn retry_failed(&self, filter: &FailedFilter) -> Result<u64, StoreError> {
        let mut queued = 0;
        let kinds = self.making.kinds();
        for kind in kinds.filter(|kind| filter.kind.is_none_or(|wanted| wanted == *kind)) {
            queued += missing::request(self, &filter.request(kind)).await?.queued;
        }
        Ok(queued)
    }

    async fn next(&self, limit: usize) -> Result<Vec<TaskPayload>, StoreError> {
        let kinds = in_words(self.making.kinds());
        let rank = rank();
        // In the order of the index nothing has to be sorted, whatever PostgreSQL believes of a
        // queue that has just grown. The last file may have a row of each kind at its place. The
        // numbers stand in the text since SQLite plans anew whenever a limit is bound.
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let with_last_file = limit.saturating_add(TaskKind::ALL.len() as i64 - 1);
        let sql = format!(
            "SELECT cad_file_id, kind FROM (\
             SELECT cad_file_id, kind, priority, requested_at FROM ledger \
             WHERE state = 'queued' AND (not_before IS NULL OR not_before <= $1) \
             AND kind IN ({kinds}) \
             ORDER BY priority DESC, requested_at, cad_file_id LIMIT {with_last_file}) AS first \
             ORDER BY priority DESC, requested_at, cad_file_id, {rank} LIMIT {limit}"
        );
        let statement = self.statement(&sql, [self.clock.now().into()]);
        let rows = self.reading().query_all_raw(statement).await;
        rows.map_err(store_error)?
            .iter()
            .map(columns::work)
            .collect()
    }

    async fn claim(
        &self,
        work: TaskPayload,
        worker: &WorkerName,
    ) -> Result<Option<Claim>, StoreError> {
        let skip_locked = self.dialect().skip_locked;
        // The row is found by its key alone. A plan that was made while the queue was short would
        // look for it all along the queue's index.
        let sql = format!(
            "WITH found AS MATERIALIZED (SELECT kind, state, not_before FROM ledger \
             WHERE cad_file_id = $1 AND kind = $2 {skip_locked}) \
             UPDATE ledger SET state = 'running', running_input = desired_input, \
             fence = fence + 1, claimed_at = $3, worker = $4, progress = NULL \
             WHERE cad_file_id = $1 AND kind = (SELECT kind FROM found WHERE state = 'queued' \
             AND (not_before IS NULL OR not_before <= $3)) RETURNING {CLAIM}"
        );
        let [file, kind] = key(work);
        let now = self.clock.now();
        let values = [file, kind, now.into(), worker.as_str().into()];
        let statement = self.statement(&sql, values);
        let claimed = self.writing().query_one_raw(statement).await;
        let claimed = claimed.map_err(store_error)?;
        claimed.as_ref().map(columns::claim).transpose()
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

    async fn publish(&self, claim: &Claim, product: Product) -> Result<Published, StoreError> {
        publish::publish(self, claim, product).await
    }

    async fn fail(
        &self,
        claim: &Claim,
        failure: &Failure,
        retry_at: Option<Moment>,
    ) -> Result<bool, StoreError> {
        let TaskPayload { cad_file_id, kind } = claim.work;
        let failed = self.in_book(cad_file_id, |book| {
            book.fail(kind, claim.fence, failure, retry_at)
        });
        Ok(failed.await?.unwrap_or(false))
    }

    async fn hand_back(&self, claim: &Claim) -> Result<bool, StoreError> {
        let TaskPayload { cad_file_id, kind } = claim.work;
        let back = self.in_book(cad_file_id, |book| book.hand_back(kind, claim.fence));
        Ok(back.await?.unwrap_or(false))
    }

    async fn running(&self) -> Result<Vec<Claim>, StoreError> {
        let sql = format!("SELECT {CLAIM} FROM ledger WHERE state = 'running'");
        let rows = self.reading().query_all_raw(self.statement(&sql, [])).await;
        rows.map_err(store_error)?
            .iter()
            .map(columns::claim)
            .collect()
    }

    async fn recover(&self, claim: &Claim) -> Result<Recovered, StoreError> {
        let TaskPayload { cad_file_id, kind } = claim.work;
        let recovered = self.in_book(cad_file_id, |book| book.recover(kind, claim.fence));
        Ok(recovered.await?.unwrap_or(Recovered::NoLonger))
    }

    async fn cancel(&self, work: TaskPayload) -> Result<bool, StoreError> {
        let cancelled = self.in_book(work.cad_file_id, |book| book.cancel(work.kind));
        Ok(cancelled.await?.unwrap_or(false))
    }

    async fn rows(&self, file: CadFileId) -> Result<Vec<(TaskKind, Row)>, StoreError> {
        let mut rows = self.rows_of(self.reading(), file, "").await?;
        rows.sort_by_key(|(kind, _)| *kind);
        Ok(rows)
    }

    async fn failures(
        &self,
        after: Option<TaskPayload>,
        limit: usize,
    ) -> Result<Vec<(TaskPayload, Failure)>, StoreError> {
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
fn key(work: TaskPayload) -> [Value; 2] {
    [work.cad_file_id.as_uuid().into(), work.kind.as_str().into()]
}

/// Names of kinds for `IN (…)`; they are ours, so they need no escaping.
fn in_words(kinds: impl Iterator<Item = TaskKind>) -> String {
    let kinds: Vec<String> = kinds.map(|kind| format!("'{kind}'")).collect();
    kinds.join(", ")
}
