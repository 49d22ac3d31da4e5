//! Bytes that are lost.

use crate::{
    Blob, CadFileId, FailureCode, MediaAsset, NewCadFile, TaskKind,
    blobs::BlobLoss,
    cad_file::FileChange,
    contract::deployment::{
        Deployment,
        Do::{self, Bytes, Cancel, Claim, Fail, Make, MakeAllFor, Paint},
        GLB, PNG, STEP, USD, WEB, bytes_of,
    },
    ledger::{Request, Requested, RowState, WorkerName},
    pipeline_log::StepEvent,
};

const NONE: BlobLoss = BlobLoss {
    media: 0,
    sources: 0,
};

/// It is made again, and no other file gets its bytes; what is made of it stays.
pub async fn a_medium_whose_bytes_are_lost_is_made_again(deployment: &Deployment) {
    let file = deployment
        .add_with(
            "a.step",
            &[MakeAllFor(GLB), Make(USD), Make(WEB), Make(PNG)],
        )
        .await;
    let scene = shown(deployment, file, GLB).await;
    let before = deployment.row(file, USD).await;
    let loss = lose(deployment, &scene.blob).await;
    assert_eq!(loss, BlobLoss { media: 1, ..NONE });

    let row = deployment.row(file, GLB).await;
    assert_eq!(
        (row.state, row.asset, row.ready),
        (RowState::Queued, None, None)
    );
    let found = deployment.assets.get(scene.id).await.unwrap();
    assert_eq!(found, None, "the asset is gone");
    let found = deployment.assets.made_of(scene.kind, &scene.input).await;
    assert_eq!(found.unwrap(), None, "no other file gets it");
    assert_eq!(
        deployment.row(file, USD).await,
        before,
        "what is there stays"
    );
    assert_eq!(deployment.next().await.len(), 1, "nothing else is made");

    let everything = deployment.everything().await;
    assert_eq!(lose(deployment, &scene.blob).await, NONE, "only once");
    assert_eq!(deployment.everything().await, everything);

    deployment.make(file, GLB).await.unwrap();
    assert_eq!(deployment.row(file, USD).await, before);
    assert_eq!(deployment.next().await, [], "all is there again");
}

/// Of every file that shows them, current or not.
pub async fn lost_bytes_are_lost_for_every_file(deployment: &Deployment) {
    let first = deployment.add_with("a.step", &[MakeAllFor(GLB)]).await;
    let twin = deployment.add_with("b.step", &[Make(STEP)]).await;
    let source = deployment.file(first).await.source;
    let replaced =
        deployment
            .files
            .change(twin, FileChange::Source(source.into(), Request::BULK), None);
    replaced.await.unwrap();
    deployment.happen(twin, &[Make(STEP)]).await;
    let scene = shown(deployment, first, GLB).await;
    let claim = deployment.claim(twin, GLB).await;
    let cached = crate::ledger::TaskOutput::Cached(scene.id);
    deployment.ledger.publish(&claim, cached).await.unwrap();
    let other = deployment.add_with("c.step", &[MakeAllFor(GLB)]).await;
    let others = deployment.row(other, GLB).await;

    let loss = lose(deployment, &scene.blob).await;
    assert_eq!(loss, BlobLoss { media: 2, ..NONE });
    for file in [first, twin] {
        let row = deployment.row(file, GLB).await;
        assert_eq!((row.state, row.asset), (RowState::Queued, None));
        assert_eq!(deployment.assets.of_file(file).await.unwrap(), []);
    }
    assert_eq!(
        deployment.row(other, GLB).await,
        others,
        "it has other bytes"
    );
}

/// What is under way goes on, what has failed or was cancelled is left alone, and what waits for the lost
/// scene waits for the next one.
pub async fn a_loss_leaves_each_row_in_a_right_state(deployment: &Deployment) {
    // After the scene and a master; how the row of the master is in the end.
    let stale = [Paint("#0000ff")];
    let cases: [(&str, &[Do], RowState); 6] = [
        ("idle", &[], RowState::Queued),
        ("queued", &stale, RowState::Queued),
        (
            "running",
            &[Paint("#0000ff"), Claim(USD)],
            RowState::Running,
        ),
        ("failed", &[Paint("#0000ff"), Fail(USD)], RowState::Failed),
        (
            "cancelled",
            &[Paint("#0000ff"), Cancel(USD)],
            RowState::Cancelled,
        ),
        (
            "scene being read",
            &[Bytes("B"), Make(STEP), Claim(GLB)],
            RowState::Idle,
        ),
    ];
    for (name, story, expected) in cases {
        let file = deployment
            .add_with(name, &[MakeAllFor(GLB), Make(USD)])
            .await;
        let master = shown(deployment, file, USD).await;
        deployment.happen(file, story).await;
        let fence = deployment.row(file, USD).await.fence;
        let loss = lose(deployment, &master.blob).await;
        assert_eq!(loss.media, 1, "{name}");
        let row = deployment.row(file, USD).await;
        assert_eq!(row.state, expected, "{name}");
        assert_eq!((row.asset, row.ready), (None, None), "{name}");
        assert_eq!(row.fence, fence, "{name}");
    }

    // The master waits for its scene, which is lost.
    let file = deployment.add_with("waits", &[MakeAllFor(GLB)]).await;
    let scene = shown(deployment, file, GLB).await;
    let running = deployment.claim(file, WEB).await;
    lose(deployment, &scene.blob).await;
    for (kind, state) in [
        (GLB, RowState::Queued),
        (USD, RowState::Idle),
        (WEB, RowState::Running),
        (PNG, RowState::Idle),
    ] {
        assert_eq!(deployment.row(file, kind).await.state, state, "{kind}");
    }
    let back = crate::ledger::HandBack::Outdated;
    assert!(deployment.ledger.hand_back(&running, back).await.unwrap());
    assert_eq!(deployment.row(file, WEB).await.state, RowState::Idle);
    deployment.make(file, GLB).await.unwrap();
    for kind in [USD, WEB, PNG] {
        deployment.make(file, kind).await.unwrap();
    }
}

/// Its file is failed for good, and says so once; media that are there stay. The same bytes heal it,
/// under any name, and so does a request.
pub async fn a_lost_source_is_failed_until_it_comes_again(deployment: &Deployment) {
    let finder = WorkerName::new("verify");
    for (name, story) in [
        ("read.step", [Make(STEP)].as_slice()),
        ("made.step", &[MakeAllFor(GLB), Make(USD)]),
        ("new.step", &[]),
    ] {
        let file = deployment.add_with(name, story).await;
        let source = deployment.file(file).await.source;
        let loss = deployment.ledger.blob_lost(source.sha256, &finder).await;
        assert_eq!(loss.unwrap(), BlobLoss { sources: 1, ..NONE }, "{name}");
        let row = deployment.row(file, STEP).await;
        assert_eq!((row.state, row.ready), (RowState::Failed, None), "{name}");
        let failure = row.failure.unwrap();
        assert_eq!(failure.code, FailureCode::SourceLost, "{name}");
        let timeline = deployment.log.timeline(file).await.unwrap();
        let event = &timeline.last().unwrap().event;
        assert_eq!(
            (event.event, event.fence, &event.worker),
            (StepEvent::StepFailed, None, &finder)
        );
        assert_eq!(event.result["code"], "source_lost");
        assert_eq!(event.result["remedy"], failure.code.remedy());

        lose(deployment, &source).await;
        let again = deployment.log.timeline(file).await.unwrap();
        assert_eq!(again, timeline, "it is said once");
        let made = story.len() > 1;
        let row = deployment.row(file, GLB).await;
        assert_eq!(row.state, RowState::Idle, "nothing waits for the source");
        assert_eq!(row.asset.is_some(), made, "what was made stays");
        let became = deployment.request(file, STEP, Request::BULK).await;
        assert_eq!(became, Requested::Failed, "it is left alone");
        if made {
            let became = deployment.request(file, USD, Request::BULK).await;
            assert_eq!(became, Requested::Present);
        }

        let twin = NewCadFile {
            name: "twin.step".to_owned(),
            source: source.into(),
        };
        deployment.files.add(twin, None).await.unwrap();
        let row = deployment.row(file, STEP).await;
        assert_eq!((row.state, row.failure), (RowState::Queued, None), "{name}");
        deployment.make(file, STEP).await;
        if !made {
            deployment.make(file, GLB).await.unwrap();
        }
    }

    let file = deployment.add_with("put.step", &[Make(STEP)]).await;
    let source = deployment.file(file).await.source;
    lose(deployment, &source).await;
    let replaced =
        deployment
            .files
            .change(file, FileChange::Source(source.into(), Request::BULK), None);
    replaced.await.unwrap();
    let row = deployment.row(file, STEP).await;
    assert_eq!(row.state, RowState::Queued, "the same bytes in its place");
    let claim = deployment.claim(file, STEP).await;
    lose(deployment, &source).await;
    let row = deployment.row(file, STEP).await;
    assert_eq!(row.state, RowState::Running, "its worker closes the claim");
    deployment.publish(&claim).await;
    assert_eq!(deployment.row(file, GLB).await.state, RowState::Queued);
}

/// What is referred to, page by page in the order of the hashes.
pub async fn blobs_are_listed_page_by_page(deployment: &Deployment) {
    let assets = &deployment.assets;
    assert_eq!(assets.blobs(None, 10).await.unwrap(), []);
    let first = deployment
        .add_with("a.step", &[MakeAllFor(GLB), Make(USD)])
        .await;
    let second = deployment.add("b.step").await;
    let source = bytes_of("a.step", "A").into();
    let same = deployment
        .files
        .change(second, FileChange::Source(source, Request::BULK), None);
    same.await.unwrap();
    deployment.add("c.step").await;
    let mut expected: Vec<Blob> = vec![bytes_of("a.step", "A"), bytes_of("c.step", "A")];
    for kind in [GLB, USD] {
        expected.push(shown(deployment, first, kind).await.blob);
    }
    expected.sort_by_key(|blob| blob.sha256);
    for limit in [1, 2, 10] {
        let (mut found, mut after) = (Vec::<Blob>::new(), None);
        loop {
            let page = assets.blobs(after, limit).await.unwrap();
            assert!(page.len() <= limit);
            let Some(last) = page.last() else { break };
            after = Some(last.sha256);
            found.extend(page);
        }
        assert_eq!(found, expected, "pages of {limit}");
    }
}

async fn lose(deployment: &Deployment, blob: &Blob) -> BlobLoss {
    let finder = WorkerName::new("finder");
    let loss = deployment.ledger.blob_lost(blob.sha256, &finder).await;
    loss.unwrap()
}

/// The asset that a row shows.
async fn shown(deployment: &Deployment, file: CadFileId, kind: TaskKind) -> MediaAsset {
    let asset = deployment.row(file, kind).await.asset;
    deployment.asset(asset.expect("it is made")).await
}
