//! A PostgreSQL that goes down and comes back: what is told meanwhile, and that all goes on after.

use std::{sync::Arc, time::Duration};

use cadmill_domain::{
    Blob, MediaKind, NewCadFile, StoreError, TaskKind, Work, WorkNotifier as _,
    contract::Deployment,
    ledger::{Request, Requested, WorkQuery, WorkerName},
};
use cadmill_servers::Postgres;
use cadmill_store::{Database, PostgresWorkNotifier};
use futures_util::future::{join_all, join3};
use tokio::time::timeout;

use crate::open;

/// How long what must happen soon may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_is_survived() {
    let mut server = Postgres::start().unwrap();
    let database = Database::connect_postgres(&server.url(), 4).await.unwrap();
    let deployment = open::deployment(database.clone(), Arc::default()).await;
    let notifier = PostgresWorkNotifier::listen(&database).unwrap();
    hears(&notifier).await;
    let file = NewCadFile {
        name: "bracket.step".to_owned(),
        source: Blob::of(b"A").into(),
    };
    let file = deployment
        .files
        .add(file, Some(Request::BULK))
        .await
        .unwrap();
    let work = Work {
        cad_file_id: file.id,
        kind: MediaKind::UsdMaster.into(),
    };
    assert_eq!(
        request(&deployment, work).await.unwrap(),
        Requested::InFlight
    );

    for break_down in [Postgres::stop, Postgres::kill] {
        break_down(&mut server).unwrap();
        let requests = join_all((0..5).map(|_| request(&deployment, work)));
        // Nobody hears the ring, but nothing breaks.
        let asked = timeout(
            PATIENCE,
            join3(requests, database.ping(), notifier.notify()),
        )
        .await;
        let (requests, ping, ()) = asked.expect("who asks does not wait for long");
        for asked in requests
            .into_iter()
            .map(|answer| answer.map(drop))
            .chain([ping])
        {
            let error = asked.unwrap_err();
            assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
        }

        server.restart().unwrap();
        let back = timeout(PATIENCE, async {
            while request(&deployment, work).await.is_err() {
                tokio::task::yield_now().await;
            }
        });
        back.await.expect("the pool recovers");
        assert_eq!(
            deployment
                .ledger
                .next(&WorkQuery::first(9))
                .await
                .unwrap()
                .len(),
            1,
            "nothing is lost"
        );
        hears(&notifier).await;
    }
    let (kind, worker) = (TaskKind::ProcessStep, WorkerName::new("mill-1"));
    let work = Work { kind, ..work };
    let claimed = deployment.ledger.claim(work, &worker).await;
    assert!(claimed.unwrap().is_some(), "work goes on");
}

async fn request(deployment: &Deployment, work: Work) -> Result<Requested, StoreError> {
    let requested = deployment.ledger.request(work, Request::BULK).await?;
    Ok(requested.expect("the file is there"))
}

/// Rings until it is heard. A bell that listens anew rings by itself, which is hearing, too.
async fn hears(notifier: &PostgresWorkNotifier) {
    let heard = timeout(PATIENCE, async {
        tokio::select! {
            () = notifier.wait() => {}
            () = async { loop { notifier.notify().await; } } => {}
        }
    });
    heard.await.expect("the bell is heard");
}
