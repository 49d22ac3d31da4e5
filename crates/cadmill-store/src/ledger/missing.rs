//! Asking for everything that is missing, in a few statements however many files there are.
//!
//! For each file the first stage of the chain is sought whose result is not there, and its row is
//! sorted into one of four classes, as `Book::request` would do one by one.

use cadmill_domain::{Making, Missing, MissingRequest, Remnant, StoreError, TaskKind};
use sea_orm::{ConnectionTrait, DatabaseTransaction, QueryResult, Statement, Value};

use super::columns;
use crate::{Store, dialect::Dialect, error::store_error};

/// Key of the lock under which one click at a time is worked off on PostgreSQL: two that write the
/// same rows in another order would wait for each other.
const LOCK: &str = "SELECT pg_advisory_xact_lock(13285137)";

/// What is forgotten when work is asked for anew.
const FORGET: &str = "crashes = 0, attempts = 0, not_before = NULL, failure = NULL";

pub(super) async fn request(
    store: &Store,
    request: &MissingRequest,
) -> Result<Missing, StoreError> {
    let dialect = store.dialect();
    let query = Query::new(store, request, dialect);
    let counted = query.count(store.reading()).await?;
    if request.dry_run || (counted.missing == 0 && counted.drifted == 0) {
        return Ok(counted.answer(counted.missing));
    }
    let transaction = store.begin().await.map_err(store_error)?;
    if !dialect.lock_file.is_empty() {
        let lock = Statement::from_string(dialect.backend, LOCK);
        transaction.execute_raw(lock).await.map_err(store_error)?;
    }
    let queued = query.queue(&transaction).await?;
    if counted.drifted > 0 {
        query.settle(&transaction).await?;
    }
    transaction.commit().await.map_err(store_error)?;
    if queued > 0 {
        store.bell.ring().await;
    }
    Ok(counted.answer(queued))
}

/// How many files are in each class.
#[derive(Debug, Default)]
struct Counted {
    missing: u64,
    in_flight: u64,
    present: u64,
    failed: u64,
    /// Those of them that are under way with another input, or there but not at rest.
    drifted: u64,
}

impl Counted {
    fn answer(&self, queued: u64) -> Missing {
        Missing {
            queued,
            // What was queued by somebody else meanwhile is under way.
            in_flight: self.in_flight + self.missing.saturating_sub(queued),
            present: self.present,
            failed: self.failed,
        }
    }

    fn add(&mut self, row: &QueryResult) -> Result<(), StoreError> {
        let class: String = columns::get(row, "class")?;
        let files = columns::get::<i64>(row, "file_count")? as u64;
        self.drifted += columns::get::<i64>(row, "drifted")? as u64;
        match class.as_str() {
            "missing" => self.missing += files,
            "in_flight" => self.in_flight += files,
            "present" => self.present += files,
            _ => self.failed += files,
        }
        Ok(())
    }
}

/// The statements of one request.
#[derive(Debug)]
struct Query {
    dialect: Dialect,
    /// Each file `f` that is meant, its `stage`, and the row `l` of that stage.
    staged: String,
    /// What the stage wants.
    wanted: String,
    /// In which class that is.
    class: String,
    /// Whether it is under way for another input, or there but not at rest.
    drifted: String,
    values: Vec<Value>,
}

impl Query {
    fn new(store: &Store, request: &MissingRequest, dialect: Dialect) -> Self {
        let name = request.filter.name_contains.as_ref();
        let mut filter = "WHERE 1 = 1".to_owned();
        if name.is_some() {
            filter += &format!(" AND {}", dialect.is_named("$2"));
        }
        if let Some(only) = request.filter.only {
            filter += &format!(" AND {}", is_left(&store.making, request.kind, only));
        }
        let wanted = wanted(&store.making, request.kind);
        let failed = if request.include_failed {
            String::new()
        } else {
            format!("WHEN l.state = 'failed' AND l.desired_input = {wanted} THEN 'failed' ")
        };
        let in_flight = in_flight("l", &wanted);
        let now = store.clock.now().into();
        let name = name.map(|part| part.to_ascii_lowercase().into());
        Self {
            dialect,
            staged: staged(&store.making, request.kind, &filter),
            class: format!(
                "CASE WHEN {in_flight} THEN 'in_flight' \
                 WHEN l.ready_input = {wanted} THEN 'present' {failed}ELSE 'missing' END"
            ),
            drifted: format!(
                "(CASE WHEN {in_flight} THEN l.desired_input <> {wanted} \
                 ELSE l.ready_input = {wanted} AND (l.state <> 'idle' \
                 OR l.desired_input IS NULL OR l.desired_input <> {wanted}) END)"
            ),
            wanted,
            values: [now].into_iter().chain(name).collect(),
        }
    }

    async fn count(&self, connection: &impl ConnectionTrait) -> Result<Counted, StoreError> {
        let Self {
            staged,
            class,
            drifted,
            ..
        } = self;
        // The time stands in every statement, so that each has the same values.
        let sql = format!(
            "SELECT class, COUNT(*) AS file_count, SUM(drifted) AS drifted FROM (\
             SELECT {class} AS class, CASE WHEN {drifted} THEN 1 ELSE 0 END AS drifted \
             FROM {staged} WHERE $1 IS NOT NULL) AS classes GROUP BY class"
        );
        let rows = connection.query_all_raw(self.statement(sql)).await;
        let mut counted = Counted::default();
        for row in rows.map_err(store_error)? {
            counted.add(&row)?;
        }
        Ok(counted)
    }

    /// Puts what is missing into the queue; how many rows that were.
    async fn queue(&self, transaction: &DatabaseTransaction) -> Result<u64, StoreError> {
        let Self {
            staged,
            wanted,
            class,
            ..
        } = self;
        let share = self.dialect.share_files;
        let sql = format!(
            "INSERT INTO ledger (cad_file_id, kind, state, priority, desired_input, fence, \
             crashes, attempts, requested_at) \
             SELECT f.id, s.stage, 'queued', 0, {wanted}, 0, 0, 0, $1 FROM {staged} \
             WHERE {class} = 'missing' {share} \
             ON CONFLICT (cad_file_id, kind) DO UPDATE SET state = 'queued', priority = 0, \
             desired_input = excluded.desired_input, requested_at = excluded.requested_at, {FORGET} \
             WHERE ledger.state NOT IN ('queued', 'running')"
        );
        let written = transaction.execute_raw(self.statement(sql)).await;
        Ok(written.map_err(store_error)?.rows_affected())
    }

    /// Work under way gets the newest input; what is there comes to rest.
    async fn settle(&self, transaction: &DatabaseTransaction) -> Result<(), StoreError> {
        let Self {
            staged,
            wanted,
            drifted,
            ..
        } = self;
        let share = self.dialect.share_files;
        let in_flight = in_flight("ledger", "d.wanted");
        let sql = format!(
            "UPDATE ledger SET desired_input = d.wanted, {FORGET}, \
             state = CASE WHEN {in_flight} THEN ledger.state ELSE 'idle' END \
             FROM (SELECT f.id, s.stage, {wanted} AS wanted FROM {staged} \
             WHERE {drifted} AND $1 IS NOT NULL {share}) AS d \
             WHERE ledger.cad_file_id = d.id AND ledger.kind = d.stage"
        );
        let written = transaction.execute_raw(self.statement(sql)).await;
        written.map(drop).map_err(store_error)
    }

    fn statement(&self, sql: String) -> Statement {
        Statement::from_sql_and_values(self.dialect.backend, sql, self.values.clone())
    }
}

/// Whether work on a row is under way. One that waits for what is there has nothing to do.
fn in_flight(row: &str, wanted: &str) -> String {
    format!(
        "({row}.state = 'running' OR ({row}.state = 'queued' \
         AND ({row}.ready_input IS NULL OR {row}.ready_input <> {wanted})))"
    )
}

/// `kind` and what it is made of, down to the file itself.
fn chain(kind: TaskKind) -> Vec<TaskKind> {
    std::iter::successors(Some(kind), |kind| kind.upstream()).collect()
}

/// What a kind wants of the file `f`.
pub(crate) fn wanted_by(making: &Making, kind: TaskKind) -> String {
    let pattern = making.pattern(kind);
    let source = format!("f.source_sha256 || '{}'", pattern.after_source);
    match pattern.after_materials {
        None => source,
        Some(after) => format!("{source} || f.materials_fingerprint || '{after}'"),
    }
}

/// What the stage `s.stage` on the way to `kind` wants of the file `f`.
fn wanted(making: &Making, kind: TaskKind) -> String {
    let stages = chain(kind).into_iter();
    let stages = stages.map(|stage| format!("WHEN '{stage}' THEN {} ", wanted_by(making, stage)));
    let stages: Vec<String> = stages.collect();
    let stages = stages.concat();
    format!("(CASE s.stage {stages}END)")
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

/// For each file that is meant, the stage that `Book::stage` would name.
fn staged(making: &Making, kind: TaskKind, filter: &str) -> String {
    let chain = chain(kind);
    let is_ready = |kind: TaskKind| format!("l_{kind}.ready_input = {}", wanted_by(making, kind));
    let reached = chain.windows(2).map(|pair| {
        let (kind, upstream) = (pair[0], pair[1]);
        format!(
            "WHEN {} OR {} THEN '{kind}' ",
            is_ready(kind),
            is_ready(upstream)
        )
    });
    let reached: String = reached.collect();
    let joins = chain.iter().map(|kind| {
        format!(
            " LEFT JOIN ledger l_{kind} ON l_{kind}.cad_file_id = f.id AND l_{kind}.kind = '{kind}'"
        )
    });
    let joins: String = joins.collect();
    let first = TaskKind::ProcessStep;
    // The first branch is for a chain of one, which has no other.
    format!(
        "(SELECT f.id, CASE WHEN 1 = 0 THEN '' {reached}ELSE '{first}' END AS stage \
         FROM cad_file f{joins} {filter}) AS s \
         JOIN cad_file f ON f.id = s.id \
         LEFT JOIN ledger l ON l.cad_file_id = f.id AND l.kind = s.stage"
    )
}
