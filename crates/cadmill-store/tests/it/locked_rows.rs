//! A row of PostgreSQL that somebody else is at.

use std::{sync::Arc, time::Duration};

use cadmill_domain::{Blob, NewCadFile, Request, TaskKind, TaskPayload, WorkerName};
use cadmill_store::Database;
use sea_orm::{ConnectionTrait as _, TransactionTrait as _};
use tokio::time::timeout;

use crate::open;

/// Only a failing test waits this long.
const LONG: Duration = Duration::from_secs(20);

#[tokio::test]
async fn whoever_claims_does_not_wait_for_it() {
    let url = open::new_postgres_database().await;
    let database = Database::connect_postgres(&url, 4).await.unwrap();
    let deployment = open::deployment(database, Arc::default()).await;
    let file = NewCadFile {
        name: "a.step".to_owned(),
        source: Blob::of(b"a"),
    };
    let file = deployment.files.add(file, Some(Request::ASKED)).await;
    let work = TaskPayload {
        cad_file_id: file.unwrap().id,
        kind: TaskKind::ProcessStep,
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
