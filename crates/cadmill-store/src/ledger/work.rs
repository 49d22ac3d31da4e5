//! What runs and what waits, for people to look at.

use cadmill_domain::{
    StoreError, TaskKind, WorkCursor, WorkPart,
    ledger::{Lane, Priority, QueueDepth, WorkItem},
};
use sea_orm::{ConnectionTrait as _, Value, prelude::ChronoDateTimeUtc};

use super::{
    columns::{self, COLUMNS},
    next::{PUT_OFF, queued, waiting},
};
use crate::{Store, error::store_error};

/// How many rows of one file may share a place in the order of the index.
const KINDS: usize = TaskKind::ALL.len();

pub(super) async fn queue_depths(store: &Store) -> Result<Vec<QueueDepth>, StoreError> {
    let sql = format!(
        "SELECT kind, priority, COUNT(*) AS row_count, MIN(requested_at) AS oldest \
         FROM ({}) AS queued GROUP BY kind, priority",
        queued("l.kind, l.priority, l.requested_at")
    );
    let rows = store
        .reading()
        .query_all_raw(store.statement(&sql, []))
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
    let first = after.map_or(WorkPart::Running, |after| after.part());
    let mut items = Vec::new();
    for part in WorkPart::ALL.into_iter().filter(|part| *part >= first) {
        if items.len() < limit {
            let after = after.filter(|after| after.part() == part);
            items.extend(page_of(store, part, after, limit - items.len()).await?);
        }
    }
    Ok(items)
}

/// What is in this part, from the first behind `after`, which was in the same.
async fn page_of(
    store: &Store,
    part: WorkPart,
    after: Option<WorkCursor>,
    limit: usize,
) -> Result<Vec<WorkItem>, StoreError> {
    let Order {
        sources,
        begin,
        sorting,
    } = Order::of(part);
    // The kinds of one file at the edges of the page are sorted out here: in the order of the index
    // the database has nothing to sort.
    let begin = after.map_or("TRUE", |_| begin);
    let columns = COLUMNS.map(|column| format!("l.{column}")).join(", ");
    let sources = sources.iter().enumerate().map(|(number, source)| {
        format!(
            "SELECT * FROM (SELECT {columns} FROM ledger l WHERE {source} AND {begin} \
             ORDER BY {sorting} LIMIT $1) AS source_{number}"
        )
    });
    let sources = sources.collect::<Vec<_>>().join(" UNION ALL ");
    let sql = format!(
        "SELECT f.name AS file_name, l.* FROM ({sources}) AS l \
         JOIN cad_file f ON f.id = l.cad_file_id"
    );
    let rows = limit.saturating_add(2 * KINDS);
    let mut values: Vec<Value> = vec![i64::try_from(rows).unwrap_or(i64::MAX).into()];
    values.extend(after.into_iter().flat_map(|after| place(part, &after)));
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

/// How a part of the list is read in the order of an index.
struct Order {
    /// Which rows of the ledger `l` are in it; each source has an index.
    sources: Vec<String>,
    /// Which of them are not before the file that begins the page.
    begin: &'static str,
    sorting: &'static str,
}

impl Order {
    fn of(part: WorkPart) -> Self {
        match part {
            WorkPart::Running => Self {
                sources: vec!["l.state = 'running'".to_owned()],
                begin: "(l.priority < $2 OR (l.priority = $2 AND (l.requested_at > $3 \
                        OR (l.requested_at = $3 AND l.cad_file_id >= $4))))",
                sorting: "l.priority DESC, l.requested_at, l.cad_file_id",
            },
            WorkPart::Waiting => Self {
                sources: Lane::ALL.map(waiting).to_vec(),
                begin: "(l.priority < $2 OR (l.priority = $2 AND (l.requester > $5 \
                        OR (l.requester = $5 AND (l.requested_at > $3 \
                        OR (l.requested_at = $3 AND l.cad_file_id >= $4))))))",
                sorting: "l.priority DESC, l.requester, l.requested_at, l.cad_file_id",
            },
            WorkPart::PutOff => Self {
                sources: vec![PUT_OFF.to_owned()],
                begin: "(l.not_before > $2 OR (l.not_before = $2 AND l.cad_file_id >= $3))",
                sorting: "l.not_before, l.cad_file_id",
            },
        }
    }
}

/// The values of a place in this part, as [`Order::begin`] numbers them.
fn place(part: WorkPart, after: &WorkCursor) -> Vec<Value> {
    let file = after.work.cad_file_id.as_uuid().into();
    let mut values: Vec<Value> = match part {
        WorkPart::PutOff => vec![after.not_before.into()],
        _ => vec![after.priority.rank().into(), after.requested_at.into()],
    };
    values.push(file);
    if part == WorkPart::Waiting {
        values.push(after.requester.as_uuid().into());
    }
    values
}
