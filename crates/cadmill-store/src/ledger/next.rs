//! What may be claimed, in the order of [`first_in_queue`](cadmill_domain::ledger::first_in_queue).
//!
//! No process keeps a count of turns: the order is computed from the queue itself. Of each lane and
//! priority the index is searched for the first requesters behind the last turn (a loose index scan),
//! and for the first rows of each; only these few rows are ranked.

use std::fmt::Write as _;

use cadmill_domain::{
    StoreError, TaskKind,
    ledger::{Lane, MAX_CRASHES, MAX_DUE_RETRIES, Priority, QueuedWork, WorkQuery},
};
use sea_orm::{
    ConnectionTrait as _, Value,
    prelude::{ChronoDateTimeUtc, Uuid},
};

use super::{columns, in_words, rank};
use crate::{Store, dialect::Dialect, error::store_error};

/// Below every requester.
const LOWEST: Uuid = Uuid::nil();
/// Above every requester.
const HIGHEST: Uuid = Uuid::max();

/// The rows of a lane that wait for nothing, as the partial index of that lane states it.
pub(super) fn waiting(lane: Lane) -> String {
    let kind = of_lane(lane);
    format!("l.state = 'queued' AND l.not_before IS NULL AND {kind}")
}

/// The rows that are put off, as their partial index states it.
pub(super) const PUT_OFF: &str = "l.state = 'queued' AND l.not_before IS NOT NULL";

/// All rows of the queue, each part found by its index.
pub(crate) fn queued(columns: &str) -> String {
    let [read, make] = Lane::ALL.map(waiting);
    let parts = [read, make, PUT_OFF.to_owned()];
    let parts = parts.map(|rows| format!("SELECT {columns} FROM ledger l WHERE {rows}"));
    parts.join(" UNION ALL ")
}

fn of_lane(lane: Lane) -> &'static str {
    match lane {
        Lane::Read => "l.kind = 'process_step'",
        Lane::Make => "l.kind <> 'process_step'",
    }
}

pub(super) async fn next(store: &Store, query: &WorkQuery) -> Result<Vec<QueuedWork>, StoreError> {
    let lanes = Lane::ALL.into_iter();
    let mut lanes = lanes.filter(|lane| query.limit(*lane) > 0).peekable();
    if lanes.peek().is_none() {
        return Ok(Vec::new());
    }
    let mut search = Search::new(store, query);
    for lane in lanes {
        search.add(lane);
    }
    let statement = store.statement(&search.finish(), search.values);
    let rows = store.reading().query_all_raw(statement).await;
    rows.map_err(store_error)?
        .iter()
        .map(columns::queued)
        .collect()
}

/// The statement for one look.
#[derive(Debug)]
struct Search<'a> {
    dialect: Dialect,
    query: &'a WorkQuery,
    /// The kinds that are done here.
    kinds: String,
    lanes: Vec<String>,
    values: Vec<Value>,
}

impl<'a> Search<'a> {
    fn new(store: &Store, query: &'a WorkQuery) -> Self {
        let now: ChronoDateTimeUtc = store.clock.now();
        Self {
            dialect: store.dialect(),
            query,
            kinds: in_words(store.plan.kinds()),
            lanes: Vec::new(),
            values: vec![now.into()],
        }
    }

    /// Searches a lane, too. The limits stand in the text since SQLite plans anew whenever a limit is
    /// bound.
    fn add(&mut self, lane: Lane) {
        let turns = self.turns(lane);
        let Self { dialect, kinds, .. } = &*self;
        let limit = i64::try_from(self.query.limit(lane)).unwrap_or(i64::MAX);
        // The last file may have a row of each kind at its place.
        let with_last_file = limit.saturating_add(TaskKind::ALL.len() as i64 - 1);
        let (lowest, highest) = (dialect.uuid(LOWEST), dialect.uuid(HIGHEST));
        let columns = "l.cad_file_id, l.kind, l.priority, l.requester, l.requested_at";
        // What may be poison has a query of its own.
        let healthy = format!("l.crashes < {} AND l.kind IN ({kinds})", MAX_CRASHES - 1);
        let waiting = format!("{} AND {healthy}", waiting(lane));
        let of_each = dialect.first_of_each(
            "walk w",
            columns,
            &format!("{waiting} AND l.priority = w.priority AND l.requester = w.requester"),
            "l.requested_at, l.cad_file_id",
            with_last_file,
        );
        let of_lane = of_lane(lane);
        let (number, rank) = (lane as u8, rank());
        self.lanes.push(format!(
            "SELECT * FROM (WITH RECURSIVE turn (priority, last) AS (VALUES {turns}), \
             walk (priority, requester, until, steps) AS (\
             SELECT priority, last, {highest}, 0 FROM turn \
             UNION ALL SELECT priority, {lowest}, last, 0 FROM turn \
             UNION ALL SELECT w.priority, (SELECT l.requester FROM ledger l WHERE {waiting} \
             AND l.priority = w.priority AND l.requester > w.requester AND l.requester <= w.until \
             ORDER BY l.requester LIMIT 1), w.until, w.steps + 1 \
             FROM walk w WHERE w.requester IS NOT NULL AND w.steps < {limit}), \
             candidate AS (SELECT {found} FROM {of_each} \
             WHERE w.steps > 0 AND w.requester IS NOT NULL \
             UNION ALL SELECT * FROM (SELECT {columns} FROM ledger l WHERE {PUT_OFF} \
             AND l.not_before <= $1 AND {of_lane} AND {healthy} \
             ORDER BY l.not_before, l.cad_file_id, {rank} LIMIT {MAX_DUE_RETRIES}) AS due), \
             ranked AS (SELECT *, ROW_NUMBER() OVER (PARTITION BY priority, requester \
             ORDER BY requested_at, cad_file_id, {rank}) AS place FROM candidate) \
             SELECT {number} AS lane, r.cad_file_id, r.kind, r.priority, r.requester, r.place, \
             r.requester <= t.last AS had_turn FROM ranked r \
             JOIN turn t ON t.priority = r.priority \
             ORDER BY r.priority DESC, place, had_turn, r.requester LIMIT {limit}) AS lane_{number}",
            found = columns.replace("l.", "c."),
        ));
    }

    /// The priorities with the requester that had the last turn of each, as rows.
    fn turns(&mut self, lane: Lane) -> String {
        let mut rows = String::new();
        for priority in Priority::ALL {
            let last = self.query.turns.last(lane, priority);
            let last = last.map_or(LOWEST, |last| last.as_uuid());
            self.values.push(last.into());
            let comma = if rows.is_empty() { "" } else { ", " };
            let place = self.dialect.bound_uuid(self.values.len());
            // Writing into a `String` cannot fail.
            let _ = write!(rows, "{comma}({}, {place})", priority.rank());
        }
        rows
    }

    fn finish(&self) -> String {
        format!(
            "SELECT cad_file_id, kind, priority, requester FROM ({}) AS lanes \
             ORDER BY lane, priority DESC, place, had_turn, requester",
            self.lanes.join(" UNION ALL ")
        )
    }
}
