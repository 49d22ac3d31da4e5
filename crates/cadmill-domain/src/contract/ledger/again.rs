//! What is there is made again.

use futures_util::future::join_all;

use crate::{
    CadFileId,
    cad_file::FileChange,
    cad_file::MediaState,
    contract::deployment::{
        Deployment,
        Do::{Cancel, Claim, Delay, Fail, Make, MakeAllFor},
        GLB, STEP, USD, bytes_of, work,
    },
    ledger::{Recovery, Request, RequestKey, Requested, RowState},
};

const AGAIN: Request = Request {
    force: true,
    ..Request::ASKED
};

/// The asset stays to be shown until it is replaced.
pub async fn what_is_there_is_made_again(deployment: &Deployment) {
    let file = deployment
        .add_with("bracket.step", &[MakeAllFor(GLB), Make(USD)])
        .await;
    let before = deployment.row(file, GLB).await;
    let scene = deployment.asset(before.asset.unwrap()).await;
    let became = deployment.request(file, GLB, AGAIN).await;
    assert_eq!(became, Requested::Queued);
    let row = deployment.row(file, GLB).await;
    assert_eq!(
        (row.state, row.ready, row.force),
        (RowState::Queued, None, true)
    );
    assert_eq!(row.asset, before.asset, "it stays to be shown");
    for how in [AGAIN, Request::ASKED, Request::BULK] {
        let became = deployment.request(file, GLB, how).await;
        assert_eq!(became, Requested::InFlight, "it is made once");
    }
    let claim = deployment.claim(file, GLB).await;
    assert!(claim.force, "the worker is told");
    let open = deployment.ledger.running().await.unwrap();
    assert_eq!(
        open.as_slice(),
        std::slice::from_ref(&claim),
        "also of the claims that are open"
    );
    assert_eq!(
        deployment.request(file, GLB, AGAIN).await,
        Requested::InFlight
    );
    deployment.publish(&claim).await;
    let row = deployment.row(file, GLB).await;
    assert_eq!((row.state, row.force), (RowState::Idle, false));
    let again = deployment.asset(row.asset.unwrap()).await;
    assert_eq!((again.input, again.fence), (scene.input, claim.fence));
    let usd = deployment.row(file, USD).await;
    assert_eq!(usd.state, RowState::Idle, "what is made of it is the same");
    assert_eq!(
        deployment.request(file, GLB, AGAIN).await,
        Requested::Queued,
        "and again"
    );
}

/// What is not there is asked for, and made once.
pub async fn what_is_made_of_nothing_is_not_made_again(deployment: &Deployment) {
    let file = deployment
        .add_with("bracket.step", &[MakeAllFor(GLB), Make(USD)])
        .await;
    let source = bytes_of("bracket.step", "B");
    let files = &deployment.files;
    files
        .change(file, FileChange::Source(source.into(), Request::BULK), None)
        .await
        .unwrap();
    deployment.make(file, STEP).await;
    assert_eq!(
        deployment.request(file, USD, AGAIN).await,
        Requested::InFlight
    );
    let scene = deployment.claim(file, GLB).await;
    assert!(!scene.force, "the scene is made as ever");
    deployment.publish(&scene).await;
    assert!(
        !deployment.claim(file, USD).await.force,
        "and what follows, too"
    );
}

/// Nor is it made again after that.
pub async fn trouble_ends_what_is_made_again(deployment: &Deployment) {
    let stories = [
        (Cancel(GLB), RowState::Cancelled, false),
        (Fail(GLB), RowState::Failed, false),
        (Delay(GLB), RowState::Queued, true),
    ];
    for (trouble, state, force) in stories {
        let file = deployment
            .add_with("bracket.step", &[MakeAllFor(GLB)])
            .await;
        deployment.request(file, GLB, AGAIN).await;
        deployment.happen(file, &[trouble]).await;
        let row = deployment.row(file, GLB).await;
        assert_eq!((row.state, row.force), (state, force), "{trouble:?}");
        assert!(row.asset.is_some(), "what was there is shown");
    }
    let file = deployment
        .add_with("bracket.step", &[MakeAllFor(GLB)])
        .await;
    deployment.request(file, GLB, AGAIN).await;
    let claim = deployment.claim(file, GLB).await;
    assert!(deployment.hand_back(&claim).await);
    let claim = deployment.claim(file, GLB).await;
    assert!(claim.force, "whoever takes it over makes it");
    for _ in 0..3 {
        let claim = match deployment.ledger.running().await.unwrap().as_slice() {
            [open] => open.clone(),
            _ => deployment.claim(file, GLB).await,
        };
        assert!(claim.force, "a crash is no end");
        deployment
            .ledger
            .recover(&claim, Recovery::Ended)
            .await
            .unwrap();
    }
    let row = deployment.row(file, GLB).await;
    assert_eq!(
        (row.state, row.force),
        (RowState::Failed, false),
        "three are"
    );
}

/// The work that a key was used for is made again once.
pub async fn a_key_makes_again_once(deployment: &Deployment) {
    let story = [MakeAllFor(GLB), Make(USD)];
    let file = deployment.add_with("bracket.step", &story).await;
    let other = deployment.add_with("other.step", &story).await;
    let ledger = &deployment.ledger;
    let once = async |file, kind, request, key: &str| {
        let requested = ledger.request_once(work(file, kind), request, RequestKey::of(key));
        requested.await.unwrap()
    };
    for unforced in [Request::ASKED, Request::BULK] {
        let became = once(file, GLB, unforced, "key").await;
        assert_eq!(became, Some(Requested::Present), "it burns no key");
    }
    assert_eq!(once(file, GLB, AGAIN, "key").await, Some(Requested::Queued));
    assert_eq!(
        once(file, GLB, AGAIN, "key").await,
        Some(Requested::InFlight)
    );
    deployment.make(file, GLB).await;
    assert_eq!(
        once(file, GLB, AGAIN, "key").await,
        Some(Requested::Present)
    );
    assert_eq!(
        once(file, GLB, AGAIN, "KEY").await,
        Some(Requested::Queued),
        "another key"
    );
    deployment.make(file, GLB).await;
    assert_eq!(
        once(file, USD, AGAIN, "key").await,
        Some(Requested::Queued),
        "another kind"
    );
    assert_eq!(
        once(other, GLB, AGAIN, "key").await,
        Some(Requested::Queued),
        "another file"
    );

    deployment
        .clock
        .advance(RequestKey::LIFE - chrono::TimeDelta::seconds(1));
    assert_eq!(
        once(file, GLB, AGAIN, "key").await,
        Some(Requested::Present)
    );
    deployment.later(10);
    assert_eq!(
        once(file, GLB, AGAIN, "key").await,
        Some(Requested::Queued),
        "it is forgotten"
    );
    let unknown = CadFileId::generate(&*deployment.clock);
    assert_eq!(once(unknown, GLB, AGAIN, "key").await, None);
}

/// However many come at once.
pub async fn a_key_at_once_makes_again_once(deployment: &Deployment) {
    let file = deployment
        .add_with("bracket.step", &[MakeAllFor(GLB)])
        .await;
    let key = RequestKey::of("retry");
    let requests = (0..10).map(|_| deployment.ledger.request_once(work(file, GLB), AGAIN, key));
    let mut queued = 0;
    for became in join_all(requests).await {
        match became.unwrap() {
            Some(Requested::Queued) => queued += 1,
            other => assert_eq!(other, Some(Requested::InFlight)),
        }
    }
    assert_eq!(queued, 1);
    let overview = deployment.files.overview(file).await.unwrap().unwrap();
    assert_eq!(overview.media[0].state, MediaState::Queued);
    assert!(overview.media[0].force);
    deployment.happen(file, &[Claim(GLB)]).await;
}
