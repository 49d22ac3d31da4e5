//! When workers are woken: whenever something came into the queue, and at nothing else.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use async_trait::async_trait;
use cadmill_domain::{
    Blob, ConversionReport, Failure, FailureCode, MaterialKey, MaterialMap, MaterialSpec,
    MediaKind, NewCadFile, NewMediaAsset, StoreError, TaskKind, Work, WorkNotifier,
    cad_file::FileChange,
    contract::Deployment,
    fakes::step_facts,
    ledger::{
        Claim, FailedFilter, HandBack, MissingRequest, Request, RequestKey, Requester, TaskOutput,
        WorkRequestsExt as _, WorkerName,
    },
};
use cadmill_store::{Database, PostgresWorkNotifier};
use futures_util::future::join_all;
use sea_orm::sqlx::{self, PgPool, postgres::PgListener};

use crate::open;

const GLB: TaskKind = TaskKind::Make(MediaKind::GltfGeometry);
const USD: TaskKind = TaskKind::Make(MediaKind::UsdMaster);

#[tokio::test]
async fn sqlite_rings_for_what_is_queued() {
    let folder = tempfile::tempdir().unwrap();
    check(open::sqlite_in(folder.path()).await).await;
}

#[tokio::test]
async fn postgres_rings_for_what_is_queued() {
    let url = open::new_postgres_database().await;
    check(Database::connect_postgres(&url, 4).await.unwrap()).await;
}

#[tokio::test]
async fn many_who_ring_at_once_share_a_notification() {
    let url = open::new_postgres_database().await;
    let database = Database::connect_postgres(&url, 4).await.unwrap();
    let notifier = PostgresWorkNotifier::listen(&database).unwrap();
    let mut listener = PgListener::connect(&url).await.unwrap();
    listener.listen("cadmill_work").await.unwrap();
    join_all((0..100).map(|_| notifier.notify())).await;
    notifier.notify().await;
    let pool = PgPool::connect(&url).await.unwrap();
    let end = "SELECT pg_notify('cadmill_work', 'end')";
    sqlx::query(end).execute(&pool).await.unwrap();
    let mut heard = 0;
    while listener.recv().await.unwrap().payload() != "end" {
        heard += 1;
    }
    // The first of the hundred is under way before the others ring; those share the second.
    assert_eq!(heard, 3);
}

/// Counts how often it is rung.
#[derive(Debug, Default)]
struct Counter(AtomicUsize);

#[async_trait]
impl WorkNotifier for Counter {
    async fn notify(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    async fn wait(&self) {
        std::future::pending::<()>().await;
    }
}

impl Counter {
    /// Checks whether `act` rings, and gives what it gave.
    #[track_caller]
    fn rings<T>(
        &self,
        times: usize,
        act: impl Future<Output = Result<T, StoreError>>,
    ) -> impl Future<Output = T> {
        let caller = std::panic::Location::caller();
        async move {
            let before = self.0.load(Ordering::Relaxed);
            let done = act.await.unwrap();
            let rung = self.0.load(Ordering::Relaxed) - before;
            assert_eq!(rung, times, "{caller}");
            done
        }
    }
}

async fn check(database: Database) {
    let notifier = Arc::new(Counter::default());
    let deployment = open::ringing(database, Arc::default(), notifier.clone()).await;
    let Deployment { files, ledger, .. } = &deployment;
    let id = notifier.rings(0, files.add(new("a"), None)).await.id;
    notifier
        .rings(1, files.add(new("b"), Some(Request::ASKED)))
        .await;

    let everything = MissingRequest::of(GLB);
    let counting = MissingRequest {
        dry_run: true,
        ..everything.clone()
    };
    notifier.rings(0, ledger.request_missing(&counting)).await;
    notifier.rings(1, ledger.request_missing(&everything)).await;
    notifier.rings(0, ledger.request_missing(&everything)).await;
    notifier
        .rings(0, ledger.request(work(id, GLB), Request::BULK))
        .await;

    // What follows from a result is queued with it.
    let claim = claim(&notifier, &deployment, work(id, TaskKind::ProcessStep)).await;
    notifier
        .rings(
            1,
            ledger.publish(&claim, TaskOutput::Step(step_facts(b"a").into())),
        )
        .await;
    let claimed = self::claim(&notifier, &deployment, work(id, GLB)).await;
    notifier
        .rings(1, ledger.hand_back(&claimed, HandBack::Stopping))
        .await;
    let claimed = self::claim(&notifier, &deployment, work(id, GLB)).await;
    notifier
        .rings(1, ledger.publish(&claimed, asset("glb")))
        .await;

    let failing = self::claim(&notifier, &deployment, work(id, USD)).await;
    let failure = Failure::new(FailureCode::KernelError, "No.");
    notifier
        .rings(0, ledger.fail(&failing, &failure, None))
        .await;
    let filter = FailedFilter::default();
    let requester = Requester::SHARED;
    notifier
        .rings(1, ledger.retry_failed(&filter, requester))
        .await;
    notifier
        .rings(0, ledger.retry_failed(&filter, requester))
        .await;
    let claimed = self::claim(&notifier, &deployment, work(id, USD)).await;
    notifier
        .rings(0, ledger.publish(&claimed, asset("usd")))
        .await;

    let again = Request {
        force: true,
        ..Request::ASKED
    };
    let key = RequestKey::of("one wish");
    let asking = || ledger.request_once(work(id, USD), again, key);
    notifier.rings(1, asking()).await;
    notifier.rings(0, asking()).await;
    let claimed = self::claim(&notifier, &deployment, work(id, USD)).await;
    notifier
        .rings(0, ledger.publish(&claimed, asset("usd, again")))
        .await;
    notifier.rings(0, asking()).await;

    let parts = files.change(id, FileChange::PartMaterials(red()), None);
    notifier.rings(1, parts).await;
    notifier.rings(0, ledger.cancel(work(id, USD))).await;
    let overrides = files.change(id, FileChange::ManualOverrides(red()), None);
    notifier.rings(1, overrides).await;
    let other = Blob::of(b"other bytes");
    notifier
        .rings(
            1,
            files.change(id, FileChange::Source(other.into(), Request::ASKED), None),
        )
        .await;
    notifier
        .rings(0, ledger.cancel(work(id, TaskKind::ProcessStep)))
        .await;
    notifier.rings(0, files.remove(id)).await;
    changes_under_a_worker(&notifier, &deployment).await;
}

/// A worker whose work is no longer requested is notified.
async fn changes_under_a_worker(notifier: &Counter, deployment: &Deployment) {
    let Deployment { files, ledger, .. } = deployment;
    let id = notifier
        .rings(1, files.add(new("c"), Some(Request::ASKED)))
        .await
        .id;
    self::claim(notifier, deployment, work(id, TaskKind::ProcessStep)).await;
    notifier
        .rings(1, ledger.cancel(work(id, TaskKind::ProcessStep)))
        .await;
    notifier
        .rings(
            1,
            ledger.request(work(id, TaskKind::ProcessStep), Request::ASKED),
        )
        .await;
    self::claim(notifier, deployment, work(id, TaskKind::ProcessStep)).await;
    let newer = Blob::of(b"newer bytes").into();
    let replaced = files.change(id, FileChange::Source(newer, Request::ASKED), None);
    notifier.rings(1, replaced).await;
    notifier.rings(1, files.remove(id)).await;

    let id = notifier
        .rings(1, files.add(new("d"), Some(Request::ASKED)))
        .await
        .id;
    let step = self::claim(notifier, deployment, work(id, TaskKind::ProcessStep)).await;
    notifier
        .rings(
            1,
            ledger.publish(&step, TaskOutput::Step(step_facts(b"a").into())),
        )
        .await;
    let scene = self::claim(notifier, deployment, work(id, GLB)).await;
    notifier
        .rings(1, ledger.publish(&scene, asset("glb")))
        .await;
    self::claim(notifier, deployment, work(id, USD)).await;
    notifier
        .rings(1, files.change(id, FileChange::PartMaterials(red()), None))
        .await;
}

fn new(name: &str) -> NewCadFile {
    NewCadFile {
        name: name.to_owned(),
        source: Blob::of(name.as_bytes()).into(),
    }
}

async fn claim(notifier: &Counter, deployment: &Deployment, work: Work) -> Claim {
    let worker = WorkerName::new("worker 1");
    let claimed = notifier
        .rings(0, deployment.ledger.claim(work, &worker))
        .await;
    claimed.unwrap_or_else(|| panic!("{work} is queued"))
}

fn work(cad_file_id: cadmill_domain::CadFileId, kind: TaskKind) -> Work {
    Work { cad_file_id, kind }
}

fn asset(text: &str) -> TaskOutput {
    let blob = Blob::of(text.as_bytes()).into();
    let report = ConversionReport::default().into();
    TaskOutput::Asset(NewMediaAsset { blob, report })
}

fn red() -> MaterialMap {
    let spec = MaterialSpec {
        name: None,
        color: "#ff0000".parse().unwrap(),
        metallic: 0.0,
        roughness: 0.5,
        opacity: 1.0,
    };
    MaterialMap::from([(MaterialKey::new("*"), spec)])
}
