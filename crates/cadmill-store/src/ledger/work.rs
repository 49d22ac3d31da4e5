//! What runs and what waits, for people to look at.

use cadmill_domain::{Priority, QueueDepth, RowState, StoreError, TaskKind, WorkCursor, WorkItem};
use sea_orm::{ConnectionTrait as _, Value, prelude::ChronoDateTimeUtc};

use super::columns::{self, COLUMNS};
use crate::{Store, error::store_error};

/// How many rows of one file may share a place in the order of the index.
const KINDS: usize = TaskKind::ALL.len();

pub(super) async fn queue_depths(store: &Store) -> Result<Vec<QueueDepth>, StoreError> {
    let sql = "SELECT kind, priority, COUNT(*) AS row_count, MIN(requested_at) AS oldest \
               FROM ledger WHERE state = 'queued' GROUP BY kind, priority";
    let rows = store
        .reading()
        .query_all_raw(store.statement(sql, []))
        .await;
    let rows = rows.map_err(store_error)?;
    let depths = rows.iter().map(|row| {
        Ok(QueueDepth {
            kind: columns::kind(row)?,
            priority: Priority::from_rank(columns::get(row, "priority")?),
            rows: columns::get::<i64>(row, "row_count")? as u64,
            oldest: columns::get::<Option<ChronoDateTimeUtc>>(row, "oldest")?,
        })
    });
    let mut depths = depths.collect::<Result<Vec<_>, StoreError>>()?;
    depths.sort_by_key(|depth| (depth.kind, depth.priority));
    Ok(depths)
}

pub(super) async fn page(
    store: &Store,
    after: Option<WorkCursor>,
    limit: usize,
) -> Result<Vec<WorkItem>, StoreError> {
    let mut items = Vec::new();
    if after.is_none_or(|after| after.state == RowState::Running) {
        items = part(store, RowState::Running, after, limit).await?;
    }
    if items.len() < limit {
        let after = after.filter(|after| after.state == RowState::Queued);
        let left = limit - items.len();
        items.extend(part(store, RowState::Queued, after, left).await?);
    }
    Ok(items)
}

/// What is in this state, from the first behind `after`, which was in the same.
async fn part(
    store: &Store,
    state: RowState,
    after: Option<WorkCursor>,
    limit: usize,
) -> Result<Vec<WorkItem>, StoreError> {
    let columns = COLUMNS.map(|column| format!("l.{column}")).join(", ");
    let begin = if after.is_some() {
        "AND (l.priority < $2 OR (l.priority = $2 \
         AND (l.requested_at > $3 OR (l.requested_at = $3 AND l.cad_file_id >= $4))))"
    } else {
        ""
    };
    // The kinds of one file at the edges of the page are sorted out here: in the order of the index
    // the database has nothing to sort.
    let sql = format!(
        "SELECT f.name AS file_name, {columns} FROM ledger l \
         JOIN cad_file f ON f.id = l.cad_file_id WHERE l.state = '{}' {begin} \
         ORDER BY l.priority DESC, l.requested_at, l.cad_file_id LIMIT $1",
        state.as_str()
    );
    let rows = limit.saturating_add(2 * KINDS);
    let mut values: Vec<Value> = vec![i64::try_from(rows).unwrap_or(i64::MAX).into()];
    if let Some(after) = after {
        values.push(after.priority.rank().into());
        values.push(after.requested_at.into());
        values.push(after.work.cad_file_id.as_uuid().into());
    }
    let rows = store.reading().query_all_raw(store.statement(&sql, values));
    let rows = rows.await.map_err(store_error)?;
    let items = rows.iter().map(|answer| {
        Ok(WorkItem {
            work: columns::work(answer)?,
            file_name: columns::get(answer, "file_name")?,
            row: columns::row(answer)?.1,
        })
    });
    let mut items = items.collect::<Result<Vec<_>, StoreError>>()?;
    items.retain(|item| after.is_none_or(|after| item.cursor().place() > after.place()));
    items.sort_by_key(|item| item.cursor().place());
    items.truncate(limit);
    Ok(items)
}
