//! How owners confirm their claims, and which claims are taken back.

use chrono::TimeDelta;

use crate::{
    Clock as _,
    contract::deployment::{
        Deployment,
        Do::{Bytes, Cancel, Make, MakeAllFor, Paint},
        GLB, STEP, USD,
    },
    ledger::{Confirmed, Recovered, Recovery, RowState},
};

const LEASE: TimeDelta = TimeDelta::seconds(30);
const UNCONFIRMED: Recovery = Recovery::Unconfirmed {
    lease: LEASE,
    is_free: true,
};

/// The whole row after a confirmation; a claim that is over confirms nothing.
pub async fn a_claim_is_confirmed_by_its_owner_only(deployment: &Deployment) {
    let file = deployment.add("bracket.step").await;
    let ledger = &deployment.ledger;
    let claim = deployment.claim(file, STEP).await;
    for _ in 0..3 {
        let mut expected = deployment.row(file, STEP).await;
        deployment.later(10);
        expected.confirmed_at = Some(deployment.clock.now());
        assert_eq!(ledger.confirm(&claim).await.unwrap(), Confirmed::Held);
        assert_eq!(deployment.row(file, STEP).await, expected, "confirmed");
    }
    assert!(deployment.hand_back(&claim).await);
    let next = deployment.claim(file, STEP).await;
    deployment.later(10);
    let before = deployment.everything().await;
    assert_eq!(ledger.confirm(&claim).await.unwrap(), Confirmed::Gone);
    let standing = ledger.standing(&[next.clone(), claim, next]).await.unwrap();
    let (held, gone) = (Confirmed::Held, Confirmed::Gone);
    assert_eq!(standing, [held, gone, held], "in the order of the claims");
    assert_eq!(ledger.standing(&[]).await.unwrap(), []);
    assert_eq!(
        deployment.everything().await,
        before,
        "I3: a stale claim confirms nothing, and a look changes nothing"
    );
}

/// Newer bytes, other materials, a cancel and a removal.
pub async fn a_confirmation_says_what_is_no_longer_wanted(deployment: &Deployment) {
    let cases = [
        (
            GLB,
            [Make(STEP)].as_slice(),
            Some(Bytes("B")),
            Confirmed::Superseded,
        ),
        (GLB, &[Make(STEP)], Some(Paint("#ff0000")), Confirmed::Held),
        (GLB, &[Make(STEP)], Some(Cancel(GLB)), Confirmed::Gone),
        (GLB, &[Make(STEP)], None, Confirmed::Gone),
        (
            USD,
            &[MakeAllFor(GLB)],
            Some(Paint("#ff0000")),
            Confirmed::Superseded,
        ),
        (
            USD,
            &[MakeAllFor(GLB)],
            Some(Bytes("B")),
            Confirmed::Superseded,
        ),
        (STEP, &[], Some(Bytes("B")), Confirmed::Superseded),
    ];
    for (kind, story, then, expected) in cases {
        let file = deployment.add_with("bracket.step", story).await;
        let claim = deployment.claim(file, kind).await;
        let what = format!("{kind}: {then:?}");
        let standing = async || {
            let standing = deployment.ledger.standing(std::slice::from_ref(&claim));
            standing.await.unwrap()
        };
        assert_eq!(standing().await, [Confirmed::Held], "{what}");
        match then {
            Some(then) => deployment.happen(file, &[then]).await,
            None => assert!(deployment.files.remove(file).await.unwrap()),
        }
        assert_eq!(standing().await, [expected], "{what}");
        let confirmed = deployment.ledger.confirm(&claim).await.unwrap();
        assert_eq!(confirmed, expected, "{what}");
        if expected == Confirmed::Superseded {
            assert!(deployment.hand_back(&claim).await, "{what}");
            let row = deployment.row(file, kind).await;
            assert_eq!((row.crashes, row.attempts), (0, 0), "{what}");
        }
    }
}

/// A claim is suspected when two renewals were missed, and taken back when the lease is over.
pub async fn only_what_is_unconfirmed_is_recovered(deployment: &Deployment) {
    let file = deployment.add("bracket.step").await;
    let ledger = &deployment.ledger;
    let claim = deployment.claim(file, STEP).await;
    let silent = async || ledger.unconfirmed(LEASE).await.unwrap();
    let recover = async || ledger.recover(&claim, UNCONFIRMED).await.unwrap();
    for confirmations in 0..3 {
        deployment.later(19);
        let before = deployment.everything().await;
        assert_eq!(silent().await, [], "after {confirmations} confirmations");
        assert_eq!(recover().await, Recovered::NotYet);
        assert_eq!(deployment.everything().await, before, "it is confirmed");
        assert_eq!(ledger.confirm(&claim).await.unwrap(), Confirmed::Held);
    }
    deployment.later(20);
    assert_eq!(
        silent().await,
        std::slice::from_ref(&claim),
        "two renewals were missed"
    );
    let mut expected = deployment.row(file, STEP).await;
    let held = Recovery::Unconfirmed {
        lease: LEASE,
        is_free: false,
    };
    let recovered = ledger.recover(&claim, held).await.unwrap();
    assert_eq!(recovered, Recovered::NotYet);
    expected.suspected_at = Some(deployment.clock.now());
    assert_eq!(deployment.row(file, STEP).await, expected, "suspected");
    deployment.later(9);
    assert_eq!(recover().await, Recovered::NotYet);
    assert_eq!(deployment.row(file, STEP).await, expected, "suspected once");
    deployment.later(1);
    let recovered = ledger.recover(&claim, held).await.unwrap();
    assert_eq!(recovered, Recovered::NotYet, "its lock is held");
    assert_eq!(recover().await, Recovered::Requeued, "the lease is over");
    expected.state = RowState::Queued;
    expected.running = None;
    expected.suspected_at = None;
    expected.crashes = 1;
    assert_eq!(deployment.row(file, STEP).await, expected, "a crash");
    assert_eq!(silent().await, [], "it is no claim any more");
    assert_eq!(recover().await, Recovered::NoLonger);
}

/// Every confirmation is old then, even if its owner is at work.
pub async fn after_an_outage_the_owner_confirms_first(deployment: &Deployment) {
    let file = deployment.add("bracket.step").await;
    let ledger = &deployment.ledger;
    let claim = deployment.claim(file, STEP).await;
    let recover = async || ledger.recover(&claim, UNCONFIRMED).await.unwrap();
    deployment.later(3600);
    assert_eq!(recover().await, Recovered::NotYet, "it is only suspected");
    deployment.later(9);
    assert_eq!(recover().await, Recovered::NotYet, "its owner has time");
    assert_eq!(ledger.confirm(&claim).await.unwrap(), Confirmed::Held);
    deployment.later(1);
    assert_eq!(recover().await, Recovered::NotYet, "it has used it");
    assert_eq!(deployment.row(file, STEP).await.suspected_at, None);

    deployment.later(3600);
    assert_eq!(recover().await, Recovered::NotYet, "it is suspected again");
    deployment.later(10);
    assert_eq!(recover().await, Recovered::Requeued, "it is gone");
    assert_eq!(deployment.row(file, STEP).await.crashes, 1);
}
