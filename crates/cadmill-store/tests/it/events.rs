//! The order in which events are seen on PostgreSQL, where a transaction may commit long after it has
//! got its number.

use std::sync::Arc;

use cadmill_domain::{
    CadFileId, NewCadFile, TaskKind,
    contract::{
        Deployment,
        pipeline_log::{an_event, whoever_follows_misses_nothing},
    },
    ledger::{Fence, WorkerName},
    pipeline_log::{EventId, NewPipelineEvent, StepEvent},
    webhook::{EventFilter, NewWebhook, WebhookSecret},
};
use cadmill_store::Database;
use sea_orm::{
    ConnectOptions, ConnectionTrait, DatabaseConnection, Statement, TransactionTrait as _,
};

use crate::open;

/// Between getting a number and committing, some wait longer than others, so that they commit in
/// another order.
const LINGER: &str = "\
    CREATE FUNCTION linger() RETURNS trigger LANGUAGE plpgsql AS $$ \
    BEGIN PERFORM pg_sleep(random() * 0.005); RETURN NULL; END $$; \
    CREATE TRIGGER linger AFTER INSERT ON pipeline_event \
    FOR EACH ROW EXECUTE FUNCTION linger()";

/// A deployment on PostgreSQL, and a connection beside its own.
async fn deployment() -> (Deployment, DatabaseConnection) {
    let url = open::new_postgres_database().await;
    let database = Database::connect_postgres(&url, 24).await.unwrap();
    let deployment = open::deployment(database, Arc::default()).await;
    let mut options = ConnectOptions::new(&url);
    options.max_connections(4).sqlx_logging(false);
    let beside = sea_orm::Database::connect(options).await.unwrap();
    (deployment, beside)
}

async fn add(deployment: &Deployment) -> CadFileId {
    let source = cadmill_domain::Blob::of(b"a");
    let name = "a.step".to_owned();
    let file = deployment
        .files
        .add(
            NewCadFile {
                name,
                source: source.into(),
            },
            None,
        )
        .await;
    file.unwrap().id
}

async fn number(connection: &impl ConnectionTrait, sql: &str) -> i64 {
    let statement = Statement::from_string(connection.get_database_backend(), sql);
    let row = connection.query_one_raw(statement).await.unwrap();
    row.unwrap().try_get("", "number").unwrap()
}

/// The numbers that a follower reads from the first event on.
async fn followed(deployment: &Deployment) -> Vec<u64> {
    let events = deployment.log.events_after(EventId(0), None, 1000).await;
    events
        .unwrap()
        .into_iter()
        .map(|event| event.id.0)
        .collect()
}

/// Waits until a follower has read so many.
async fn followed_until(deployment: &Deployment, events: usize) -> Vec<u64> {
    loop {
        let followed = followed(deployment).await;
        if followed.len() >= events {
            return followed;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_misses_an_event_however_long_its_transaction_takes() {
    let (deployment, beside) = deployment().await;
    beside.execute_unprepared(LINGER).await.unwrap();
    whoever_follows_misses_nothing(&deployment).await;
}

/// Without the horizon a follower would read the later event first, and never the earlier one.
#[tokio::test(flavor = "multi_thread")]
async fn an_event_is_shown_when_no_earlier_one_can_come_any_more() {
    let (deployment, beside) = deployment().await;
    let file = add(&deployment).await;
    let webhook = NewWebhook {
        url: "https://example.org".to_owned(),
        secret: WebhookSecret::new("s3cret"),
        events: EventFilter::All,
        description: String::new(),
    };
    deployment.webhooks.create(webhook).await.unwrap();

    let early = beside.begin().await.unwrap();
    let insert = "INSERT INTO pipeline_event (id, cad_file_id, task, event, worker, result, at) \
        SELECT base + (pg_current_xact_id()::text::bigint << 8), id, 'process_step', 'step_start', \
        'early', '{}', now() FROM event_base, cad_file";
    early.execute_unprepared(insert).await.unwrap();
    deployment.log.append(an_event(file)).await.unwrap();

    let committed = "SELECT count(*) AS number FROM pipeline_event";
    assert_eq!(
        number(&beside, committed).await,
        1,
        "the later is committed"
    );
    assert_eq!(deployment.log.timeline(file).await.unwrap().len(), 1);
    assert_eq!(followed(&deployment).await, [0_u64; 0]);
    assert_eq!(deployment.log.last_event_id().await.unwrap(), EventId(0));
    assert_eq!(deployment.webhooks.enqueue_events().await.unwrap(), 0);

    early.commit().await.unwrap();
    let followed = followed_until(&deployment, 2).await;
    let timeline = deployment.log.timeline(file).await.unwrap();
    assert_eq!(timeline[0].event.worker, WorkerName::new("early"));
    let ids: Vec<_> = timeline.iter().map(|event| event.id.0).collect();
    assert_eq!(followed, ids);
    assert_eq!(deployment.webhooks.enqueue_events().await.unwrap(), 2);
    assert!(ids[1] < 1 << 53, "a JSON number holds it");
}

/// A dump comes into a cluster whose transactions have lower numbers.
#[tokio::test(flavor = "multi_thread")]
async fn numbers_go_on_where_they_were_after_a_restore() {
    let url = open::new_postgres_database().await;
    let database = Database::connect_postgres(&url, 4).await.unwrap();
    let deployment = open::deployment(database.clone(), Arc::default()).await;
    let file = add(&deployment).await;
    for _ in 0..3 {
        deployment.log.append(an_event(file)).await.unwrap();
    }
    let beside = sea_orm::Database::connect(ConnectOptions::new(&url)).await;
    let beside = beside.unwrap();
    let shifted = "UPDATE pipeline_event SET id = id + (1::bigint << 40)";
    beside.execute_unprepared(shifted).await.unwrap();
    let newest = "SELECT max(id) AS number FROM pipeline_event";
    let restored = number(&beside, newest).await as u64;

    // Without the correction the next event would come before those that are there.
    let next = "SELECT base + (pg_current_xact_id()::text::bigint << 8) AS number FROM event_base";
    assert!((number(&beside, next).await as u64) < restored);
    for open in 0..2 {
        // Whether the process migrates or not; and once is enough.
        if open == 0 {
            database.check().await.unwrap();
        } else {
            database.migrate().await.unwrap();
        }
        deployment.log.append(an_event(file)).await.unwrap();
        let followed = followed_until(&deployment, 4 + open).await;
        assert_eq!(followed[2], restored, "what was restored is shown");
        assert!(followed.is_sorted() && followed[3] > restored);
        let base = number(&beside, "SELECT base AS number FROM event_base").await;
        assert_eq!(base as u64, restored + 1, "it is raised once");
    }

    // The events that a webhook was sent may be gone.
    let far = "UPDATE webhook SET last_event_id = 1::bigint << 45";
    let webhook = NewWebhook {
        url: "https://example.org".to_owned(),
        secret: WebhookSecret::new("s3cret"),
        events: EventFilter::All,
        description: String::new(),
    };
    deployment.webhooks.create(webhook).await.unwrap();
    beside.execute_unprepared(far).await.unwrap();
    database.check().await.unwrap();
    deployment.log.append(an_event(file)).await.unwrap();
    let followed = followed_until(&deployment, 6).await;
    assert!(followed[5] > 1 << 45);
    assert_eq!(deployment.webhooks.enqueue_events().await.unwrap(), 1);
}

/// One claim after the other while the file is deleted: no event is left, and no transaction waits for the
/// other in a circle.
#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_file_takes_the_events_of_claims_at_once_along() {
    let (deployment, beside) = deployment().await;
    for _ in 0..20 {
        let source = cadmill_domain::Blob::of(b"a");
        let name = "a.step".to_owned();
        let new = NewCadFile {
            name,
            source: source.into(),
        };
        let request = cadmill_domain::ledger::Request::BULK;
        let file = deployment.files.add(new, Some(request)).await.unwrap().id;
        let claims = async {
            let work = cadmill_domain::Work {
                cad_file_id: file,
                kind: TaskKind::ProcessStep,
            };
            let worker = WorkerName::new("w");
            let ledger = &deployment.ledger;
            loop {
                let claim = ledger.claim(work, &worker).await.unwrap();
                if let Some(claim) = claim {
                    let reason = cadmill_domain::ledger::HandBack::Stopping;
                    ledger.hand_back(&claim, reason).await.unwrap();
                } else if deployment.files.get(file).await.unwrap().is_none() {
                    return;
                }
            }
        };
        let delete = async {
            tokio::task::yield_now().await;
            assert!(deployment.files.remove(file).await.unwrap());
        };
        tokio::join!(claims, delete);
    }
    let left = "SELECT count(*) AS number FROM pipeline_event";
    assert_eq!(
        number(&beside, left).await,
        0,
        "events of files that are gone"
    );
}

/// Old events have the numbers of a sequence.
#[tokio::test(flavor = "multi_thread")]
async fn events_from_before_the_migration_come_first() {
    use cadmill_migrations::Migrator;
    use sea_orm_migration::MigratorTrait as _;

    let url = open::new_postgres_database().await;
    let database = Database::connect_postgres(&url, 4).await.unwrap();
    let deployment = open::deployment(database.clone(), Arc::default()).await;
    let file = add(&deployment).await;
    deployment.log.append(an_event(file)).await.unwrap();
    let beside = sea_orm::Database::connect(ConnectOptions::new(&url)).await;
    let beside = beside.unwrap();
    let since = Migrator::migrations();
    let since = since
        .iter()
        .rev()
        .position(|step| step.name() == "m20261130_000001_events");
    let steps = since.unwrap() as u32 + 1;
    Migrator::down(&beside, Some(steps)).await.unwrap();
    let old = "INSERT INTO pipeline_event (cad_file_id, task, event, worker, result, at) \
        SELECT id, 'process_step', 'step_start', 'old', '{}', now() FROM cad_file";
    for _ in 0..3 {
        beside.execute_unprepared(old).await.unwrap();
    }
    database.migrate().await.unwrap();
    let new = NewPipelineEvent {
        event: StepEvent::StepDone,
        fence: Some(Fence(1)),
        ..an_event(file)
    };
    deployment.log.append(new.clone()).await.unwrap();
    let followed = followed_until(&deployment, 5).await;
    assert!(followed.is_sorted());
    let timeline = deployment.log.timeline(file).await.unwrap();
    assert_eq!(timeline[1].event.worker, WorkerName::new("old"));
    assert_eq!(timeline[4].event, new);
}
