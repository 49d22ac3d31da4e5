//! What is under way is shown, and much is asked for at once.

use crate::{
    FailureCode, MediaKind, TaskKind, Work, WorkCursor,
    contract::deployment::{
        Deployment,
        Do::{Bytes, Cancel, Claim, Fail, Make, MakeAllFor, Paint},
        GLB, PNG, STEP, USD, WEB, work,
    },
    ledger::{
        FailedFilter, Missing, Priority, QueueDepth, Request, Requested, Requester, RowState,
        WorkRequestsExt as _,
    },
};

/// What runs, then what waits in the order of the queue; page by page, each once.
pub async fn work_is_told_page_by_page(deployment: &Deployment) {
    let mut expected = Vec::new();
    for name in ["a", "b"] {
        let file = deployment
            .add_with(name, &[MakeAllFor(GLB), Claim(USD)])
            .await;
        expected.push(work(file, USD));
    }
    let urgent = deployment.add_with("c", &[Cancel(STEP)]).await;
    deployment.later(1);
    let upload = Request {
        priority: Priority::Upload,
        ..Request::ASKED
    };
    deployment.request(urgent, STEP, upload).await;
    deployment
        .add_with("d", &[MakeAllFor(GLB), Make(USD), Make(WEB), Make(PNG)])
        .await;
    deployment.add_with("e", &[Fail(STEP)]).await;
    expected.push(work(urgent, STEP));
    let [first, second] = [expected[0].cad_file_id, expected[1].cad_file_id];
    for file in [first, second] {
        expected.extend([WEB, PNG].map(|kind| work(file, kind)));
    }
    for limit in [1, 2, 3, 5, 6, 7, 100] {
        let (mut found, mut after): (Vec<Work>, Option<WorkCursor>) = (Vec::new(), None);
        loop {
            let page = deployment.ledger.work(after, limit).await.unwrap();
            let Some(last) = page.last() else { break };
            assert!(page.len() <= limit, "{} on a page of {limit}", page.len());
            // As a client hands it back.
            after = Some(WorkCursor::parse(&last.cursor().to_text()).unwrap());
            found.extend(page.iter().map(|item| item.work));
        }
        assert_eq!(found, expected, "pages of {limit}");
    }
    for item in deployment.ledger.work(None, 100).await.unwrap() {
        let file = deployment.file(item.work.cad_file_id).await;
        assert_eq!(item.file_name, file.name);
        assert_eq!(item.row, deployment.row(file.id, item.work.kind).await);
    }
    assert_eq!(deployment.ledger.work(None, 0).await.unwrap(), []);
}

/// By kind and priority, with the oldest.
pub async fn the_queue_is_measured(deployment: &Deployment) {
    assert_eq!(deployment.ledger.queue_depths().await.unwrap(), []);
    let mut files = Vec::new();
    for name in ["a", "b", "c"] {
        files.push(deployment.add(name).await);
    }
    deployment.request(files[1], STEP, Request::ASKED).await;
    deployment.happen(files[2], &[Claim(STEP)]).await;
    let oldest = async |file, kind| deployment.row(file, kind).await.requested_at;
    let mut expected = vec![
        QueueDepth {
            kind: STEP,
            priority: Priority::Bulk,
            rows: 1,
            oldest: oldest(files[0], STEP).await,
        },
        QueueDepth {
            kind: STEP,
            priority: Priority::Asked,
            rows: 1,
            oldest: oldest(files[1], STEP).await,
        },
    ];
    assert_eq!(deployment.ledger.queue_depths().await.unwrap(), expected);
    deployment.happen(files[1], &[Cancel(STEP)]).await;
    for name in ["d", "e"] {
        files.push(deployment.add_with(name, &[MakeAllFor(GLB)]).await);
    }
    expected.truncate(1);
    expected.extend([USD, WEB, PNG].map(|kind| QueueDepth {
        kind,
        priority: Priority::Bulk,
        rows: 2,
        oldest: None,
    }));
    for depth in &mut expected[1..] {
        depth.oldest = oldest(files[3], depth.kind).await;
    }
    assert_eq!(deployment.ledger.queue_depths().await.unwrap(), expected);
}

/// Of all kinds or of one; neither what is new nor what failed.
pub async fn what_is_stale_is_asked_for(deployment: &Deployment) {
    let all = [MakeAllFor(GLB), Make(USD), Make(WEB), Make(PNG)];
    let current = deployment.add_with("current.step", &all).await;
    let never = deployment
        .add_with("never.step", &[Make(STEP), Cancel(GLB)])
        .await;
    let painted = deployment.add_with("painted.step", &all).await;
    deployment
        .happen(
            painted,
            &[Paint("#ff0000"), Cancel(USD), Fail(WEB), Cancel(PNG)],
        )
        .await;
    let revised = deployment.add_with("revised.step", &all).await;
    deployment
        .happen(revised, &[Bytes("B"), Make(STEP), Cancel(GLB)])
        .await;
    let untouched = [deployment.rows(current).await, deployment.rows(never).await];

    let told = deployment
        .ledger
        .request_stale(Some(MediaKind::UsdMaster), Requester::SHARED)
        .await;
    let expected = Missing {
        // Its own of the painted file; the scene of the revised one.
        queued: 2,
        ..Missing::default()
    };
    assert_eq!(told.unwrap(), expected, "of one kind");
    let told = deployment
        .ledger
        .request_stale(None, Requester::SHARED)
        .await
        .unwrap();
    let expected = Missing {
        queued: 1,
        // Both USD masters, the scene, and what waits for that.
        in_flight: 5,
        present: 0,
        failed: 1,
    };
    assert_eq!(told, expected, "of all kinds");
    let state = async |file, kind| deployment.row(file, kind).await.state;
    assert_eq!(state(painted, USD).await, RowState::Queued);
    assert_eq!(
        state(painted, WEB).await,
        RowState::Failed,
        "it is left alone"
    );
    assert_eq!(state(painted, PNG).await, RowState::Queued);
    assert_eq!(state(revised, GLB).await, RowState::Queued);
    let after = [deployment.rows(current).await, deployment.rows(never).await];
    assert_eq!(after, untouched);
    let again = deployment
        .ledger
        .request_stale(None, Requester::SHARED)
        .await
        .unwrap();
    assert_eq!(
        (again.queued, again.in_flight),
        (0, 6),
        "a second click queues nothing"
    );
}

/// All, or those of a kind, a code or a name.
pub async fn what_failed_is_tried_again(deployment: &Deployment) {
    let scene = deployment
        .add_with("Bracket 1", &[Make(STEP), Fail(GLB)])
        .await;
    let step = deployment.add_with("bracket 2", &[Fail(STEP)]).await;
    let usd = deployment
        .add_with("gear", &[MakeAllFor(GLB), Fail(USD)])
        .await;
    deployment
        .add_with("nothing failed", &[MakeAllFor(GLB)])
        .await;
    let all = FailedFilter::default();
    let of = |kind: TaskKind| FailedFilter {
        kind: Some(kind),
        ..all.clone()
    };
    let coded = |code| FailedFilter {
        code: Some(code),
        ..all.clone()
    };
    let named = FailedFilter {
        name_contains: Some("BRACKET".to_owned()),
        ..all.clone()
    };
    let retry = async |filter: &FailedFilter| {
        let retried = deployment.ledger.retry_failed(filter, Requester::SHARED);
        retried.await.unwrap()
    };
    assert_eq!(retry(&of(PNG)).await, 0);
    assert_eq!(retry(&coded(FailureCode::KernelCrash)).await, 0);
    assert_eq!(retry(&of(USD)).await, 1);
    assert_eq!(deployment.row(usd, USD).await.state, RowState::Queued);
    assert_eq!(retry(&of(USD)).await, 0, "it is in the queue");
    assert_eq!(retry(&named).await, 2);
    for (file, kind) in [(scene, GLB), (step, STEP)] {
        let row = deployment.row(file, kind).await;
        assert_eq!((row.state, row.failure), (RowState::Queued, None));
        deployment.happen(file, &[Fail(kind)]).await;
    }
    assert_eq!(retry(&coded(FailureCode::KernelError)).await, 2);
    assert_eq!(retry(&all).await, 0);
    assert_eq!(
        deployment.request(scene, GLB, Request::ASKED).await,
        Requested::InFlight
    );
}
