//! The order of the queue: turns, ages and lanes.

use crate::{
    AccessTokenId, CadFileId, TaskKind,
    contract::deployment::{
        Deployment, Do,
        Do::{Cancel, Delay, Make, MakeAllFor},
        GLB, PNG, STEP, USD, WEB, work,
    },
    ledger::{Lane, MissingRequest, Priority, Request, Requester, Turns, WorkQuery},
};

/// Requester number `number`; they sort by number.
fn requester(number: u128) -> Requester {
    Requester::of_token(AccessTokenId::from_uuid(uuid::Uuid::from_u128(
        (0x019a << 112) | number,
    )))
}

impl Deployment {
    /// A file whose `kind` is asked for now.
    async fn asked(&self, story: &[Do], kind: TaskKind, request: Request) -> CadFileId {
        let file = self.add_with("bracket.step", story).await;
        self.request(file, kind, request).await;
        file
    }
}

/// Within a priority each requester has its first piece of work done before any has its second, and
/// a round begins behind the requester that had the last turn.
pub async fn requesters_take_turns(deployment: &Deployment) {
    let mut of = [Vec::new(), Vec::new(), Vec::new()];
    for (number, count) in [(2, 4), (0, 3), (1, 1)] {
        for _ in 0..count {
            deployment.later(1);
            let request = Request {
                requester: requester(number as u128),
                ..Request::BULK
            };
            let file = deployment.asked(&[Cancel(STEP)], STEP, request).await;
            of[number].push(work(file, STEP));
        }
    }
    let [a, b, c] = of;
    let expected = [a[0], b[0], c[0], a[1], c[1], a[2], c[2], c[3]];
    assert_eq!(deployment.next().await, expected);
    for limit in 0..expected.len() {
        let next = deployment.next_of(&WorkQuery::first(limit)).await;
        assert_eq!(next, expected[..limit], "the first {limit}");
    }
    // One at a time they come in the same order.
    let mut query = WorkQuery::first(1);
    for expected in expected {
        let next = deployment.ledger.next(&query).await.unwrap();
        assert_eq!(next[0].work, expected, "after {:?}", query.turns);
        query.turns.took(&next[0]);
        deployment
            .happen(expected.cad_file_id, &[Cancel(STEP)])
            .await;
    }
    assert_eq!(deployment.next().await, []);
}

/// A turn at one priority changes nothing of those at another.
pub async fn a_turn_is_taken_at_each_priority(deployment: &Deployment) {
    let mut expected = Vec::new();
    for priority in [Priority::Bulk, Priority::Upload] {
        for number in [1, 2] {
            let request = Request {
                priority,
                requester: requester(number),
                ..Request::BULK
            };
            let file = deployment.asked(&[Cancel(STEP)], STEP, request).await;
            expected.push(work(file, STEP));
        }
    }
    let [bulk_1, bulk_2, upload_1, upload_2] = expected[..] else {
        unreachable!("four were asked for");
    };
    let first = deployment.ledger.next(&WorkQuery::first(9)).await.unwrap();
    let works: Vec<_> = first.iter().map(|queued| queued.work).collect();
    assert_eq!(works, [upload_1, upload_2, bulk_1, bulk_2]);
    let mut query = WorkQuery::first(9);
    query.turns.took(&first[0]);
    let next = deployment.next_of(&query).await;
    assert_eq!(next, [upload_2, upload_1, bulk_1, bulk_2]);
    query.turns.took(&first[3]);
    let next = deployment.next_of(&query).await;
    assert_eq!(next, [upload_2, upload_1, bulk_1, bulk_2]);
    query.turns.took(&first[2]);
    let next = deployment.next_of(&query).await;
    assert_eq!(next, [upload_2, upload_1, bulk_2, bulk_1]);
}

/// What follows from a scene goes before the scenes that were asked for together with it.
pub async fn a_file_is_finished_before_the_next_is_begun(deployment: &Deployment) {
    let mut files = Vec::new();
    for _ in 0..3 {
        let story = [Make(STEP), Cancel(GLB)];
        files.push(deployment.add_with("bracket.step", &story).await);
    }
    deployment.later(1);
    let queued = deployment.request_missing(&MissingRequest::of(GLB)).await;
    assert_eq!(queued.queued, 3);
    deployment.later(1);
    let scene = deployment.claim(files[0], GLB).await;
    deployment.publish(&scene).await;
    let next = deployment.next().await;
    let [first, second, third] = files[..] else {
        unreachable!("three were added");
    };
    let mut expected = vec![work(first, USD), work(first, WEB), work(first, PNG)];
    expected.extend([work(second, GLB), work(third, GLB)]);
    assert_eq!(next, expected);
}

/// Each lane has a limit of its own.
pub async fn what_is_read_does_not_wait_for_what_is_made(deployment: &Deployment) {
    let read = deployment.asked(&[], STEP, Request::BULK).await;
    let mut made = Vec::new();
    for _ in 0..3 {
        let request = Request {
            priority: Priority::Upload,
            ..Request::BULK
        };
        made.push(deployment.asked(&[Make(STEP)], GLB, request).await);
    }
    let look = async |reads, makes| {
        let turns = Turns::default();
        let query = WorkQuery {
            reads,
            makes,
            turns,
        };
        deployment.next_of(&query).await
    };
    assert_eq!(look(9, 0).await, [work(read, STEP)]);
    assert_eq!(look(0, 1).await, [work(made[0], GLB)]);
    let expected = [work(read, STEP), work(made[0], GLB), work(made[1], GLB)];
    assert_eq!(look(1, 2).await, expected);
    assert_eq!(look(0, 0).await, []);
}

/// It has the place of its age among what its requester waits for.
pub async fn a_retry_that_is_due_takes_its_turn(deployment: &Deployment) {
    let by = |number| Request {
        requester: requester(number),
        ..Request::BULK
    };
    let story = [Cancel(STEP)];
    let old = deployment.asked(&story, STEP, by(2)).await;
    deployment.happen(old, &[Delay(STEP)]).await;
    let lonely = deployment.asked(&story, STEP, by(3)).await;
    deployment.happen(lonely, &[Delay(STEP)]).await;
    deployment.later(1);
    let young = deployment.asked(&story, STEP, by(2)).await;
    let other = deployment.asked(&story, STEP, by(1)).await;
    let [old, lonely, young, other] = [old, lonely, young, other].map(|file| work(file, STEP));
    assert_eq!(deployment.next().await, [other, young]);
    deployment.later(3600);
    assert_eq!(deployment.next().await, [other, old, lonely, young]);
    let next = deployment.next_of(&WorkQuery::first(2)).await;
    assert_eq!(next, [other, old]);
}

/// And its priority and its age.
pub async fn what_follows_has_the_requester_of_what_it_follows(deployment: &Deployment) {
    let request = Request {
        priority: Priority::Asked,
        requester: requester(7),
        ..Request::BULK
    };
    let file = deployment.asked(&[Cancel(STEP)], STEP, request).await;
    let asked = deployment.row(file, STEP).await;
    deployment.later(5);
    deployment.happen(file, &[MakeAllFor(GLB)]).await;
    for kind in [GLB, USD, WEB, PNG] {
        let row = deployment.row(file, kind).await;
        let inherited = (row.priority, row.requester, row.requested_at);
        let expected = (asked.priority, asked.requester, asked.requested_at);
        assert_eq!(inherited, expected, "{kind}");
    }
    let next = deployment.ledger.next(&WorkQuery::first(1)).await.unwrap();
    assert_eq!(next[0].requester, requester(7));
    assert_eq!(next[0].priority, Priority::Asked);
    assert_eq!(Lane::of(next[0].work.kind), Lane::Make);
}

/// A request that is no more urgent leaves the requester; one that is, takes it over. Bulk requests
/// name theirs, too.
pub async fn work_is_done_for_the_most_urgent_requester(deployment: &Deployment) {
    let file = deployment.add_with("bracket.step", &[Cancel(STEP)]).await;
    let bulk = MissingRequest {
        requester: requester(1),
        ..MissingRequest::of(STEP)
    };
    deployment.add_with("ready", &[MakeAllFor(GLB)]).await;
    assert_eq!(deployment.request_missing(&bulk).await.queued, 1);
    assert_eq!(deployment.row(file, STEP).await.requester, requester(1));
    for (number, priority, expected) in [
        (2, Priority::Bulk, 1),
        (3, Priority::Asked, 3),
        (4, Priority::Asked, 3),
        (5, Priority::Bulk, 3),
        (6, Priority::Upload, 6),
    ] {
        let request = Request {
            priority,
            requester: requester(number),
            ..Request::BULK
        };
        deployment.request(file, STEP, request).await;
        let row = deployment.row(file, STEP).await;
        assert_eq!(row.requester, requester(expected), "asked by {number}");
    }
    // A file of which nothing was asked yet.
    let new = deployment.add_quietly("new.step").await;
    assert_eq!(deployment.request_missing(&bulk).await.queued, 1);
    assert_eq!(deployment.row(new, STEP).await.requester, requester(1));
}
