//! What is published, and what follows from it.

use futures_util::future::join_all;

use crate::{
    Clock as _, MediaKind,
    contract::deployment::{
        Deployment,
        Do::{self, Bytes, Fail, Make, MakeAllFor},
        GLB, PNG, STEP, USD, WEB, product, work,
    },
    ledger::{Fence, Published, Recovery, Requested, RowState, TaskOutput},
};

/// The asset is stored as it was made, and the row is closed.
pub async fn a_medium_is_published(deployment: &Deployment) {
    let file = deployment.add_with("bracket.step", &[Make(STEP)]).await;
    let claim = deployment.claim(file, GLB).await;
    let mut row = deployment.row(file, GLB).await;
    deployment.later(9);
    let published = deployment.publish(&claim).await;
    let Published::Done {
        asset: Some(id),
        requeued: false,
        ..
    } = published
    else {
        panic!("a medium is published, not {published:?}");
    };
    let asset = deployment.asset(id).await;
    let TaskOutput::Asset(new) = product(&claim) else {
        unreachable!()
    };
    assert_eq!(asset.id, id);
    assert_eq!(
        (asset.cad_file_id, asset.kind),
        (file, MediaKind::GltfGeometry)
    );
    assert_eq!((asset.blob, &asset.report), (new.blob.blob(), &new.report));
    assert_eq!((&asset.input, asset.fence), (&claim.input, claim.fence));
    assert_eq!(asset.created_at, deployment.clock.now());
    row.state = RowState::Idle;
    row.ready = row.running.take();
    row.asset = Some(id);
    assert_eq!(
        deployment.row(file, GLB).await,
        row,
        "I4: the row is closed with its asset"
    );
    assert_eq!(deployment.try_claim(file, GLB).await, None, "it is done");
}

/// What `process_step_file` found is kept with the file, whose `updated_at` stands.
pub async fn what_was_found_is_published(deployment: &Deployment) {
    let file = deployment.add("bracket.step").await;
    let mut expected = deployment.file(file).await;
    deployment.later(1);
    let claim = deployment.claim(file, STEP).await;
    let TaskOutput::Step(found) = product(&claim) else {
        unreachable!()
    };
    expected.step = Some(*found);
    let published = deployment.publish(&claim).await;
    let chained = vec![(GLB, Requested::Queued)];
    let done = Published::Done {
        asset: None,
        requeued: false,
        chained,
    };
    assert_eq!(
        published, done,
        "the chain: a file that was read asks for its scene"
    );
    assert_eq!(deployment.file(file).await, expected, "what was found");
    let states = [(STEP, RowState::Idle), (GLB, RowState::Queued)];
    assert_eq!(deployment.states(file).await, states);
}

/// A new scene is a new chance for what failed on the old one.
pub async fn a_chain_gives_what_failed_something_new(deployment: &Deployment) {
    let story = [
        MakeAllFor(GLB),
        Fail(USD),
        Make(WEB),
        Bytes("B"),
        Make(STEP),
        Bytes("A"),
        Make(STEP),
    ];
    let file = deployment.add_with("bracket.step", &story).await;
    // The scene of A was there all the time, so what is made of it was asked for again.
    let states = [
        (STEP, RowState::Idle),
        (GLB, RowState::Idle),
        (USD, RowState::Queued),
        (WEB, RowState::Idle),
        (PNG, RowState::Queued),
    ];
    assert_eq!(deployment.states(file).await, states);
}

/// A link of the chain that is there does not end it.
pub async fn a_chain_goes_past_what_is_there(deployment: &Deployment) {
    // The bytes came back before B was milled: its scene is there, but nothing that is made of it.
    let story = [MakeAllFor(GLB), Bytes("B"), Make(STEP), Bytes("A")];
    let file = deployment.add_with("bracket.step", &story).await;
    let claim = deployment.claim(file, STEP).await;
    let published = deployment.publish(&claim).await;
    let Published::Done { chained, .. } = published else {
        panic!("it is published, not {published:?}");
    };
    let expected = [
        (GLB, Requested::Present),
        (USD, Requested::Queued),
        (WEB, Requested::Queued),
        (PNG, Requested::Queued),
    ];
    assert_eq!(
        chained, expected,
        "the USD master is chained though the scene was there"
    );
}

/// I3: whoever lost a claim, in whatever way, can neither publish nor fail nor give it back.
pub async fn a_lost_claim_changes_nothing(deployment: &Deployment) {
    for kind in [STEP, GLB] {
        for lost in [
            "cancel",
            "recover",
            "hand back",
            "fail",
            "publish",
            "claimed again",
            "never",
        ] {
            let story: &[Do] = if kind == STEP { &[] } else { &[Make(STEP)] };
            let file = deployment.add_with(lost, story).await;
            let mut claim = deployment.claim(file, kind).await;
            let ledger = &deployment.ledger;
            match lost {
                "cancel" => assert!(ledger.cancel(work(file, kind)).await.unwrap()),
                "recover" => drop(ledger.recover(&claim, Recovery::Ended).await.unwrap()),
                "hand back" => assert!(deployment.hand_back(&claim).await),
                "fail" => assert!(deployment.fail(&claim, None).await),
                "publish" => drop(deployment.publish(&claim).await),
                "claimed again" => {
                    assert!(deployment.hand_back(&claim).await);
                    deployment.claim(file, kind).await;
                }
                _ => claim.fence = Fence(claim.fence.0 + 1),
            }
            let before = deployment.everything().await;
            let what = format!("I3: {kind}, lost by: {lost}");
            assert_eq!(
                deployment.publish(&claim).await,
                Published::Refused,
                "{what}: publish"
            );
            assert_eq!(deployment.everything().await, before, "{what}: publish");
            assert!(!deployment.fail(&claim, None).await, "{what}: fail");
            assert!(!deployment.hand_back(&claim).await, "{what}: hand back");
            let recovered = ledger.recover(&claim, Recovery::Ended).await.unwrap();
            assert_eq!(
                recovered,
                crate::ledger::Recovered::NoLonger,
                "{what}: recover"
            );
            assert_eq!(deployment.everything().await, before, "{what}");
        }
    }
}

/// One claim is closed once, even if its owner publishes in ten ways at once.
pub async fn ten_publishes_at_once_have_one_winner(deployment: &Deployment) {
    let file = deployment.add_with("bracket.step", &[Make(STEP)]).await;
    let claim = deployment.claim(file, GLB).await;
    let published = join_all((0..10).map(|_| deployment.publish(&claim))).await;
    let refused = published
        .iter()
        .filter(|published| **published == Published::Refused);
    assert_eq!(refused.count(), 9, "{published:?}");
    assert_eq!(
        deployment.assets.of_file(file).await.unwrap().len(),
        1,
        "one asset"
    );
}

/// Published, but what is wanted has changed: it is in the queue again, and nothing is chained.
pub async fn what_changed_meanwhile_is_queued_again(deployment: &Deployment) {
    let file = deployment.add_with("bracket.step", &[Make(STEP)]).await;
    let claim = deployment.claim(file, GLB).await;
    deployment.happen(file, &[Bytes("B"), Make(STEP)]).await;
    deployment.later(1);
    let published = deployment.publish(&claim).await;
    let Published::Done {
        asset: Some(asset),
        requeued: true,
        chained,
    } = published
    else {
        panic!("it is published and queued again, not {published:?}");
    };
    assert_eq!(chained, [], "nothing is made of what is stale");
    assert_eq!(
        deployment.asset(asset).await.input,
        claim.input,
        "it is what was made"
    );
    let row = deployment.row(file, GLB).await;
    assert_eq!(row.state, RowState::Queued);
    assert_eq!(
        (row.ready, row.running),
        (Some(claim.input), None),
        "what is there"
    );
    assert_eq!(
        row.requested_at,
        Some(deployment.clock.now()),
        "it queues anew"
    );
    let rows = [(STEP, RowState::Idle), (GLB, RowState::Queued)];
    assert_eq!(deployment.states(file).await, rows);
}
