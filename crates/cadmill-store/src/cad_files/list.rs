//! Pages of files: two statements, one for the files and one for the rows of their media.

use std::collections::BTreeMap;

use cadmill_domain::{
    CadFile, CadFileCursor, CadFileId, CursorError, Direction, MediaKind, MediaPlan, SortKey,
    SortValue, StoreError, TaskKind,
    cad_file::{CadFileOverview, CadFilePage, CadFileQuery, MediaState, Period},
    ledger::Row,
};
use sea_orm::{ConnectionTrait as _, EntityTrait as _, Statement, Value};

use crate::{
    Store,
    dialect::Dialect,
    entity::cad_file::{Column, Entity},
    error::store_error,
    ledger::{
        columns::{self, COLUMNS},
        missing::{is_or_is_coarser, wanted_by},
        next::queued,
    },
};

pub(super) async fn page(store: &Store, query: &CadFileQuery) -> Result<CadFilePage, StoreError> {
    let order = query.order;
    if query
        .after
        .as_ref()
        .is_some_and(|after| after.order() != order)
    {
        return Err(StoreError::Refused(CursorError::OtherOrder.into()));
    }
    let select = Select::new(&store.plan, &store.dialect(), query);
    let rows = Entity::find().from_raw_sql(select.statement(query.limit));
    let rows = rows.all(store.reading()).await.map_err(store_error)?;
    let files: Result<Vec<_>, _> = rows.into_iter().map(CadFile::try_from).collect();
    let mut files = files?;
    let has_more = files.len() > query.limit;
    files.truncate(query.limit);
    let last = files.last().filter(|_| has_more);
    let next = last.map(|file| CadFileCursor::behind(file, order));
    let mut rows = rows_of_files(store, &files).await?;
    let files = files.into_iter().map(|file| {
        let rows = rows.remove(&file.id).unwrap_or_default();
        CadFileOverview::of(&store.plan, file, rows)
    });
    let files = files.collect();
    Ok(CadFilePage { files, next })
}

/// The statement that finds the files, piece by piece.
#[derive(Debug)]
struct Select {
    dialect: Dialect,
    joins: Vec<String>,
    conditions: Vec<String>,
    order: String,
    values: Vec<Value>,
}

impl Select {
    fn new(plan: &MediaPlan, dialect: &Dialect, query: &CadFileQuery) -> Self {
        let (key, than, direction) = match query.order.direction {
            Direction::Ascending => (query.order.key, ">", "ASC"),
            Direction::Descending => (query.order.key, "<", "DESC"),
        };
        let key = match key {
            SortKey::Name => format!("f.name {}", dialect.bytes),
            SortKey::CreatedAt => "f.created_at".to_owned(),
            SortKey::UpdatedAt => "f.updated_at".to_owned(),
        };
        let mut select = Self {
            dialect: *dialect,
            joins: Vec::new(),
            conditions: vec!["1 = 1".to_owned()],
            order: format!("{key} {direction}, f.id {direction}"),
            values: Vec::new(),
        };
        if let Some(part) = &query.name_contains {
            let place = select.place(part.to_ascii_lowercase().into());
            let is_named = dialect.is_named(&place);
            select.conditions.push(is_named);
        }
        select.within("f.created_at", query.created);
        select.within("f.updated_at", query.updated);
        for (number, (kind, state)) in query.media.iter().enumerate() {
            select.stands(plan, &format!("l{number}"), *kind, *state);
        }
        if let Some(after) = &query.after {
            let value = match after.value() {
                SortValue::Name(name) => name.clone().into(),
                SortValue::Moment(moment) => (*moment).into(),
            };
            let value = select.place(value);
            let id = select.place(after.id().as_uuid().into());
            let is_behind = format!("({key}, f.id) {than} ({value}, {id})");
            select.conditions.push(is_behind);
        }
        select
    }

    /// Finds one more than so many files: whether there is a next page.
    fn statement(mut self, limit: usize) -> Statement {
        let limit = i64::try_from(limit.saturating_add(1)).unwrap_or(i64::MAX);
        let limit = self.place(limit.into());
        let Self {
            dialect,
            joins,
            conditions,
            order,
            values,
        } = self;
        let columns = columns_of_files();
        let (joins, conditions) = (joins.concat(), conditions.join(" AND "));
        let sql = format!(
            "SELECT {columns} FROM cad_file f{joins} WHERE {conditions} \
             ORDER BY {order} LIMIT {limit}"
        );
        Statement::from_sql_and_values(dialect.backend, sql, values)
    }

    /// Takes a value; where it stands in the statement.
    fn place(&mut self, value: Value) -> String {
        self.values.push(value);
        format!("${}", self.values.len())
    }

    fn within(&mut self, column: &str, period: Period) {
        for (moment, than) in [(period.from, ">="), (period.until, "<")] {
            if let Some(moment) = moment {
                let place = self.place(moment.into());
                self.conditions.push(format!("{column} {than} {place}"));
            }
        }
    }

    /// Only files of which this medium stands so, as `MediaState::of` tells it.
    fn stands(&mut self, plan: &MediaPlan, row: &str, kind: MediaKind, state: MediaState) {
        let wanted = wanted_by(plan, TaskKind::Make(kind));
        let desired = format!("{row}.desired_input");
        let is_for_wanted = is_or_is_coarser(plan, TaskKind::Make(kind), &desired);
        let of = format!("{row}.cad_file_id = f.id AND {row}.kind = '{kind}'");
        let told = format!(
            "CASE WHEN {row}.state IN ('queued', 'running') THEN {row}.state \
             WHEN {row}.ready_input = {wanted} THEN 'ready' \
             WHEN {row}.state IN ('failed', 'cancelled') AND {is_for_wanted} \
             THEN {row}.state WHEN {row}.asset_id IS NOT NULL THEN 'stale' ELSE 'missing' END"
        );
        match state {
            // Such rows may be few, and an index may find them.
            MediaState::Queued
            | MediaState::Running
            | MediaState::Failed
            | MediaState::Cancelled => {
                let rows = match state {
                    MediaState::Queued => format!("({})", queued("l.*")),
                    _ => "ledger".to_owned(),
                };
                let rows = format!(" JOIN {rows} {row} ON {of} AND {row}.state = '{state}'");
                self.joins.push(rows);
                self.conditions.push(format!("{told} = '{state}'"));
            }
            // File by file. In a join PostgreSQL would read all rows for each file, if it believes
            // that there is none, as it does of many that have just been written.
            MediaState::Missing | MediaState::Ready | MediaState::Stale => {
                let told = format!("(SELECT {told} FROM ledger {row} WHERE {of})");
                let stands = format!("COALESCE({told}, 'missing') = '{state}'");
                self.conditions.push(stands);
            }
        }
    }
}

fn columns_of_files() -> String {
    use sea_orm::{Iden as _, Iterable as _};
    let columns = Column::iter().map(|column| format!("f.{}", column.unquoted()));
    columns.collect::<Vec<_>>().join(", ")
}

/// The rows of these files, in one statement.
async fn rows_of_files(
    store: &Store,
    files: &[CadFile],
) -> Result<BTreeMap<CadFileId, Vec<(TaskKind, Row)>>, StoreError> {
    let mut found: BTreeMap<_, Vec<_>> = BTreeMap::new();
    if files.is_empty() {
        return Ok(found);
    }
    let places: Vec<_> = (1..=files.len()).map(|place| format!("${place}")).collect();
    let sql = format!(
        "SELECT {} FROM ledger WHERE cad_file_id IN ({})",
        COLUMNS.join(", "),
        places.join(", ")
    );
    let values = files.iter().map(|file| file.id.as_uuid().into());
    let answers = store.reading().query_all_raw(store.statement(&sql, values));
    for answer in answers.await.map_err(store_error)? {
        let file = columns::work(&answer)?.cad_file_id;
        found.entry(file).or_default().push(columns::row(&answer)?);
    }
    Ok(found)
}
