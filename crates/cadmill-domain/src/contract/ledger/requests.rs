//! What becomes of requests.

use futures_util::future::join_all;

use crate::{
    CadFileId, Clock as _, TaskKind,
    contract::deployment::{
        Deployment,
        Do::{Cancel, Fail, Make, MakeAllFor, Paint},
        GLB, PNG, STEP, USD, WEB, plan, work,
    },
    ledger::{Priority, Published, Request, Requested, RowState},
};

/// A request for any kind goes to the first stage that is not there, and to no other.
pub async fn a_request_begins_with_what_is_not_there(deployment: &Deployment) {
    let cases = [
        ([Cancel(STEP)].as_slice(), TaskKind::ALL.as_slice(), STEP),
        (&[Make(STEP), Cancel(GLB)], &[GLB, USD, WEB, PNG], GLB),
        (&[MakeAllFor(GLB), Cancel(USD)], &[USD], USD),
    ];
    for (story, kinds, first) in cases {
        for kind in kinds {
            let file = deployment.add_with("bracket.step", story).await;
            let before = deployment.states(file).await;
            deployment.later(5);
            let became = deployment.request(file, *kind, Request::ASKED).await;
            assert_eq!(became, Requested::Queued, "{kind} after {story:?}");
            let expected = before.into_iter().map(|(kind, state)| {
                let state = if kind == first {
                    RowState::Queued
                } else {
                    state
                };
                (kind, state)
            });
            let expected: Vec<_> = expected.collect();
            let found = deployment.states(file).await;
            assert_eq!(
                found, expected,
                "rows after a request for {kind}, after {story:?}"
            );
            let row = deployment.row(file, first).await;
            let wanted = plan().input(first, &deployment.file(file).await.subject());
            assert_eq!(row.desired, Some(wanted), "what is wanted of {first}");
            assert_eq!(row.priority, Priority::Asked, "priority of {first}");
            let now = Some(deployment.clock.now());
            assert_eq!(row.requested_at, now, "{first} is wanted since the request");
        }
    }
}

/// None, false and nothing are the answers for a file that is not there; nothing is written.
pub async fn an_unknown_file_is_told(deployment: &Deployment) {
    let file = CadFileId::generate(&*deployment.clock);
    for kind in TaskKind::ALL {
        let became = deployment.ledger.request(work(file, kind), Request::ASKED);
        assert_eq!(became.await.unwrap(), None, "request of {kind}");
        assert_eq!(
            deployment.try_claim(file, kind).await,
            None,
            "claim of {kind}"
        );
        assert!(!deployment.cancel(file, kind).await, "cancel of {kind}");
    }
    assert_eq!(deployment.rows(file).await, [], "rows of an unknown file");
    assert_eq!(
        deployment.ledger.stats().await.unwrap(),
        [],
        "stats of nothing"
    );
}

/// In the queue: the row stays as old as it is, and takes the higher of the priorities.
pub async fn a_request_is_merged_while_queued(deployment: &Deployment) {
    let file = deployment.add("bracket.step").await;
    let before = deployment.row(file, STEP).await;
    let steps = [
        (Priority::Bulk, Priority::Bulk),
        (Priority::Asked, Priority::Asked),
        (Priority::Bulk, Priority::Asked),
        (Priority::Upload, Priority::Upload),
        (Priority::Asked, Priority::Upload),
    ];
    for (asked, expected) in steps {
        deployment.later(1);
        let request = Request {
            priority: asked,
            ..Request::ASKED
        };
        let became = deployment.request(file, GLB, request).await;
        assert_eq!(
            became,
            Requested::InFlight,
            "a request at {asked:?} while queued"
        );
        let mut row = before.clone();
        row.priority = expected;
        assert_eq!(
            deployment.rows(file).await,
            [(STEP, row)],
            "after {asked:?}"
        );
    }
}

/// While it is made, of the same input: no further run.
pub async fn a_request_is_merged_while_the_same_is_made(deployment: &Deployment) {
    let file = deployment.add_with("bracket.step", &[Make(STEP)]).await;
    let claim = deployment.claim(file, GLB).await;
    let requests = (0..10).map(|_| deployment.request(file, GLB, Request::ASKED));
    assert_eq!(
        join_all(requests).await,
        [Requested::InFlight; 10],
        "while running"
    );
    let published = deployment.publish(&claim).await;
    assert!(
        matches!(
            published,
            Published::Done {
                requeued: false,
                ..
            }
        ),
        "{published:?}"
    );
    let row = deployment.row(file, GLB).await;
    assert_eq!(row.state, RowState::Idle, "I5: no further run");
}

/// While it is made, of another input: exactly one more run, however many requests.
pub async fn a_hundred_requests_during_a_run_give_one_more(deployment: &Deployment) {
    let file = deployment
        .add_with("bracket.step", &[MakeAllFor(GLB)])
        .await;
    let first = deployment.claim(file, USD).await;
    deployment.happen(file, &[Paint("#ff0000")]).await;
    let requests = (0..100).map(|_| deployment.request(file, USD, Request::ASKED));
    assert_eq!(
        join_all(requests).await,
        [Requested::InFlight; 100],
        "while running"
    );
    let published = deployment.publish(&first).await;
    assert!(
        matches!(published, Published::Done { requeued: true, .. }),
        "{published:?}"
    );
    let second = deployment.claim(file, USD).await;
    assert_ne!(
        second.input, first.input,
        "the second run is of the new input"
    );
    let published = deployment.publish(&second).await;
    assert!(
        matches!(
            published,
            Published::Done {
                requeued: false,
                ..
            }
        ),
        "{published:?}"
    );
    let again = deployment.try_claim(file, USD).await;
    assert_eq!(again, None, "I5: 100 requests, one more run");
    assert_eq!(
        deployment.row(file, USD).await.fence.0,
        2,
        "two runs in all"
    );
}

/// Of twenty first requests at once one is queued, and the others merge.
pub async fn requests_at_once_are_queued_once(deployment: &Deployment) {
    let file = deployment
        .add_with("bracket.step", &[Make(STEP), Cancel(GLB)])
        .await;
    let kinds = [GLB, USD, WEB, PNG].into_iter().cycle().take(20);
    let requests = kinds.map(|kind| deployment.request(file, kind, Request::ASKED));
    let mut became = join_all(requests).await;
    became.sort();
    assert_eq!(
        became[0],
        Requested::Queued,
        "one of twenty requests queues it"
    );
    assert_eq!(
        became[1..],
        [Requested::InFlight; 19],
        "the others are merged"
    );
    let states = [(STEP, RowState::Idle), (GLB, RowState::Queued)];
    assert_eq!(deployment.states(file).await, states);
}

/// What is there is told, and nothing changes.
pub async fn what_is_there_is_present(deployment: &Deployment) {
    let story = [MakeAllFor(USD), Make(WEB), Make(PNG)];
    let file = deployment.add_with("bracket.step", &story).await;
    let before = deployment.everything().await;
    for kind in TaskKind::ALL {
        for how in [Request::BULK, Request::ASKED] {
            let became = deployment.request(file, kind, how).await;
            assert_eq!(became, Requested::Present, "{kind} is there");
        }
    }
    assert_eq!(
        deployment.everything().await,
        before,
        "a request for what is there"
    );
}

/// A failure stays one, unless the request says so.
pub async fn what_failed_is_left_alone_unless_asked(deployment: &Deployment) {
    let file = deployment.add_with("bracket.step", &[Fail(STEP)]).await;
    let before = deployment.everything().await;
    let became = deployment.request(file, STEP, Request::BULK).await;
    assert_eq!(became, Requested::Failed, "without `retry_failed`");
    assert_eq!(
        deployment.everything().await,
        before,
        "a failure is left alone"
    );
    let became = deployment.request(file, STEP, Request::ASKED).await;
    assert_eq!(became, Requested::Queued, "with `retry_failed`");
    let row = deployment.row(file, STEP).await;
    assert_eq!(
        row.failure, None,
        "the failure is forgotten when it is asked for again"
    );
    assert_eq!(
        deployment.claim(file, STEP).await.tries,
        0,
        "tries of a new request"
    );
}

/// What is made of something that failed has failed, too; a retry retries that.
pub async fn a_failure_upstream_is_told(deployment: &Deployment) {
    let file = deployment
        .add_with("bracket.step", &[Make(STEP), Fail(GLB)])
        .await;
    let before = deployment.everything().await;
    let became = deployment.request(file, USD, Request::BULK).await;
    assert_eq!(became, Requested::Failed, "its scene failed");
    assert_eq!(
        deployment.everything().await,
        before,
        "failures upstream are left alone"
    );
    let became = deployment.request(file, USD, Request::ASKED).await;
    assert_eq!(became, Requested::Queued, "its scene is tried again");
    let states = [(STEP, RowState::Idle), (GLB, RowState::Queued)];
    assert_eq!(deployment.states(file).await, states);
}

/// The scene is asked for; the medium is chained when that is published, as urgent as it was.
pub async fn a_medium_follows_its_scene_with_its_priority(deployment: &Deployment) {
    let file = deployment
        .add_with("bracket.step", &[Make(STEP), Cancel(GLB)])
        .await;
    let request = Request {
        priority: Priority::Upload,
        ..Request::BULK
    };
    deployment.request(file, USD, request).await;
    let scene = deployment.claim(file, GLB).await;
    let published = deployment.publish(&scene).await;
    let Published::Done {
        requeued: false,
        chained,
        ..
    } = published
    else {
        panic!("the scene is published for good, not {published:?}");
    };
    let expected = [USD, WEB, PNG].map(|kind| (kind, Requested::Queued));
    assert_eq!(
        chained, expected,
        "I7: a published scene asks for what is made of it"
    );
    for kind in [USD, WEB, PNG] {
        let row = deployment.row(file, kind).await;
        assert_eq!(row.state, RowState::Queued, "I7: {kind}");
        assert_eq!(
            row.priority,
            Priority::Upload,
            "{kind} has the priority of its scene"
        );
    }
}

/// A cancelled row is asked for like any that is not there; the old claim stays dead.
pub async fn what_was_cancelled_can_be_asked_for_again(deployment: &Deployment) {
    let file = deployment.add("bracket.step").await;
    let old = deployment.claim(file, STEP).await;
    deployment.happen(file, &[Cancel(STEP)]).await;
    let became = deployment.request(file, STEP, Request::BULK).await;
    assert_eq!(became, Requested::Queued, "after a cancel");
    assert_eq!(
        deployment.publish(&old).await,
        Published::Refused,
        "the old claim is dead"
    );
    let new = deployment.claim(file, STEP).await;
    assert_eq!(
        new.fence.0,
        old.fence.0 + 1,
        "I2: the fence grows over a cancel"
    );
    assert_eq!(
        deployment.publish(&old).await,
        Published::Refused,
        "the old claim is dead"
    );
    let published = deployment.publish(&new).await;
    assert!(matches!(published, Published::Done { .. }), "{published:?}");
}
