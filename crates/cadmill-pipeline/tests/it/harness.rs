//! Everything that a mill needs, in memory, on time that is paused: clock, leases and waits all go
//! by the clock of tokio, which leaps when nothing else is left to do.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use async_trait::async_trait;
use cadmill_domain::{
    Blobs as _, CadFileId, CadFiles as _, Clock, MediaAsset, MediaAssets as _, MediaKind,
    MediaPlan, Moment, NewCadFile, Recipe, StoreError, TaskKind, Work, WorkNotifier,
    cad_file::FileChange,
    cad_file::{CadFileOverview, SaveOutcome},
    fakes::{ManualClock, MemoryBlobs, MemoryStore},
    ledger::{LedgerView as _, Priority, Request, Requested, Row, WorkRequests as _, WorkerName},
    pipeline_log::{EventId, NewPipelineEvent, PipelineEvent, PipelineLog, StepEvent},
    tessellator::Tessellator,
};
use cadmill_lock::{DedupLock as _, LockKey, MemoryLock};
use cadmill_pipeline::{Records, TaskRunner, TaskRunnerSettings, Worker, WorkerSettings};
use chrono::TimeDelta;
use tempfile::TempDir;
use tokio::{
    sync::{Notify, watch},
    task::JoinHandle,
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::test_folder::{PATIENCE, names, step};

/// How long leases run.
pub(crate) const LEASE: Duration = Duration::from_secs(30);
/// How often a worker looks by itself.
pub(crate) const POLL: Duration = Duration::from_secs(5);
/// How long a worker lets work go on that is to stop.
pub(crate) const GRACE: Duration = Duration::from_secs(20);

pub(crate) const STEP: TaskKind = TaskKind::ProcessStep;
pub(crate) const GLTF: TaskKind = TaskKind::Make(MediaKind::GltfGeometry);
pub(crate) const USD: TaskKind = TaskKind::Make(MediaKind::UsdMaster);
pub(crate) const WEB: TaskKind = TaskKind::Make(MediaKind::WebGlb);
pub(crate) const THUMBNAIL: TaskKind = TaskKind::Make(MediaKind::Thumbnail);

/// Somebody has brought a file in.
pub(crate) const UPLOAD: Request = Request {
    priority: Priority::Upload,
    ..Request::ASKED
};

pub(crate) struct Harness {
    pub(crate) clock: Arc<PausedClock>,
    pub(crate) store: MemoryStore,
    pub(crate) blobs: MemoryBlobs,
    pub(crate) lock: MemoryLock,
    pub(crate) journal: Journal,
    pub(crate) notifier: Arc<CountingNotifier>,
    pub(crate) runner: TaskRunner,
    folder: TempDir,
}

impl Harness {
    /// Makes everything of each file.
    pub(crate) fn new(tessellator: Arc<impl Tessellator + 'static>) -> Self {
        let clock = Arc::new(PausedClock::new());
        let plan = plan(Recipe::STANDARD);
        let store = MemoryStore::new(plan.clone(), clock.clone());
        let blobs = MemoryBlobs::default();
        let lock = MemoryLock::new("worker");
        let journal = Journal::new(store.clone());
        let folder = tempfile::tempdir().unwrap();
        let runner = TaskRunner {
            records: Records {
                files: Arc::new(store.clone()),
                assets: Arc::new(store.clone()),
                requests: Arc::new(store.clone()),
                queue: Arc::new(store.clone()),
                view: Arc::new(store.clone()),
                log: Arc::new(journal.clone()),
                refs: Arc::new(store.clone()),
            },
            blobs: Arc::new(blobs.clone()),
            lock: Arc::new(lock.clone()),
            tessellator,
            clock: clock.clone(),
            settings: TaskRunnerSettings {
                worker: WorkerName::new("worker"),
                plan,
                lease: LEASE,
                timeout: PATIENCE,
                memory_bytes: 2 << 30,
                threads: 1,
                scratch: folder.path().to_owned(),
            },
        };
        Self {
            clock,
            store,
            blobs,
            lock,
            journal,
            notifier: Arc::default(),
            runner,
            folder,
        }
    }

    /// From now on scenes are made by this recipe; the rows stay.
    pub(crate) fn make_by(&mut self, recipe: Recipe) {
        let plan = plan(recipe);
        self.store = self.store.shared_with(plan.clone());
        self.runner.records.requests = Arc::new(self.store.clone());
        self.runner.records.queue = Arc::new(self.store.clone());
        self.runner.records.view = Arc::new(self.store.clone());
        self.runner.settings.plan = plan;
    }

    /// Brings a file in, and asks for it to be processed.
    pub(crate) async fn upload(&self, name: &str) -> CadFileId {
        self.bring(name, &step(name), UPLOAD).await
    }

    pub(crate) async fn bring(&self, name: &str, content: &str, request: Request) -> CadFileId {
        let source = self.blobs.put(content.into()).await.unwrap();
        let name = name.to_owned();
        let file = NewCadFile {
            name,
            source: source.into(),
        };
        self.store.add(file, Some(request)).await.unwrap().id
    }

    /// Brings a file in that was read, and asks for its scene.
    pub(crate) async fn waits_for_scene(&self, name: &str, request: Request) -> CadFileId {
        // Ids sort by the time of their making, and so do requests.
        tokio::time::advance(Duration::from_secs(1)).await;
        let id = self.bring(name, &step(name), Request::BULK).await;
        run(&self.runner, id, STEP).await;
        assert!(self.store.cancel(work(id, GLTF)).await.unwrap());
        let requested = self.store.request(work(id, GLTF), request).await;
        assert_eq!(requested.unwrap(), Some(Requested::Queued));
        id
    }

    /// Brings a file in whose tasks were run up to this one, so that the next are in the queue.
    pub(crate) async fn ready_for(&self, kind: TaskKind) -> CadFileId {
        self.named_and_ready_for("part.step", kind).await
    }

    pub(crate) async fn named_and_ready_for(&self, name: &str, kind: TaskKind) -> CadFileId {
        let id = self.upload(name).await;
        let before = TaskKind::ALL.into_iter().take_while(|task| *task != kind);
        for task in before.filter(|task| kind.upstream() >= Some(*task)) {
            run(&self.runner, id, task).await;
        }
        id
    }

    pub(crate) async fn row(&self, id: CadFileId, kind: TaskKind) -> Row {
        let rows = self.store.rows(id).await.unwrap();
        let row = rows.into_iter().find(|(found, _)| *found == kind);
        row.map(|(_, row)| row).unwrap_or_default()
    }

    /// Gives a file other bytes.
    pub(crate) async fn replace(&self, id: CadFileId, content: &str) {
        let source = self.blobs.put(content.into()).await.unwrap();
        let replaced = self
            .store
            .change(id, FileChange::Source(source.into(), UPLOAD), None)
            .await;
        assert!(matches!(replaced.unwrap(), SaveOutcome::Saved(_)));
        self.notifier.notify().await;
    }

    pub(crate) async fn overview(&self, id: CadFileId) -> CadFileOverview {
        let overview = self.store.overview(id).await.unwrap();
        overview.expect("the file is there")
    }

    /// The assets of a file of this kind.
    pub(crate) async fn assets(&self, id: CadFileId, kind: TaskKind) -> Vec<MediaAsset> {
        let mut assets = self.store.of_file(id).await.unwrap();
        assets.retain(|asset| TaskKind::Make(asset.kind) == kind);
        assets
    }

    /// A worker that does up to `slots` pieces of work at once.
    pub(crate) fn worker(&self, slots: usize) -> Working {
        self.worker_of(self.runner.clone(), slots)
    }

    pub(crate) fn worker_of(&self, runner: TaskRunner, slots: usize) -> Working {
        self.start(runner, slots, false)
    }

    /// A worker that is in the only process that works on the ledger.
    pub(crate) fn only_worker(&self, slots: usize) -> Working {
        self.start(self.runner.clone(), slots, true)
    }

    pub(crate) fn start(&self, runner: TaskRunner, slots: usize, is_only_process: bool) -> Working {
        let settings = WorkerSettings {
            slots,
            poll: POLL,
            grace: GRACE,
            is_only_process,
        };
        let worker = Worker::new(Arc::new(runner), self.notifier.clone(), settings);
        let stop = CancellationToken::new();
        Working {
            ended: tokio::spawn(worker.run(stop.clone())),
            stop,
        }
    }

    /// Nobody holds this lock.
    pub(crate) async fn assert_is_free(&self, key: &LockKey) {
        let holder = self.lock.holder(key).await.unwrap();
        assert_eq!(holder, None, "{key}");
    }

    #[track_caller]
    pub(crate) fn assert_scratch_is_empty(&self) {
        assert_eq!(names(self.folder.path()), [""; 0]);
    }
}

/// What is made: everything, by this recipe.
pub(crate) fn plan(recipe: Recipe) -> MediaPlan {
    MediaPlan::new(recipe, MediaKind::ALL)
}

/// A worker at work.
pub(crate) struct Working {
    pub(crate) stop: CancellationToken,
    pub(crate) ended: JoinHandle<()>,
}

impl Working {
    /// Ends it as a kill does, as far as that is possible within a process.
    pub(crate) async fn kill(self) {
        self.ended.abort();
        let ended = retry_while_busy(self.ended).await;
        assert!(ended.unwrap_err().is_cancelled());
    }

    /// Tells it to stop and waits until it has.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        retry_while_busy(self.ended)
            .await
            .expect("a worker never panics");
    }
}

/// Runs one task as if it had been called by name.
pub(crate) async fn run(
    runner: &TaskRunner,
    id: CadFileId,
    kind: TaskKind,
) -> cadmill_domain::TaskOutcome {
    let never = CancellationToken::new();
    let ran = runner.run(work(id, kind), &never);
    retry_while_busy(ran).await.unwrap()
}

/// Starts one task as if it had been called by name.
pub(crate) fn start(
    runner: &TaskRunner,
    id: CadFileId,
    kind: TaskKind,
) -> JoinHandle<cadmill_domain::TaskOutcome> {
    let runner = runner.clone();
    tokio::spawn(async move { run(&runner, id, kind).await })
}

pub(crate) const fn work(cad_file_id: CadFileId, kind: TaskKind) -> Work {
    Work { cad_file_id, kind }
}

/// Waits for what must happen, and fails the test if it does not.
pub(crate) async fn retry_while_busy<T>(future: impl Future<Output = T>) -> T {
    let waited = timeout(PATIENCE * 10, future).await;
    waited.expect("it must happen")
}

/// The time of day by the clock of tokio.
#[derive(Debug)]
pub(crate) struct PausedClock {
    noon: Moment,
    begun: Instant,
}

impl PausedClock {
    fn new() -> Self {
        Self {
            noon: ManualClock::new().now(),
            begun: Instant::now(),
        }
    }
}

impl Clock for PausedClock {
    fn now(&self) -> Moment {
        self.noon + TimeDelta::from_std(self.begun.elapsed()).unwrap()
    }
}

/// A bell that is heard once for each ring.
#[derive(Debug, Default)]
pub(crate) struct CountingNotifier(Notify);

#[async_trait]
impl WorkNotifier for CountingNotifier {
    async fn notify(&self) {
        self.0.notify_one();
    }

    async fn wait(&self) {
        self.0.notified().await;
    }
}

/// The pipeline log, which can be waited on.
#[derive(Debug, Clone)]
pub(crate) struct Journal {
    store: MemoryStore,
    told: watch::Sender<Vec<NewPipelineEvent>>,
}

impl Journal {
    fn new(store: MemoryStore) -> Self {
        let told: watch::Sender<Vec<NewPipelineEvent>> = watch::Sender::default();
        let teller = told.clone();
        store.observe_events(move |event| teller.send_modify(|events| events.push(event.clone())));
        Self { store, told }
    }

    /// All events so far.
    pub(crate) fn so_far(&self) -> Vec<NewPipelineEvent> {
        self.told.borrow().clone()
    }

    /// The events of one piece of work.
    pub(crate) fn of(&self, work: Work) -> Vec<NewPipelineEvent> {
        let mut events = self.so_far();
        events.retain(|event| (event.cad_file_id, event.task) == (work.cad_file_id, work.kind));
        events
    }

    /// What of these kinds was begun, in that order.
    pub(crate) fn begun(&self, kinds: &[TaskKind]) -> Vec<Work> {
        let events = self.so_far();
        let begun = events
            .iter()
            .filter(|event| event.event == StepEvent::StepStart && kinds.contains(&event.task));
        begun
            .map(|event| work(event.cad_file_id, event.task))
            .collect()
    }

    /// Waits until so many steps have come to this.
    pub(crate) async fn wait_for(&self, wanted: StepEvent, kinds: &[TaskKind], times: usize) {
        let mut told = self.told.subscribe();
        let is_meant =
            |event: &&NewPipelineEvent| event.event == wanted && kinds.contains(&event.task);
        let enough =
            |events: &Vec<NewPipelineEvent>| events.iter().filter(is_meant).count() >= times;
        retry_while_busy(told.wait_for(enough)).await.unwrap();
    }

    /// Waits until everything was made of so many files.
    pub(crate) async fn wait_for_all(&self, files: usize) {
        let last = BTreeSet::from([USD, WEB, THUMBNAIL]);
        for kind in last {
            self.wait_for(StepEvent::StepDone, &[kind], files).await;
        }
    }
}

#[async_trait]
impl PipelineLog for Journal {
    async fn append(&self, event: NewPipelineEvent) -> Result<(), StoreError> {
        self.store.append(event).await
    }

    async fn timeline(&self, file: CadFileId) -> Result<Vec<PipelineEvent>, StoreError> {
        self.store.timeline(file).await
    }

    async fn events_after(
        &self,
        after: EventId,
        file: Option<CadFileId>,
        limit: usize,
    ) -> Result<Vec<PipelineEvent>, StoreError> {
        self.store.events_after(after, file, limit).await
    }

    async fn last_event_id(&self) -> Result<EventId, StoreError> {
        self.store.last_event_id().await
    }
}
