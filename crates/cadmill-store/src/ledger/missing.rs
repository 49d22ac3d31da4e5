//! Asking for everything that is missing, in a few statements however many files there are.
//!
//! For each file the first stage of the chain is sought whose result is not there, and its row is
//! sorted into a class, as `FileRows::request` would do one by one.

use std::fmt::{self, Display, Formatter};

use cadmill_domain::{
    MediaKind, MediaPlan, StoreError, TaskKind,
    ledger::{Missing, MissingFilter, MissingReason, MissingRequest},
};
use sea_orm::{ConnectionTrait, QueryResult, Statement, Value};

use super::columns;
use crate::{
    Store,
    connection::Transaction,
    dialect::Dialect,
    error::{is_conflict, store_error},
};

/// Begins a click on PostgreSQL. One at a time is worked off: two that write the same rows in another
/// order would wait for each other. It is about all files, so it takes as long as it takes; who holds
/// a lock that it waits for is ended by the other time-outs.
const LOCK: &str = "SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0; \
                    SELECT pg_advisory_xact_lock(13285137)";

/// What is forgotten when work is asked for anew.
const FORGET: &str = "crashes = 0, attempts = 0, not_before = NULL, failure = NULL";

/// How often a request begins anew because somebody else has just written the same rows.
const MAX_TRIES: usize = 16;

/// How many of the newest files are looked at before all of them are counted.
const SAMPLE: i64 = 64;

pub(super) async fn request(
    store: &Store,
    request: &MissingRequest,
) -> Result<Missing, StoreError> {
    let query = Query::new(store, request);
    let is_of_all = request.filter == MissingFilter::default();
    let mut tries = 1;
    loop {
        // Most clicks find nothing to do; they only read. But what was just added lacks something,
        // and then one count is enough: that of the transaction that writes.
        let has_work = is_of_all && !request.dry_run && query.is_work_for_newest(store).await?;
        if !has_work {
            let counted = query.count(store.reading()).await?;
            if request.dry_run || !counted.calls_for_writing() {
                return Ok(counted.files());
            }
        }
        match query.write(store).await {
            Ok(missing) => return Ok(missing),
            Err(error) if is_conflict(&error) && tries < MAX_TRIES => tries += 1,
            Err(error) => return Err(error),
        }
    }
}

/// What the row of a file's stage says of it. The databases know a class by its number.
#[derive(Debug, Clone, Copy)]
enum Class {
    /// There is no row.
    New,
    /// There is a row, which asks for nothing.
    Missing,
    InFlight,
    /// Under way, though another input is wanted by now.
    InFlightDrifted,
    Present,
    /// There, though the row is not at rest.
    PresentDrifted,
    Failed,
}

impl Class {
    const ALL: [Self; 7] = [
        Self::New,
        Self::Missing,
        Self::InFlight,
        Self::InFlightDrifted,
        Self::Present,
        Self::PresentDrifted,
        Self::Failed,
    ];
    /// Those whose row is changed.
    const CHANGED: [Self; 3] = [Self::Missing, Self::InFlightDrifted, Self::PresentDrifted];
}

impl Display for Class {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        (*self as u8).fmt(formatter)
    }
}

/// How many files are in each class.
#[derive(Debug)]
struct Counted([u64; Class::ALL.len()]);

impl Counted {
    fn of(row: &QueryResult) -> Result<Self, StoreError> {
        let mut files = [0; Class::ALL.len()];
        for class in Class::ALL {
            files[class as usize] = columns::get::<i64>(row, &format!("class_{class}"))? as u64;
        }
        Ok(Self(files))
    }

    const fn in_class(&self, class: Class) -> u64 {
        self.0[class as usize]
    }

    fn files(&self) -> Missing {
        Missing {
            queued: self.in_class(Class::New) + self.in_class(Class::Missing),
            in_flight: self.in_class(Class::InFlight) + self.in_class(Class::InFlightDrifted),
            present: self.in_class(Class::Present) + self.in_class(Class::PresentDrifted),
            failed: self.in_class(Class::Failed),
        }
    }

    fn calls_for_writing(&self) -> bool {
        let mut written = Class::CHANGED.into_iter().chain([Class::New]);
        written.any(|class| self.in_class(class) > 0)
    }
}

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
    /// For whom it is done, as it is written in a statement.
    requester: String,
    values: Vec<Value>,
}

impl Query {
    fn new(store: &Store, request: &MissingRequest) -> Self {
        let dialect = store.dialect();
        let retry_coarser = request.retries_coarser();
        let stages = Stages::on_the_way_to(request.kind, &store.plan, retry_coarser);
        let name = request.filter.name_contains.as_ref();
        let is_named = name.map(|_| dialect.is_named("$2"));
        let only = request.filter.only;
        let is_left = only.map(|only| is_left(&store.plan, request.kind, only));
        // The time stands in every statement, so that each has the same values.
        let filter = ["$1 IS NOT NULL".to_owned()]
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
            requester: dialect.uuid(request.requester.as_uuid()),
            values: [now].into_iter().chain(name).collect(),
        }
    }

    /// Writes what is to be written, and says what that was. Nobody else's writing comes between
    /// what is counted and what is written; where it would, that is a conflict.
    async fn write(&self, store: &Store) -> Result<Missing, StoreError> {
        // One click at a time waits in the database; see `LOCK`.
        let _turn = store.database.turn_of_click().await?;
        let transaction = store.begin_on_snapshot().await.map_err(store_error)?;
        let transaction = transaction.without_limit();
        let written = self.write_in(&transaction).await;
        let closed = match &written {
            Ok(_) => transaction.commit().await,
            Err(_) => transaction.rollback().await,
        };
        let missing = written?;
        closed.map_err(store_error)?;
        if missing.queued > 0 {
            store.notifier.notify().await;
        }
        Ok(missing)
    }

    async fn write_in(&self, transaction: &Transaction) -> Result<Missing, StoreError> {
        if !self.dialect.lock_file.is_empty() {
            let locked = transaction.execute_unprepared(LOCK).await;
            locked.map_err(store_error)?;
        }
        let counted = self.count(transaction).await?;
        if counted.in_class(Class::New) > 0 {
            self.execute(transaction, self.insertion()).await?;
        }
        for class in Class::CHANGED {
            if counted.in_class(class) > 0 {
                self.execute(transaction, self.change(class)).await?;
            }
        }
        Ok(counted.files())
    }

    async fn execute(&self, transaction: &Transaction, sql: String) -> Result<(), StoreError> {
        let written = transaction.execute_raw(self.statement(sql)).await;
        written.map(drop).map_err(store_error)
    }

    /// How many files there are in each class.
    async fn count(&self, connection: &impl ConnectionTrait) -> Result<Counted, StoreError> {
        self.count_of(connection, self.dialect.all).await
    }

    /// Whether some of the newest files call for writing.
    async fn is_work_for_newest(&self, store: &Store) -> Result<bool, StoreError> {
        let newest = format!("ORDER BY f.created_at DESC, f.id DESC LIMIT {SAMPLE}");
        let counted = self.count_of(store.reading(), &newest).await?;
        Ok(counted.calls_for_writing())
    }

    async fn count_of(
        &self,
        connection: &impl ConnectionTrait,
        selection: &str,
    ) -> Result<Counted, StoreError> {
        let Self {
            dialect,
            rows,
            filter,
            class,
            ..
        } = self;
        let counts = Class::ALL
            .map(|class| format!("COUNT(*) FILTER (WHERE class = {class}) AS class_{class}"));
        let once = dialect.once;
        let sql = format!(
            "SELECT {} FROM (SELECT {class} AS class{once} FROM {rows} WHERE {filter} {selection}) \
             AS classes",
            counts.join(", ")
        );
        let row = connection.query_one_raw(self.statement(sql)).await;
        let row = row.map_err(store_error)?;
        Counted::of(&row.ok_or_else(|| StoreError::Unreadable("no count".to_owned()))?)
    }

    /// Puts files of which there is no row into the queue.
    fn insertion(&self) -> String {
        let Self {
            stage,
            wanted,
            requester,
            ..
        } = self;
        format!(
            "INSERT INTO ledger (cad_file_id, kind, state, priority, requester, desired_input, \
             fence, crashes, attempts, requested_at) \
             SELECT f.id, {stage}, 'queued', 0, {requester}, {wanted}, 0, 0, 0, $1 {}",
            self.files_in(Class::New)
        )
    }

    /// Makes the rows of a class want the newest input, and changes them.
    fn change(&self, class: Class) -> String {
        let Self {
            stage,
            wanted,
            requester,
            ..
        } = self;
        let change = match class {
            Class::Missing => format!(
                "state = 'queued', priority = 0, requester = {requester}, requested_at = $1, "
            ),
            Class::PresentDrifted => "state = 'idle', ".to_owned(),
            _ => String::new(),
        };
        format!(
            "UPDATE ledger SET {change}desired_input = d.wanted, {FORGET} \
             FROM (SELECT f.id, {stage} AS stage, {wanted} AS wanted {}) AS d \
             WHERE ledger.cad_file_id = d.id AND ledger.kind = d.stage",
            self.files_in(class)
        )
    }

    /// The files of a class, kept from changing until the transaction ends.
    fn files_in(&self, wanted: Class) -> String {
        let Self {
            dialect,
            rows,
            filter,
            class,
            ..
        } = self;
        let share = dialect.share_files;
        format!("FROM {rows} WHERE {filter} AND {class} = {wanted} {share}")
    }

    fn statement(&self, sql: String) -> Statement {
        Statement::from_sql_and_values(self.dialect.backend, sql, self.values.clone())
    }
}

/// Whether something is left of an earlier try to make `kind` of the file `f`.
fn is_left(plan: &MediaPlan, kind: TaskKind, only: MissingReason) -> String {
    match only {
        MissingReason::Stale => {
            let wanted = wanted_by(plan, kind);
            format!(
                "l_{kind}.asset_id IS NOT NULL \
                 AND (l_{kind}.ready_input IS NULL OR l_{kind}.ready_input <> {wanted})"
            )
        }
        MissingReason::Failed(None) => format!("l_{kind}.state = 'failed'"),
        MissingReason::Failed(Some(code)) => {
            format!("l_{kind}.state = 'failed' AND l_{kind}.failure ->> 'code' = '{code}'")
        }
    }
}

/// What a kind wants of the file `f`.
pub(crate) fn wanted_by(plan: &MediaPlan, kind: TaskKind) -> String {
    let pattern = plan.pattern(kind);
    let source = format!("f.source_sha256 || '{}'", pattern.after_source);
    match pattern.after_materials {
        None => format!("({source})"),
        Some(after) => format!("({source} || f.materials_fingerprint || '{after}')"),
    }
}

/// What a kind is to be made of, as `FileRows` says it, where a coarser scene may be there: `wanted`
/// otherwise.
fn on_coarser_scene(plan: &MediaPlan, kind: TaskKind, wanted: String) -> String {
    let scene = TaskKind::Make(MediaKind::GltfGeometry);
    let row = format!("l_{scene}");
    let (after_source, end) = plan.coarser_pattern();
    let is_coarser = format!(
        "{row}.coarser AND {row}.ready_input LIKE f.source_sha256 || '{after_source}%{end}'"
    );
    match plan.pattern(kind).after_materials {
        None if kind == scene => format!(
            "(CASE WHEN {is_coarser} AND NOT ({row}.state IN ('queued', 'running') \
             AND {row}.desired_input = {wanted}) THEN {row}.ready_input ELSE {wanted} END)"
        ),
        None => wanted,
        Some(after) => format!(
            "(CASE WHEN {is_coarser} THEN \
             {row}.ready_input || ':' || f.materials_fingerprint || '{after}' ELSE {wanted} END)"
        ),
    }
}

/// Whether a text is this input of the file `f`, or that of a coarser one in its place.
pub(crate) fn is_or_is_coarser(plan: &MediaPlan, kind: TaskKind, text: &str) -> String {
    let wanted = wanted_by(plan, kind);
    let (after_source, end) = plan.coarser_pattern();
    let coarser = format!("f.source_sha256 || '{after_source}%{end}");
    let coarser = match plan.pattern(kind).after_materials {
        None if kind == TaskKind::ProcessStep => return format!("{text} = {wanted}"),
        None => format!("{coarser}'"),
        Some(after) => format!("{coarser}:' || f.materials_fingerprint || '{after}'"),
    };
    format!("({text} = {wanted} OR {text} LIKE {coarser})")
}

/// A kind of work, the name of its row, and what it wants of the file `f`.
#[derive(Debug)]
struct Stage {
    kind: TaskKind,
    row: String,
    wanted: String,
}

impl Stage {
    fn of(kind: TaskKind, plan: &MediaPlan, retry_coarser: bool) -> Self {
        let wanted = wanted_by(plan, kind);
        let wanted = if retry_coarser {
            wanted
        } else {
            on_coarser_scene(plan, kind, wanted)
        };
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
        let is_failed = format!("{row}.state = 'failed' AND {row}.desired_input = {wanted}");
        let failed = if include_failed {
            Class::Missing
        } else {
            Class::Failed
        };
        format!(
            "CASE WHEN {row}.state IS NULL THEN {} \
             WHEN {row}.state = 'running' OR ({row}.state = 'queued' \
             AND ({row}.ready_input IS NULL OR {row}.ready_input <> {wanted})) \
             THEN CASE WHEN {row}.desired_input <> {wanted} THEN {} ELSE {} END \
             WHEN {is_ready} THEN CASE WHEN {row}.state = 'idle' \
             AND {row}.desired_input = {wanted} THEN {} ELSE {} END \
             WHEN {is_failed} THEN {failed} ELSE {} END",
            Class::New,
            Class::InFlightDrifted,
            Class::InFlight,
            Class::Present,
            Class::PresentDrifted,
            Class::Missing
        )
    }
}

/// A kind and what it is made of, down to the file itself.
#[derive(Debug)]
struct Stages(Vec<Stage>);

impl Stages {
    fn on_the_way_to(kind: TaskKind, plan: &MediaPlan, retry_coarser: bool) -> Self {
        let chain = std::iter::successors(Some(kind), |kind| kind.upstream());
        let stages = chain.map(|kind| Stage::of(kind, plan, retry_coarser));
        Self(stages.collect())
    }

    fn rows(&self) -> String {
        let joins = self.0.iter().map(|Stage { kind, row, .. }| {
            format!(" LEFT JOIN ledger {row} ON {row}.cad_file_id = f.id AND {row}.kind = '{kind}'")
        });
        format!("cad_file f{}", joins.collect::<String>())
    }

    /// `what` of the stage that `FileRows::stage` would name: the first whose result is there, or can be
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
