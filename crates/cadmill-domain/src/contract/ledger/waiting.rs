//! What is in the queue and is left alone for a while, or runs alone.

use chrono::TimeDelta;

use crate::{
    Blob, CadFileId, Clock as _, NewCadFile,
    contract::deployment::{
        Deployment,
        Do::{Cancel, Delay, Make},
        GLB, STEP, work,
    },
    ledger::{Claim, MAX_CRASHES, Recovery, Request, RowState},
};

/// After two crashes it is in the list of suspects and no longer in that of other work.
pub async fn what_may_be_poison_is_listed_by_itself(deployment: &Deployment) {
    let ledger = &deployment.ledger;
    let suspects = async || ledger.suspects(9).await.unwrap();
    let mut files = Vec::new();
    for name in ["a", "b", "c"] {
        files.push(deployment.add(name).await);
    }
    let poison = [files[1], files[0]];
    let mut expected = Vec::new();
    for file in poison {
        for crashes in 1..MAX_CRASHES {
            let before = suspects().await;
            assert!(!before.contains(&work(file, STEP)), "{crashes} crashes");
            let claim = deployment.claim(file, STEP).await;
            ledger.recover(&claim, Recovery::Ended).await.unwrap();
        }
        expected.push(work(file, STEP));
    }
    // By the time they were asked for.
    expected.reverse();
    assert_eq!(suspects().await, expected, "what died twice");
    assert_eq!(
        ledger.suspects(1).await.unwrap(),
        expected[..1],
        "the first"
    );
    assert_eq!(deployment.next().await, [work(files[2], STEP)], "the rest");
    deployment.happen(files[0], &[Delay(STEP)]).await;
    assert_eq!(suspects().await, expected[1..], "one is not due");
    deployment.happen(files[1], &[Make(STEP)]).await;
    assert_eq!(suspects().await, [], "one was done");
    deployment.later(3600);
    assert_eq!(suspects().await, expected[..1], "it is due again");
    deployment.happen(files[0], &[Cancel(STEP)]).await;
    deployment.request(files[0], STEP, Request::ASKED).await;
    assert_eq!(suspects().await, [], "a new request forgets its crashes");
}

/// What is in the queue waits; all else is not touched.
pub async fn what_is_put_off_is_left_alone_until_then(deployment: &Deployment) {
    let (near, far) = (deployment.add("near").await, deployment.add("far").await);
    let other = deployment.add("other").await;
    let done = deployment
        .add_with("done", &[Make(STEP), Cancel(GLB)])
        .await;
    let running = deployment.add("running").await;
    deployment.claim(running, STEP).await;
    let before = (deployment.rows(done).await, deployment.rows(running).await);
    let until = |seconds| deployment.clock.now() + TimeDelta::seconds(seconds);
    let several = [near, done, running].map(|file| work(file, STEP));
    let ledger = &deployment.ledger;
    ledger.put_off(&several, until(10)).await.unwrap();
    ledger.put_off(&[work(far, STEP)], until(20)).await.unwrap();
    ledger.put_off(&[], until(20)).await.unwrap();
    let after = (deployment.rows(done).await, deployment.rows(running).await);
    assert_eq!(after, before, "what is not in the queue");
    let row = deployment.row(near, STEP).await;
    assert_eq!(
        (row.state, row.not_before),
        (RowState::Queued, Some(until(10)))
    );
    assert_eq!(deployment.next().await, [work(other, STEP)]);
    assert_eq!(deployment.try_claim(near, STEP).await, None, "it waits");
    deployment.later(10);
    let due = [work(near, STEP), work(other, STEP)];
    assert_eq!(deployment.next().await, due, "at its place in the queue");
    deployment.later(10);
    assert_eq!(deployment.next().await.len(), 3);
}

/// Those that wait for the scene of the same bytes are claimed as soon as it is there or has failed;
/// what waits for another reason waits on, unless the scene is there.
pub async fn a_wait_for_the_same_bytes_ends_with_their_claim(deployment: &Deployment) {
    let ledger = &deployment.ledger;
    let later = deployment.clock.now() + TimeDelta::hours(9);
    for how in ["publish", "fail", "hand back"] {
        let copies = copies(deployment, how).await;
        let [first, waiting, failed] = copies;
        let stranger = deployment
            .add_with(&format!("stranger {how}"), &[Make(STEP)])
            .await;
        deployment.happen(failed, &[Delay(GLB)]).await;
        let claim: Claim = deployment.claim(first, GLB).await;
        let put_off = [waiting, stranger].map(|file| work(file, GLB));
        ledger.put_off(&put_off, later).await.unwrap();
        match how {
            "publish" => drop(deployment.publish(&claim).await),
            "fail" => assert!(deployment.fail(&claim, None).await),
            _ => assert!(deployment.hand_back(&claim).await),
        }
        let not_before = async |file| deployment.row(file, GLB).await.not_before;
        assert_eq!(not_before(waiting).await, None, "{how}: it waits no more");
        assert_eq!(
            not_before(stranger).await,
            Some(later),
            "{how}: other bytes"
        );
        let waits_on = not_before(failed).await.is_some();
        assert_eq!(waits_on, how != "publish", "{how}: it has failed by itself");
    }
}

/// Three files with the same bytes, whose scenes are in the queue.
async fn copies(deployment: &Deployment, of: &str) -> [CadFileId; 3] {
    let mut copies = Vec::new();
    for name in ["a", "b", "c"] {
        deployment.later(1);
        let file = NewCadFile {
            name: name.to_owned(),
            source: Blob::of(of.as_bytes()).into(),
        };
        let added = deployment.files.add(file, Some(Request::BULK)).await;
        let id = added.unwrap().id;
        deployment.happen(id, &[Make(STEP)]).await;
        copies.push(id);
    }
    [copies[0], copies[1], copies[2]]
}
