//! The rows of the ledger as the databases keep them.

use cadmill_domain::{
    CadFileId, Input, MediaAssetId, StoreError, TaskKind, Work,
    ledger::{Claim, Fence, Priority, QueuedWork, Requester, Row, RowState, WorkerName},
};
use sea_orm::{
    QueryResult, TryGetable, Value,
    prelude::{ChronoDateTimeUtc, Json, Uuid},
};
use serde::{Serialize, de::DeserializeOwned};

use crate::error::store_error;

/// All columns, in the order of [`values`].
pub(crate) const COLUMNS: [&str; 22] = [
    "cad_file_id",
    "kind",
    "state",
    "priority",
    "desired_input",
    "running_input",
    "ready_input",
    "asset_id",
    "fence",
    "crashes",
    "attempts",
    "not_before",
    "requested_at",
    "claimed_at",
    "confirmed_at",
    "suspected_at",
    "worker",
    "progress",
    "failure",
    "forced",
    "requester",
    "coarser",
];

/// The values of a row, in the order of [`COLUMNS`].
pub(crate) fn values(file: CadFileId, kind: TaskKind, row: &Row) -> [Value; COLUMNS.len()] {
    let input = |input: &Option<Input>| input.as_ref().map(ToString::to_string);
    [
        file.as_uuid().into(),
        kind.as_str().into(),
        row.state.as_str().into(),
        row.priority.rank().into(),
        input(&row.desired).into(),
        input(&row.running).into(),
        input(&row.ready).into(),
        row.asset.map(|asset| asset.as_uuid()).into(),
        (row.fence.0 as i64).into(),
        (row.crashes as i32).into(),
        (row.attempts as i32).into(),
        row.not_before.into(),
        row.requested_at.into(),
        row.claimed_at.into(),
        row.confirmed_at.into(),
        row.suspected_at.into(),
        row.worker
            .as_ref()
            .map(|worker| worker.as_str().to_owned())
            .into(),
        json(row.progress.as_ref()),
        json(row.failure.as_ref()),
        row.force.into(),
        row.requester.as_uuid().into(),
        // Only for SQL, which has it cheaper than by the text.
        row.ready.as_ref().is_some_and(Input::is_coarser).into(),
    ]
}

/// Something as the JSON of a column. What is kept so can always be written.
pub(crate) fn json<T: Serialize>(value: Option<&T>) -> Value {
    Value::from(value.and_then(|value| serde_json::to_value(value).ok()))
}

/// The row in an answer that has all columns.
pub(crate) fn row(answer: &QueryResult) -> Result<(TaskKind, Row), StoreError> {
    let input = |column| {
        let text = get::<Option<String>>(answer, column)?;
        text.map(parse_input).transpose()
    };
    let state: String = get(answer, "state")?;
    let row = Row {
        state: RowState::from_name(&state).ok_or(StoreError::Unreadable(state))?,
        priority: Priority::from_rank(get(answer, "priority")?),
        requester: requester(answer)?,
        desired: input("desired_input")?,
        running: input("running_input")?,
        ready: input("ready_input")?,
        asset: get::<Option<Uuid>>(answer, "asset_id")?.map(MediaAssetId::from_uuid),
        fence: fence(answer)?,
        crashes: get::<i32>(answer, "crashes")? as u32,
        attempts: get::<i32>(answer, "attempts")? as u32,
        not_before: get::<Option<ChronoDateTimeUtc>>(answer, "not_before")?,
        requested_at: get::<Option<ChronoDateTimeUtc>>(answer, "requested_at")?,
        claimed_at: get::<Option<ChronoDateTimeUtc>>(answer, "claimed_at")?,
        confirmed_at: get::<Option<ChronoDateTimeUtc>>(answer, "confirmed_at")?,
        suspected_at: get::<Option<ChronoDateTimeUtc>>(answer, "suspected_at")?,
        worker: get::<Option<String>>(answer, "worker")?.map(WorkerName::new),
        progress: from_json(answer, "progress")?,
        failure: from_json(answer, "failure")?,
        force: get(answer, "forced")?,
    };
    Ok((kind(answer)?, row))
}

/// The work in an answer that has its key.
pub(crate) fn work(answer: &QueryResult) -> Result<Work, StoreError> {
    Ok(Work {
        cad_file_id: CadFileId::from_uuid(get(answer, "cad_file_id")?),
        kind: kind(answer)?,
    })
}

/// The queued work in an answer that has its key, its priority and its requester.
pub(crate) fn queued(answer: &QueryResult) -> Result<QueuedWork, StoreError> {
    Ok(QueuedWork {
        work: work(answer)?,
        priority: Priority::from_rank(get(answer, "priority")?),
        requester: requester(answer)?,
    })
}

fn requester(answer: &QueryResult) -> Result<Requester, StoreError> {
    get::<Uuid>(answer, "requester").map(Requester::from_uuid)
}

/// The input with this stored text.
pub(crate) fn parse_input(text: String) -> Result<Input, StoreError> {
    text.parse().map_err(|_| StoreError::Unreadable(text))
}

/// The claim in an answer with its key, its numbers, its input and its worker.
pub(crate) fn claim(answer: &QueryResult) -> Result<Claim, StoreError> {
    let tries = get::<i32>(answer, "crashes")? + get::<i32>(answer, "attempts")?;
    Ok(Claim {
        work: work(answer)?,
        fence: fence(answer)?,
        input: parse_input(get(answer, "running_input")?)?,
        worker: WorkerName::new(get::<String>(answer, "worker")?),
        tries: tries as u32,
        force: get(answer, "forced")?,
    })
}

pub(crate) fn kind(answer: &QueryResult) -> Result<TaskKind, StoreError> {
    understood(get::<String>(answer, "kind")?.parse())
}

/// The value of a column.
pub(crate) fn get<T: TryGetable>(answer: &QueryResult, column: &str) -> Result<T, StoreError> {
    answer.try_get("", column).map_err(store_error)
}

/// What was read, or that this version does not understand it.
pub(crate) fn understood<T, E: std::fmt::Display>(read: Result<T, E>) -> Result<T, StoreError> {
    read.map_err(|error| StoreError::Unreadable(error.to_string()))
}

fn fence(answer: &QueryResult) -> Result<Fence, StoreError> {
    Ok(Fence(get::<i64>(answer, "fence")? as u64))
}

fn from_json<T: DeserializeOwned>(
    answer: &QueryResult,
    column: &str,
) -> Result<Option<T>, StoreError> {
    let json = get::<Option<Json>>(answer, column)?;
    understood(json.map(serde_json::from_value).transpose())
}
