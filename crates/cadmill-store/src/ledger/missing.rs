//! Asking for everything that is missing, in a few statements however many files there are.
//!
//! For each file the first stage of the chain is sought whose result is not there, and its row is
//! sorted into a class, as `Book::request` would do one by one.

use cadmill_domain::{Making, Missing, MissingRequest, Remnant, StoreError, TaskKind};
use sea_orm::{ConnectionTrait, QueryResult, Statement, Value};

use super::columns;
use crate::{
    Store,
    connection::Transaction,
    dialect::Dialect,
    error::{is_conflict, store_error},
};

/// Key of the lock under which one click at a time is worked off on PostgreSQL: two that write the
/// same rows in another order would wait for each other.
const LOCK: &str = "SELECT pg_advisory_xact_lock(13285137)";

/// What is forgotten when work is asked for anew.
const FORGET: &str = "crashes = 0, attempts = 0, not_before = NULL, failure = NULL";

/// How often a request begins anew because somebody else has just written the same rows.
const MOST_TRIES: usize = 16;

pub(super) async fn request(
    store: &Store,
    request: &MissingRequest,
) -> Result<Missing, StoreError> {
    let query = Query::new(store, request);
    let mut tries = 1;
    loop {
        // Most clicks find nothing to do; they only read.
        let counted = query.count(store.reading()).await?;
        if request.dry_run || !counted.calls_for_writing() {
            return Ok(counted.files);
        }
        match query.write(store).await {
            Ok(missing) => return Ok(missing),
            Err(error) if is_conflict(&error) && tries < MOST_TRIES => tries += 1,
            Err(error) => return Err(error),
        }
    }
}

/// How many files are in each class.
#[derive(Debug)]
struct Counted {
    files: Missing,
    /// Those of them that are under way with another input, or there but not at rest.
    drifted: u64,
}

impl Counted {
    fn calls_for_writing(&self) -> bool {
        self.files.queued > 0 || self.drifted > 0
    }

    fn of(row: &QueryResult) -> Result<Self, StoreError> {
        let count = |column| columns::get::<i64>(row, column).map(|files| files as u64);
        let files = Missing {
            queued: count("missing")?,
            in_flight: count("in_flight")?,
            present: count("present")?,
            failed: count("failed")?,
        };
        let drifted = count("drifted")?;
        Ok(Self { files, drifted })
    }
}

/// Follows the class of a file whose row does not say what it should: it is under way for another
/// input, or there but not at rest.
const DRIFTED: &str = " drifted";

/// The statements of one request.
#[derive(Debug)]
struct Query {
    dialect: Dialect,
    /// Each file `f`, and its row of each stage.
    rows: String,
    /// Which files are meant.
    filter: String,
    /// The stage of a file, in a word.
    stage: String,
    /// What that stage wants.
    wanted: String,
    /// In which class it is.
    class: String,
    values: Vec<Value>,
}

impl Query {
    fn new(store: &Store, request: &MissingRequest) -> Self {
        let dialect = store.dialect();
        let stages = Stages::on_the_way_to(request.kind, &store.making);
        let name = request.filter.name_contains.as_ref();
        let is_named = name.map(|_| dialect.is_named("$2"));
        let only = request.filter.only;
        let is_left = only.map(|only| is_left(&store.making, request.kind, only));
        let filter = ["1 = 1".to_owned()]
            .into_iter()
            .chain(is_named)
            .chain(is_left);
        let filter: Vec<String> = filter.collect();
        let now = store.clock.now().into();
        let name = name.map(|part| part.to_ascii_lowercase().into());
        Self {
            dialect,
            rows: stages.rows(),
            filter: filter.join(" AND "),
            stage: stages.choose(|stage| format!("'{}'", stage.kind)),
            wanted: stages.choose(|stage| stage.wanted.clone()),
            class: stages.choose(|stage| stage.class(request.include_failed)),
            values: [now].into_iter().chain(name).collect(),
        }
    }

    /// Writes what is to be written, and says what that was. Nobody else's writing comes between
    /// what is counted and what is written; where it would, that is a conflict.
    async fn write(&self, store: &Store) -> Result<Missing, StoreError> {
        let transaction = store.begin_on_snapshot().await.map_err(store_error)?;
        let written = self.write_in(&transaction).await;
        let closed = match &written {
            Ok(_) => transaction.commit().await,
            Err(_) => transaction.rollback().await,
        };
        let missing = written?;
        closed.map_err(store_error)?;
        if missing.queued > 0 {
            store.bell.ring().await;
        }
        Ok(missing)
    }

    async fn write_in(&self, transaction: &Transaction) -> Result<Missing, StoreError> {
        if !self.dialect.lock_file.is_empty() {
            let lock = Statement::from_string(self.dialect.backend, LOCK);
            transaction.execute_raw(lock).await.map_err(store_error)?;
        }
        let counted = self.count(transaction).await?;
        if counted.files.queued > 0 {
            self.queue(transaction).await?;
        }
        if counted.drifted > 0 {
            self.settle(transaction).await?;
        }
        Ok(counted.files)
    }

    async fn count(&self, connection: &impl ConnectionTrait) -> Result<Counted, StoreError> {
        let Self {
            rows,
            filter,
            class,
            ..
        } = self;
        let files_of = |classes: &[&str]| {
            let classes: Vec<_> = classes.iter().map(|class| format!("'{class}'")).collect();
            format!("COUNT(*) FILTER (WHERE class IN ({}))", classes.join(", "))
        };
        let (in_flight, present) = (format!("in_flight{DRIFTED}"), format!("present{DRIFTED}"));
        let missing_files = files_of(&["missing"]);
        let in_flight_files = files_of(&["in_flight", &in_flight]);
        let present_files = files_of(&["present", &present]);
        let failed_files = files_of(&["failed"]);
        let drifted_files = files_of(&[&in_flight, &present]);
        // The limit, which is none, makes the databases work out each class once, and they have
        // nothing to sort. The time stands in every statement, so that each has the same values.
        let sql = format!(
            "SELECT {missing_files} AS missing, {in_flight_files} AS in_flight, \
             {present_files} AS present, {failed_files} AS failed, {drifted_files} AS drifted \
             FROM (SELECT {class} AS class FROM {rows} \
             WHERE {filter} AND $1 IS NOT NULL LIMIT {}) AS classes",
            i64::MAX
        );
        let row = connection.query_one_raw(self.statement(sql)).await;
        let row = row.map_err(store_error)?;
        Counted::of(&row.ok_or_else(|| StoreError::Unreadable("no count".to_owned()))?)
    }

    /// Puts what is missing into the queue.
    async fn queue(&self, transaction: &Transaction) -> Result<(), StoreError> {
        let Self {
            rows,
            filter,
            stage,
            wanted,
            class,
            ..
        } = self;
        let share = self.dialect.share_files;
        let sql = format!(
            "INSERT INTO ledger (cad_file_id, kind, state, priority, desired_input, fence, \
             crashes, attempts, requested_at) \
             SELECT f.id, {stage}, 'queued', 0, {wanted}, 0, 0, 0, $1 FROM {rows} \
             WHERE {filter} AND {class} = 'missing' {share} \
             ON CONFLICT (cad_file_id, kind) DO UPDATE SET state = 'queued', priority = 0, \
             desired_input = excluded.desired_input, requested_at = excluded.requested_at, {FORGET}"
        );
        let written = transaction.execute_raw(self.statement(sql)).await;
        written.map(drop).map_err(store_error)
    }

    /// Work under way gets the newest input; what is there comes to rest.
    async fn settle(&self, transaction: &Transaction) -> Result<(), StoreError> {
        let Self {
            rows,
            filter,
            stage,
            wanted,
            class,
            ..
        } = self;
        let share = self.dialect.share_files;
        let sql = format!(
            "UPDATE ledger SET desired_input = d.wanted, {FORGET}, \
             state = CASE d.class WHEN 'present{DRIFTED}' THEN 'idle' ELSE ledger.state END \
             FROM (SELECT f.id, {stage} AS stage, {wanted} AS wanted, {class} AS class \
             FROM {rows} WHERE {filter} AND {class} IN ('in_flight{DRIFTED}', 'present{DRIFTED}') \
             AND $1 IS NOT NULL {share}) AS d \
             WHERE ledger.cad_file_id = d.id AND ledger.kind = d.stage"
        );
        let written = transaction.execute_raw(self.statement(sql)).await;
        written.map(drop).map_err(store_error)
    }

    fn statement(&self, sql: String) -> Statement {
        Statement::from_sql_and_values(self.dialect.backend, sql, self.values.clone())
    }
}

/// Whether something is left of an earlier try to make `kind` of the file `f`.
fn is_left(making: &Making, kind: TaskKind, only: Remnant) -> String {
    match only {
        Remnant::Stale => {
            let wanted = wanted_by(making, kind);
            format!(
                "l_{kind}.asset_id IS NOT NULL \
                 AND (l_{kind}.ready_input IS NULL OR l_{kind}.ready_input <> {wanted})"
            )
        }
        Remnant::Failed(None) => format!("l_{kind}.state = 'failed'"),
        Remnant::Failed(Some(code)) => {
            format!("l_{kind}.state = 'failed' AND l_{kind}.failure ->> 'code' = '{code}'")
        }
    }
}

/// What a kind wants of the file `f`.
pub(crate) fn wanted_by(making: &Making, kind: TaskKind) -> String {
    let pattern = making.pattern(kind);
    let source = format!("f.source_sha256 || '{}'", pattern.after_source);
    match pattern.after_materials {
        None => format!("({source})"),
        Some(after) => format!("({source} || f.materials_fingerprint || '{after}')"),
    }
}

/// A kind of work, the name of its row, and what it wants of the file `f`.
#[derive(Debug)]
struct Stage {
    kind: TaskKind,
    row: String,
    wanted: String,
}

impl Stage {
    fn of(kind: TaskKind, making: &Making) -> Self {
        let wanted = wanted_by(making, kind);
        let row = format!("l_{kind}");
        Self { kind, row, wanted }
    }

    fn is_ready(&self) -> String {
        format!("{}.ready_input = {}", self.row, self.wanted)
    }

    /// In which class a file is that is at this stage. Work that waits for what is there has nothing
    /// to do, so that is not under way.
    fn class(&self, include_failed: bool) -> String {
        let Self { row, wanted, .. } = self;
        let is_ready = self.is_ready();
        let failed = if include_failed {
            String::new()
        } else {
            format!("WHEN {row}.state = 'failed' AND {row}.desired_input = {wanted} THEN 'failed' ")
        };
        format!(
            "CASE WHEN {row}.state = 'running' OR ({row}.state = 'queued' \
             AND ({row}.ready_input IS NULL OR {row}.ready_input <> {wanted})) \
             THEN CASE WHEN {row}.desired_input <> {wanted} THEN 'in_flight{DRIFTED}' \
             ELSE 'in_flight' END \
             WHEN {is_ready} THEN CASE WHEN {row}.state = 'idle' \
             AND {row}.desired_input = {wanted} THEN 'present' ELSE 'present{DRIFTED}' END \
             {failed}ELSE 'missing' END"
        )
    }
}

/// A kind and what it is made of, down to the file itself.
#[derive(Debug)]
struct Stages(Vec<Stage>);

impl Stages {
    fn on_the_way_to(kind: TaskKind, making: &Making) -> Self {
        let chain = std::iter::successors(Some(kind), |kind| kind.upstream());
        Self(chain.map(|kind| Stage::of(kind, making)).collect())
    }

    fn rows(&self) -> String {
        let joins = self.0.iter().map(|Stage { kind, row, .. }| {
            format!(" LEFT JOIN ledger {row} ON {row}.cad_file_id = f.id AND {row}.kind = '{kind}'")
        });
        format!("cad_file f{}", joins.collect::<String>())
    }

    /// `what` of the stage that `Book::stage` would name: the first whose result is there, or can be
    /// made of what is there.
    fn choose(&self, what: impl Fn(&Stage) -> String) -> String {
        let reached = self.0.windows(2).map(|pair| {
            let (stage, upstream) = (&pair[0], &pair[1]);
            let is_reached = format!("{} OR {}", stage.is_ready(), upstream.is_ready());
            format!("WHEN {is_reached} THEN {} ", what(stage))
        });
        let reached: String = reached.collect();
        let last = self.0.last().map(&what).unwrap_or_default();
        if reached.is_empty() {
            return format!("({last})");
        }
        format!("(CASE {reached}ELSE {last} END)")
    }
}
