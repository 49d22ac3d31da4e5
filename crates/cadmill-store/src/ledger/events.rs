//! The events of the ledger's transitions, written in their transactions.

use std::fmt::Write as _;

use cadmill_domain::{
    Moment,
    ledger::{CONVERTER, FileRows},
    pipeline_log::NewPipelineEvent,
};
use sea_orm::{Statement, Value};

use crate::{Store, dialect::Dialect};

/// All columns but the number, in the order of [`values`].
pub(crate) const COLUMNS: &str = "cad_file_id, task, event, fence, worker, result, at";

/// The values of an event, in the order of [`COLUMNS`].
pub(crate) fn values(event: &NewPipelineEvent, at: Moment) -> [Value; 7] {
    [
        event.cad_file_id.as_uuid().into(),
        event.task.as_str().into(),
        event.event.as_str().into(),
        event.fence.map(|fence| fence.0 as i64).into(),
        event.worker.as_str().into(),
        event.result.clone().into(),
        at.into(),
    ]
}

impl Store {
    /// The statement that writes the events of a book, if there are any. The file is locked.
    pub(super) fn events_of(&self, file_rows: &FileRows<'_>) -> Option<Statement> {
        self.events_from(file_rows, 0)
    }

    /// The same, after so many events of the same transaction.
    pub(super) fn events_from(&self, file_rows: &FileRows<'_>, first: usize) -> Option<Statement> {
        let events = file_rows.events();
        if events.is_empty() {
            return None;
        }
        let first_event = self.dialect().first_event;
        let mut sql = format!("INSERT INTO pipeline_event (id, {COLUMNS}) VALUES ");
        let mut all: Vec<Value> = Vec::new();
        for (number, event) in events.iter().enumerate() {
            let comma = if number == 0 { "" } else { ", " };
            // Writing into a `String` cannot fail.
            let _ = write!(sql, "{comma}({first_event} + {}", first + number);
            for value in values(event, file_rows.now()) {
                all.push(value);
                let _ = write!(sql, ", ${}", all.len());
            }
            sql.push(')');
        }
        Some(self.statement(&sql, all))
    }
}

/// The fifth parameter of [`started`].
pub(super) fn converter() -> Value {
    CONVERTER.into()
}

/// Writes the `step_start` of the row `claimed`, with the JSON of `NewPipelineEvent::started`. The
/// third parameter is the time, the fifth the [`converter`].
pub(super) fn started(dialect: &Dialect) -> String {
    let Dialect {
        first_event,
        json_object,
        ..
    } = dialect;
    format!(
        "INSERT INTO pipeline_event (id, {COLUMNS}) SELECT {first_event}, cad_file_id, kind, \
         'step_start', fence, worker, {json_object}('input', running_input, \
         'tries', crashes + attempts, 'converter', CAST($5 AS TEXT)), $3 FROM claimed"
    )
}
