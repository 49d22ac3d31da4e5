//! What ends sessions of PostgreSQL, and that work goes on after it.

use std::{sync::Arc, time::Duration};

use cadmill_domain::{
    Blob, CadFileId, MaterialMap, NewCadFile, StoreError, TaskKind, Work,
    cad_file::FileChange,
    cad_file::SaveOutcome,
    contract::Deployment,
    ledger::{Request, WorkerName},
};
use cadmill_servers::Postgres;
use cadmill_store::{Database, DurabilityRisk, SessionTimeouts};
use futures_util::future::join_all;
use sea_orm::{ConnectionTrait as _, DatabaseTransaction, TransactionTrait as _};
use tokio::time::timeout;

use crate::{freezing_proxy::FreezingProxy, open};

/// Only a failing test waits this long.
const LONG: Duration = Duration::from_secs(30);
const SHORT: SessionTimeouts = SessionTimeouts {
    lock: Duration::from_millis(300),
    statement: Duration::from_secs(20),
    idle_in_transaction: Duration::from_millis(500),
    tcp: Duration::from_secs(15),
};
const CONNECTIONS: u32 = 4;

#[tokio::test]
async fn clicks_on_a_locked_file_leave_the_others_their_connections() {
    let url = open::new_postgres_database().await;
    let deployment = deployment(&url, SHORT).await;
    let (locked, other) = (add(&deployment).await, add(&deployment).await);
    let session = sea_orm::Database::connect(&url).await.unwrap();
    let transaction = session.begin().await.unwrap();
    lock(&transaction, locked).await;
    let clicks = (0..10).map(|_| save(&deployment, locked));
    let clicks = timeout(LONG, join_all(clicks));
    let others = async {
        for _ in 0..10 {
            let asked = timeout(LONG, save(&deployment, other)).await;
            asked
                .expect("it does not wait for the locked file")
                .unwrap();
        }
    };
    let (clicks, ()) = tokio::join!(clicks, others);
    for click in clicks.expect("no click waits for ever") {
        let error = click.unwrap_err();
        assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
    }
    transaction.rollback().await.unwrap();
    save(&deployment, locked).await.unwrap();
}

#[tokio::test]
async fn a_process_that_freezes_in_a_transaction_is_ended() {
    let url = open::new_postgres_database().await;
    let healthy = deployment(&url, SHORT).await;
    let file = add(&healthy).await;
    // It freezes when it has locked the file, and before it says anything more.
    let proxy = FreezingProxy::start(&url, "FOR NO KEY UPDATE").await;
    let frozen = deployment(proxy.url(), SHORT).await;
    let held = tokio::spawn(async move { (save(&frozen, file).await, frozen) });
    timeout(LONG, proxy.frozen()).await.expect("it freezes");
    let others = timeout(LONG, async {
        loop {
            match save(&healthy, file).await {
                Ok(saved) => return saved,
                Err(StoreError::Unavailable(_)) => {}
                Err(error) => panic!("{error:?}"),
            }
        }
    });
    others.await.expect("the session is ended");
    // What wakes up learns that its session is gone, which is no refusal, and goes on by another.
    proxy.thaw();
    let (asked, frozen) = timeout(LONG, held).await.expect("it ends").unwrap();
    let error = asked.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
    save(&frozen, file).await.unwrap();
}

/// Neither side hears of it, as when a firewall forgets its connections.
#[tokio::test]
async fn connections_that_die_in_silence_are_replaced() {
    let url = open::new_postgres_database().await;
    let file = add(&deployment(&url, SHORT).await).await;
    let proxy = FreezingProxy::start(&url, "FOR NO KEY UPDATE").await;
    let timeouts = SessionTimeouts {
        statement: Duration::from_secs(1),
        ..SHORT
    };
    let cut_off = deployment(proxy.url(), timeouts).await;
    let silent = (0..2 * CONNECTIONS).map(|_| async {
        let rows = timeout(LONG, cut_off.ledger.rows(file)).await;
        rows.expect("no call waits for ever").map(drop)
    });
    let (saved, rows) = timeout(LONG, async {
        let saving = save(&cut_off, file);
        let reading = async {
            proxy.frozen().await;
            join_all(silent).await
        };
        tokio::join!(saving, reading)
    })
    .await
    .expect("no call waits for ever");
    for answer in rows.into_iter().chain([saved.map(drop)]) {
        let error = answer.unwrap_err();
        assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
    }
    proxy.thaw_for_others();
    let back = timeout(LONG, async {
        while cut_off.ledger.rows(file).await.is_err() {}
    });
    back.await.expect("the dead connections are given up");
}

#[tokio::test]
async fn a_statement_that_takes_too_long_is_no_refusal() {
    let url = open::new_postgres_database().await;
    let timeouts = SessionTimeouts {
        lock: Duration::ZERO,
        statement: Duration::from_millis(300),
        ..SHORT
    };
    let deployment = deployment(&url, timeouts).await;
    let file = add(&deployment).await;
    let session = sea_orm::Database::connect(&url).await.unwrap();
    let transaction = session.begin().await.unwrap();
    lock(&transaction, file).await;
    let asked = timeout(LONG, save(&deployment, file)).await;
    let error = asked.expect("it ends").unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_read_only_for_a_while_is_away_for_a_while() {
    let server = Postgres::start().unwrap();
    let deployment = deployment(&server.url(), SHORT).await;
    let file = add(&deployment).await;
    let set = |value: &str| {
        let set = format!("ALTER SYSTEM SET default_transaction_read_only = {value}");
        server.query(&server.url(), &set).unwrap();
        let reload = "SET default_transaction_read_only = off; SELECT pg_reload_conf()";
        server.query(&server.url(), reload).unwrap();
    };
    set("on");
    let refused = timeout(LONG, async {
        loop {
            if let Err(error) = save(&deployment, file).await {
                return error;
            }
        }
    });
    let error = refused.await.expect("the server reads its settings");
    assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
    let (kind, worker) = (TaskKind::ProcessStep, WorkerName::new("mill-1"));
    let work = Work {
        cad_file_id: file,
        kind,
    };
    let claimed = deployment.ledger.claim(work, &worker).await;
    let error = claimed.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
    set("off");
    let back = timeout(LONG, async {
        while deployment.ledger.claim(work, &worker).await.is_err() {}
    });
    back.await.expect("it is writable again");
}

#[tokio::test]
async fn commits_wait_for_the_disk_whatever_the_database_says() {
    let url = open::new_postgres_database().await;
    let session = sea_orm::Database::connect(&url).await.unwrap();
    let (_, name) = url.rsplit_once('/').unwrap();
    let relaxed = format!("ALTER DATABASE {name} SET synchronous_commit = off");
    session.execute_unprepared(&relaxed).await.unwrap();
    let database = Database::connect_postgres(&url, 1).await.unwrap();
    let risks = database.risks().await.unwrap();
    assert!(
        !risks.contains(&DurabilityRisk::AsynchronousCommit),
        "{risks:?}"
    );
    // The servers of the tests do not wait for the disk, which only their administrator can change.
    assert!(risks.contains(&DurabilityRisk::FsyncOff), "{risks:?}");
}

async fn deployment(url: &str, timeouts: SessionTimeouts) -> Deployment {
    let database = Database::connect_postgres_with(url, CONNECTIONS, timeouts).await;
    open::deployment(database.unwrap(), Arc::default()).await
}

async fn add(deployment: &Deployment) -> CadFileId {
    let file = NewCadFile {
        name: "a.step".to_owned(),
        source: Blob::of(b"a").into(),
    };
    let added = deployment.files.add(file, Some(Request::ASKED)).await;
    added.unwrap().id
}

/// Saves the materials of the file, which always writes.
async fn save(deployment: &Deployment, file: CadFileId) -> Result<SaveOutcome, StoreError> {
    let materials = MaterialMap::default();
    let saved = deployment
        .files
        .change(file, FileChange::PartMaterials(materials), None);
    saved.await
}

async fn lock(transaction: &DatabaseTransaction, file: CadFileId) {
    let lock = format!("SELECT 1 FROM cad_file WHERE id = '{file}' FOR UPDATE");
    transaction.execute_unprepared(&lock).await.unwrap();
}
