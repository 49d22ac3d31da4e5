//! A row of PostgreSQL that somebody else is at.

use std::{sync::Arc, time::Duration};

use cadmill_domain::{
    Blob, CadFile, MediaKind, NewCadFile, NewMediaAsset, SweepId, SystemClock, TaskKind, Work,
    blobs::{BlobCopy, StoredBlob},
    contract::{self, Deployment},
    ledger::{
        Claim, Missing, MissingRequest, Published, Recovered, Recovery, Request, TaskOutput,
        WorkerName,
    },
};
use cadmill_store::Database;
use sea_orm::{
    ConnectionTrait as _, DatabaseConnection, DatabaseTransaction, Statement, TransactionTrait as _,
};
use tokio::time::{sleep, timeout};

use crate::open;

/// Only a failing test waits this long.
const LONG: Duration = Duration::from_secs(20);

const STEP: TaskKind = TaskKind::ProcessStep;

#[tokio::test]
async fn whoever_claims_does_not_wait_for_it() {
    let (deployment, url) = deployment().await;
    let work = Work {
        cad_file_id: add(&deployment, Some(Request::ASKED)).await.id,
        kind: STEP,
    };
    let claim = async || {
        let worker = WorkerName::new("worker");
        let claim = deployment.ledger.claim(work, &worker);
        timeout(LONG, claim)
            .await
            .expect("it does not wait")
            .unwrap()
    };
    let other = sea_orm::Database::connect(&url).await.unwrap();
    let transaction = other.begin().await.unwrap();
    let lock = "SELECT 1 FROM ledger FOR UPDATE";
    transaction.execute_unprepared(lock).await.unwrap();
    assert_eq!(claim().await, None);
    transaction.rollback().await.unwrap();
    assert!(claim().await.is_some());
}

#[tokio::test]
async fn whoever_takes_back_claims_does_not_wait_for_it() {
    let (deployment, url) = deployment().await;
    let work = Work {
        cad_file_id: add(&deployment, Some(Request::ASKED)).await.id,
        kind: STEP,
    };
    let worker = WorkerName::new("worker");
    let claim = deployment.ledger.claim(work, &worker).await.unwrap();
    let claim = claim.unwrap();
    let recover = async || {
        let recovered = deployment.ledger.recover(&claim, Recovery::Ended);
        timeout(LONG, recovered)
            .await
            .expect("it does not wait")
            .unwrap()
    };
    let other = sea_orm::Database::connect(&url).await.unwrap();
    for table in ["ledger", "cad_file"] {
        let transaction = other.begin().await.unwrap();
        let lock = format!("SELECT 1 FROM {table} FOR UPDATE");
        transaction.execute_unprepared(&lock).await.unwrap();
        assert_eq!(recover().await, Recovered::NotYet, "{table}");
        transaction.rollback().await.unwrap();
    }
    assert_eq!(recover().await, Recovered::Requeued);
}

#[tokio::test]
async fn media_of_which_nothing_is_made_are_published_side_by_side() {
    let (deployment, url) = deployment().await;
    let file = add(&deployment, Some(Request::ASKED)).await.id;
    let claim = async |kind| {
        let work = Work {
            cad_file_id: file,
            kind,
        };
        let worker = WorkerName::new("worker");
        let claim = deployment.ledger.claim(work, &worker);
        claim.await.unwrap().unwrap()
    };
    let publish = async |claim: &Claim, product| {
        let published = timeout(LONG, deployment.ledger.publish(claim, product)).await;
        published.expect("it does not wait").unwrap()
    };
    let step = claim(STEP).await;
    publish(
        &step,
        TaskOutput::Step(cadmill_domain::fakes::step_facts(b"STEP").into()),
    )
    .await;
    let scene = claim(TaskKind::Make(MediaKind::GltfGeometry)).await;
    publish(&scene, asset("scene")).await;
    let master = claim(TaskKind::Make(MediaKind::UsdMaster)).await;
    claim(TaskKind::Make(MediaKind::Thumbnail)).await;
    // As the publication of the thumbnail does until the disk has it.
    let other = sea_orm::Database::connect(&url).await.unwrap();
    let transaction = other.begin().await.unwrap();
    let lock = "SELECT 1 FROM cad_file f JOIN ledger l ON l.cad_file_id = f.id \
                WHERE l.kind = 'thumbnail' FOR SHARE OF f FOR UPDATE OF l";
    transaction.execute_unprepared(lock).await.unwrap();
    let published = publish(&master, asset("master")).await;
    assert!(matches!(published, Published::Done { .. }), "{published:?}");
    transaction.rollback().await.unwrap();

    // The file itself stays as it is while one of them is published.
    let web = claim(TaskKind::Make(MediaKind::WebGlb)).await;
    let transaction = other.begin().await.unwrap();
    let delete = "DELETE FROM cad_file";
    transaction.execute_unprepared(delete).await.unwrap();
    let ledger = deployment.ledger.clone();
    let late = tokio::spawn(async move { ledger.publish(&web, asset("late")).await });
    wait_for_a_lock(&other).await;
    transaction.commit().await.unwrap();
    let late = timeout(LONG, late).await.expect("it ends").unwrap();
    assert_eq!(late.unwrap(), Published::Refused);
}

#[tokio::test]
async fn a_row_that_comes_while_all_are_asked_for_is_not_queued_twice() {
    let (deployment, url) = deployment().await;
    add(&deployment, None).await;
    let other = sea_orm::Database::connect(&url).await.unwrap();
    let transaction = other.begin().await.unwrap();
    queue_row(&transaction).await;
    let all = MissingRequest::of(STEP);
    let click = tokio::spawn(async move { deployment.ledger.request_missing(&all).await });
    wait_for_a_lock(&other).await;
    transaction.commit().await.unwrap();
    let missing = timeout(LONG, click).await.expect("it ends").unwrap();
    let in_flight = Missing {
        in_flight: 1,
        ..Missing::default()
    };
    assert_eq!(missing.unwrap(), in_flight);
}

#[tokio::test]
async fn a_row_that_comes_while_its_file_is_removed_goes_with_it() {
    let (deployment, url) = deployment().await;
    let file = add(&deployment, None).await.id;
    let other = sea_orm::Database::connect(&url).await.unwrap();
    let transaction = other.begin().await.unwrap();
    queue_row(&transaction).await;
    let files = deployment.files.clone();
    let removal = tokio::spawn(async move { files.remove(file).await });
    wait_for_a_lock(&other).await;
    transaction.commit().await.unwrap();
    let removed = timeout(LONG, removal).await.expect("it ends").unwrap();
    assert!(removed.unwrap());
    assert_eq!(deployment.ledger.rows(file).await.unwrap(), []);
}

#[tokio::test]
async fn a_file_that_goes_while_it_is_asked_for_gets_no_row() {
    let (deployment, url) = deployment().await;
    let work = Work {
        cad_file_id: add(&deployment, None).await.id,
        kind: STEP,
    };
    let other = sea_orm::Database::connect(&url).await.unwrap();
    let transaction = other.begin().await.unwrap();
    let delete = "DELETE FROM cad_file";
    transaction.execute_unprepared(delete).await.unwrap();
    let ledger = deployment.ledger.clone();
    let one = tokio::spawn(async move { ledger.request(work, Request::ASKED).await });
    wait_for_a_lock(&other).await;
    let ledger = deployment.ledger.clone();
    let all = MissingRequest::of(STEP);
    let click = tokio::spawn(async move { ledger.request_missing(&all).await });
    sleep(Duration::from_millis(50)).await;
    transaction.commit().await.unwrap();
    let requested = timeout(LONG, one).await.expect("it ends").unwrap();
    assert_eq!(requested.unwrap(), None);
    let missing = timeout(LONG, click).await.expect("it ends").unwrap();
    assert_eq!(missing.unwrap(), Missing::default());
    assert_eq!(deployment.ledger.rows(work.cad_file_id).await.unwrap(), []);
}

#[tokio::test]
async fn removing_a_file_does_not_wait_until_another_with_the_same_bytes_is_gone() {
    let (deployment, url) = deployment().await;
    let first = add(&deployment, None).await;
    let second = add(&deployment, None).await;
    let other = sea_orm::Database::connect(&url).await.unwrap();
    let transaction = other.begin().await.unwrap();
    let delete = format!("DELETE FROM cad_file WHERE id = '{}'", first.id);
    transaction.execute_unprepared(&delete).await.unwrap();
    let removed = timeout(LONG, deployment.files.remove(second.id)).await;
    assert!(removed.expect("it does not wait").unwrap());
    transaction.commit().await.unwrap();
    let source = first.source.sha256;
    let unreferenced = deployment.refs.unreferenced(vec![source]).await.unwrap();
    assert!(unreferenced[0].is_released, "both have released it");
}

#[tokio::test]
async fn a_removal_and_an_intent_see_what_they_have_waited_for() {
    let url = open::new_postgres_database().await;
    let other = sea_orm::Database::connect(&url).await.unwrap();
    let (_, name) = url.rsplit_once('/').unwrap();
    let strict = "SET default_transaction_isolation = 'repeatable read'";
    let strict = format!("ALTER DATABASE {name} {strict}");
    other.execute_unprepared(&strict).await.unwrap();
    let database = Database::connect_postgres(&url, 4).await.unwrap();
    let deployment = open::deployment(database, Arc::default()).await;
    let sha256 = Blob::of(b"a").sha256;

    let transaction = other.begin().await.unwrap();
    let intend = format!(
        "SELECT pg_advisory_xact_lock_shared(13285140); INSERT INTO blob_intent \
         (id, sha256, created_at) VALUES (gen_random_uuid(), '{sha256}', 'infinity')"
    );
    transaction.execute_unprepared(&intend).await.unwrap();
    let refs = deployment.refs.clone();
    let stored = vec![StoredBlob { sha256, copies: 1 }];
    let sweep = SweepId::generate(&SystemClock);
    let removal = tokio::spawn(async move { refs.begin_removal(sweep, stored).await });
    wait_for_a_lock(&other).await;
    transaction.commit().await.unwrap();
    let begun = timeout(LONG, removal).await.expect("it ends").unwrap();
    assert_eq!(begun.unwrap(), []);

    let transaction = other.begin().await.unwrap();
    let remove = format!(
        "SELECT pg_advisory_xact_lock(13285140); INSERT INTO blob_removal \
         (sha256, copies, is_done) VALUES ('{sha256}', 1, false)"
    );
    transaction.execute_unprepared(&remove).await.unwrap();
    let refs = deployment.refs.clone();
    let intent = tokio::spawn(async move { refs.intend(sha256).await });
    wait_for_a_lock(&other).await;
    transaction.commit().await.unwrap();
    let intent = timeout(LONG, intent).await.expect("it ends").unwrap();
    assert_eq!(intent.unwrap().copy, BlobCopy(1));
}

/// Locks the file and puts a row of it into the queue, as Cadmill does.
async fn queue_row(transaction: &DatabaseTransaction) {
    let row = format!(
        "INSERT INTO ledger (cad_file_id, kind, state, priority, desired_input, fence, crashes, \
         attempts, requested_at) SELECT id, '{STEP}', 'queued', 7, source_sha256 || '{}', 0, 0, 0, \
         now() FROM cad_file FOR NO KEY UPDATE",
        contract::plan().pattern(STEP).after_source
    );
    transaction.execute_unprepared(&row).await.unwrap();
}

fn asset(text: &str) -> TaskOutput {
    let blob = Blob::of(text.as_bytes()).into();
    let report = cadmill_domain::ConversionReport::default().into();
    TaskOutput::Asset(NewMediaAsset { blob, report })
}

/// A deployment in a new database, and that one's URL.
async fn deployment() -> (Deployment, String) {
    let url = open::new_postgres_database().await;
    let database = Database::connect_postgres(&url, 4).await.unwrap();
    (open::deployment(database, Arc::default()).await, url)
}

async fn add(deployment: &Deployment, asked: Option<Request>) -> CadFile {
    let file = NewCadFile {
        name: "a.step".to_owned(),
        source: Blob::of(b"a").into(),
    };
    deployment.files.add(file, asked).await.unwrap()
}

/// Waits until somebody on this database waits for a lock.
async fn wait_for_a_lock(database: &DatabaseConnection) {
    let waiting = Statement::from_string(
        database.get_database_backend(),
        "SELECT 1 FROM pg_stat_activity \
         WHERE datname = current_database() AND wait_event_type = 'Lock'",
    );
    let is_waiting = async {
        while database
            .query_one_raw(waiting.clone())
            .await
            .unwrap()
            .is_none()
        {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(LONG, is_waiting).await.expect("somebody waits");
}
