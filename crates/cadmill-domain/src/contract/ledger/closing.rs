//! How claims end without a result.

use chrono::TimeDelta;
use futures_util::future::join_all;

use crate::{
    Clock as _, FailureCode,
    contract::deployment::{
        Deployment,
        Do::{Bytes, Cancel, Claim, Delay, Fail, Make, MakeAllFor, Paint},
        GLB, STEP, USD, failure, plan, work,
    },
    ledger::{MAX_CRASHES, Recovered, Recovery, Request, Requested, RowState},
};

/// The whole row after a failure for good; what was there before stays.
pub async fn a_permanent_failure_is_kept(deployment: &Deployment) {
    let story = [MakeAllFor(USD), Paint("#ff0000")];
    let file = deployment.add_with("bracket.step", &story).await;
    let claim = deployment.claim(file, USD).await;
    let mut expected = deployment.row(file, USD).await;
    assert!(deployment.fail(&claim, None).await, "the claim holds");
    expected.state = RowState::Failed;
    expected.running = None;
    expected.failure = Some(failure());
    assert!(
        expected.asset.is_some(),
        "the master of other materials is there"
    );
    assert_eq!(deployment.row(file, USD).await, expected);
    assert_eq!(
        deployment.try_claim(file, USD).await,
        None,
        "it is set aside"
    );
}

/// It is in the queue, not before its time, and counts as tried.
pub async fn a_transient_failure_waits(deployment: &Deployment) {
    let file = deployment.add("bracket.step").await;
    for tries in 0..3 {
        let claim = deployment.claim(file, STEP).await;
        assert_eq!(claim.tries, tries, "tries before");
        let mut expected = deployment.row(file, STEP).await;
        assert!(deployment.fail(&claim, Some(TimeDelta::seconds(30))).await);
        expected.state = RowState::Queued;
        expected.running = None;
        expected.attempts = tries + 1;
        expected.not_before = Some(deployment.clock.now() + TimeDelta::seconds(30));
        expected.failure = Some(failure());
        assert_eq!(
            deployment.row(file, STEP).await,
            expected,
            "after {tries} tries"
        );
        assert_eq!(deployment.try_claim(file, STEP).await, None, "it waits");
        deployment.later(30);
    }
    deployment.happen(file, &[Make(STEP)]).await;
    let row = deployment.row(file, STEP).await;
    assert_eq!(
        (row.attempts, row.not_before, row.failure),
        (0, None, None),
        "a success"
    );
}

/// Something else was asked for meanwhile, and that has not failed.
pub async fn a_failure_of_what_is_no_longer_wanted_is_no_failure(deployment: &Deployment) {
    for retry_in in [None, Some(TimeDelta::hours(1))] {
        let file = deployment
            .add_with("bracket.step", &[MakeAllFor(GLB)])
            .await;
        let claim = deployment.claim(file, USD).await;
        deployment.happen(file, &[Paint("#ff0000")]).await;
        assert!(deployment.fail(&claim, retry_in).await, "the claim holds");
        let next = deployment.claim(file, USD).await;
        assert_ne!(next.input, claim.input, "what is wanted is made at once");
        assert_eq!(next.tries, 0, "it was not tried before");
        assert_eq!(
            deployment.row(file, USD).await.failure,
            None,
            "it has not failed"
        );
    }
}

/// As if it had not been claimed, but for the fence; what is wanted is looked up anew.
pub async fn a_claim_is_handed_back(deployment: &Deployment) {
    let file = deployment.add_with("bracket.step", &[Delay(STEP)]).await;
    deployment.later(3600);
    let claim = deployment.claim(file, STEP).await;
    let mut expected = deployment.row(file, STEP).await;
    assert!(deployment.hand_back(&claim).await, "the claim holds");
    expected.state = RowState::Queued;
    expected.running = None;
    assert_eq!(
        deployment.rows(file).await,
        [(STEP, expected)],
        "it is in the queue"
    );
    let again = deployment.claim(file, STEP).await;
    assert_eq!(again.tries, claim.tries, "it does not count as tried");
}

/// It cannot be made any more: it is withdrawn, and what it is made of is asked for instead.
pub async fn a_claim_is_handed_back_though_its_scene_is_gone(deployment: &Deployment) {
    let file = deployment
        .add_with("bracket.step", &[MakeAllFor(GLB)])
        .await;
    let claim = deployment.claim(file, USD).await;
    let story = [Bytes("B"), Make(STEP), Cancel(GLB)];
    deployment.happen(file, &story).await;
    assert!(deployment.hand_back(&claim).await, "the claim holds");
    let row = deployment.row(file, USD).await;
    assert_eq!(row.state, RowState::Idle, "it is withdrawn");
    assert_eq!(
        (row.desired, row.running),
        (None, None),
        "nothing is wanted of it"
    );
    let scene = deployment.row(file, GLB).await;
    assert_eq!(
        scene.state,
        RowState::Queued,
        "its scene is asked for instead"
    );
    let wanted = plan().input(GLB, &deployment.file(file).await.subject());
    assert_eq!(scene.desired, Some(wanted), "the scene of the new bytes");
    deployment.happen(file, &[Make(GLB)]).await;
    let master = deployment.claim(file, USD).await;
    let wanted = plan().input(USD, &deployment.file(file).await.subject());
    assert_eq!(master.input, wanted, "the chain brings the master back");
}

/// I6: twice it is tried again, and at once; then it is set aside with its reason.
pub async fn a_third_crash_sets_aside(deployment: &Deployment) {
    let file = deployment.add("bracket.step").await;
    for crashes in 1..MAX_CRASHES {
        let claim = deployment.claim(file, STEP).await;
        let mut expected = deployment.row(file, STEP).await;
        let recovered = deployment
            .ledger
            .recover(&claim, Recovery::Ended)
            .await
            .unwrap();
        assert_eq!(recovered, Recovered::Requeued, "crash {crashes}");
        expected.state = RowState::Queued;
        expected.running = None;
        expected.crashes = crashes;
        assert_eq!(
            deployment.row(file, STEP).await,
            expected,
            "crash {crashes}"
        );
        let again = deployment
            .ledger
            .recover(&claim, Recovery::Ended)
            .await
            .unwrap();
        assert_eq!(again, Recovered::NoLonger, "crash {crashes} is over");
    }
    let claim = deployment.claim(file, STEP).await;
    assert_eq!(claim.tries, MAX_CRASHES - 1, "crashes count as tries");
    let recovered = deployment
        .ledger
        .recover(&claim, Recovery::Ended)
        .await
        .unwrap();
    assert_eq!(recovered, Recovered::SetAside, "the third crash");
    let row = deployment.row(file, STEP).await;
    assert_eq!(row.state, RowState::Failed);
    let code = row.failure.map(|failure| failure.code);
    assert_eq!(code, Some(FailureCode::WorkerCrash), "the reason");
    let became = deployment.request(file, STEP, Request::BULK).await;
    assert_eq!(became, Requested::Failed, "poison is left alone");
    assert_eq!(deployment.next().await, [], "and not tried by itself");
}

/// Ten watchers see the same lost lease.
pub async fn a_crash_is_counted_once(deployment: &Deployment) {
    let file = deployment.add("bracket.step").await;
    let claim = deployment.claim(file, STEP).await;
    let recovered =
        join_all((0..10).map(|_| deployment.ledger.recover(&claim, Recovery::Ended))).await;
    let recovered = recovered.into_iter().map(Result::unwrap);
    let requeued = recovered.filter(|recovered| *recovered == Recovered::Requeued);
    assert_eq!(requeued.count(), 1, "one of ten takes it back");
    assert_eq!(deployment.row(file, STEP).await.crashes, 1, "one crash");
}

/// By a success, by a new request, and by another input.
pub async fn crashes_are_forgotten(deployment: &Deployment) {
    let crash = async |file, kind| {
        let claim = deployment.claim(file, kind).await;
        deployment
            .ledger
            .recover(&claim, Recovery::Ended)
            .await
            .unwrap()
    };
    let file = deployment.add("bracket.step").await;
    for _ in 0..MAX_CRASHES {
        crash(file, STEP).await;
    }
    assert_eq!(deployment.row(file, STEP).await.state, RowState::Failed);
    let became = deployment.request(file, STEP, Request::ASKED).await;
    assert_eq!(became, Requested::Queued, "an explicit request");
    assert_eq!(
        deployment.row(file, STEP).await.crashes,
        0,
        "after an explicit request"
    );
    for _ in 1..MAX_CRASHES {
        assert_eq!(
            crash(file, STEP).await,
            Recovered::Requeued,
            "the count began anew"
        );
    }
    deployment.happen(file, &[Make(STEP)]).await;
    assert_eq!(
        deployment.row(file, STEP).await.crashes,
        0,
        "after a success"
    );

    deployment.happen(file, &[Make(GLB)]).await;
    for color in ["#000001", "#000002", "#000003", "#000004"] {
        let claim = deployment.claim(file, USD).await;
        deployment.happen(file, &[Paint(color)]).await;
        let recovered = deployment
            .ledger
            .recover(&claim, Recovery::Ended)
            .await
            .unwrap();
        assert_eq!(
            recovered,
            Recovered::Requeued,
            "the crash was of another input"
        );
        assert_eq!(
            deployment.row(file, USD).await.crashes,
            0,
            "after another input"
        );
    }
}

/// Out of the queue, or away from its worker; false if there was nothing to cancel.
pub async fn work_is_cancelled(deployment: &Deployment) {
    let cases = [
        ("queued", [].as_slice(), true),
        ("running", &[Claim(STEP)], true),
        ("delayed", &[Delay(STEP)], true),
        ("idle", &[Make(STEP)], false),
        ("failed", &[Fail(STEP)], false),
        ("cancelled", &[Cancel(STEP)], false),
    ];
    for (name, story, expected) in cases {
        let file = deployment.add_with(name, story).await;
        let before = deployment.everything().await;
        let mut row = deployment.row(file, STEP).await;
        let cancelled = deployment.cancel(file, STEP).await;
        assert_eq!(cancelled, expected, "cancel of what is {name}");
        if !expected {
            assert_eq!(deployment.everything().await, before, "vain cancel: {name}");
            continue;
        }
        row.state = RowState::Cancelled;
        row.running = None;
        assert_eq!(
            deployment.row(file, STEP).await,
            row,
            "cancel of what is {name}"
        );
        let next = deployment.next().await;
        assert!(
            !next.contains(&work(file, STEP)),
            "{name} is out of the queue"
        );
        assert_eq!(
            deployment.try_claim(file, STEP).await,
            None,
            "{name} cannot be claimed"
        );
    }
}
