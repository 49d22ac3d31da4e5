//! Media that are there already.

use crate::{
    Clock as _, MediaAssetId, MediaKind, NewMediaAsset,
    cad_file::FileChange,
    contract::deployment::{
        Deployment,
        Do::{Make, MakeAllFor, Paint},
        GLB, PNG, STEP, USD, WEB, product, report,
    },
    ledger::{Published, Request, Requested, RowState, TaskOutput},
};

/// Two files with the same bytes: the second gets an asset of its own, with the blob of the first.
pub async fn a_cached_medium_of_another_file_gives_an_asset_of_its_own(deployment: &Deployment) {
    let first = deployment.add_with("bracket.step", &[Make(STEP)]).await;
    let found = deployment
        .make(first, GLB)
        .await
        .expect("a medium has an asset");
    let found = deployment.asset(found).await;
    let second = deployment.add_with("bracket.step", &[Make(STEP)]).await;
    deployment.later(1);
    let claim = deployment.claim(second, GLB).await;
    assert_eq!(
        claim.input, found.input,
        "the same bytes are the same input"
    );
    let same = deployment
        .assets
        .made_of(MediaKind::GltfGeometry, &claim.input)
        .await;
    assert_eq!(
        same.unwrap().as_ref(),
        Some(&found),
        "it is found by its input"
    );
    let published = deployment
        .ledger
        .publish(&claim, TaskOutput::Cached(found.id))
        .await
        .unwrap();
    let Published::Done {
        asset: Some(own),
        requeued: false,
        chained,
    } = published
    else {
        panic!("a cached medium is published, not {published:?}");
    };
    let expected = [USD, WEB, PNG].map(|kind| (kind, Requested::Queued));
    assert_eq!(chained, expected, "a cache hit goes on with the chain");
    let mut expected = found.clone();
    (expected.id, expected.cad_file_id, expected.fence) = (own, second, claim.fence);
    expected.created_at = deployment.clock.now();
    assert_ne!(own, found.id, "each file has an asset of its own");
    assert_eq!(
        deployment.asset(own).await,
        expected,
        "the asset of the second file"
    );
    assert_eq!(deployment.asset(found.id).await, found, "that of the first");
    assert_eq!(deployment.row(second, GLB).await.asset, Some(own));
}

/// An asset of the same file and input is that asset.
pub async fn a_cached_medium_of_its_own_stays(deployment: &Deployment) {
    let story = [MakeAllFor(USD), Paint("#ff0000"), Make(USD)];
    let file = deployment.add_with("bracket.step", &story).await;
    let restored = deployment.files.change(
        file,
        FileChange::PartMaterials(crate::MaterialMap::new()),
        None,
    );
    restored.await.unwrap();
    let claim = deployment.claim(file, USD).await;
    let before = deployment.assets.of_file(file).await.unwrap();
    let found = deployment
        .assets
        .made_of(MediaKind::UsdMaster, &claim.input)
        .await;
    let found = found.unwrap().expect("the first master is still there").id;
    let published = deployment
        .ledger
        .publish(&claim, TaskOutput::Cached(found))
        .await
        .unwrap();
    let done = Published::Done {
        asset: Some(found),
        requeued: false,
        chained: Vec::new(),
    };
    assert_eq!(published, done);
    assert_eq!(
        deployment.assets.of_file(file).await.unwrap(),
        before,
        "no asset is added"
    );
    let row = deployment.row(file, USD).await;
    assert_eq!((row.state, row.asset), (RowState::Idle, Some(found)), "I4");
}

/// A medium that is not there, or was made of something else, cannot be published.
pub async fn an_unknown_cached_medium_changes_nothing(deployment: &Deployment) {
    let other = deployment.add_with("other.step", &[MakeAllFor(GLB)]).await;
    let other = deployment.row(other, GLB).await.asset;
    let unknown = MediaAssetId::generate(&*deployment.clock);
    let file = deployment.add_with("bracket.step", &[Make(STEP)]).await;
    let claim = deployment.claim(file, GLB).await;
    let before = deployment.everything().await;
    for asset in [unknown, other.expect("a medium has an asset")] {
        let product = TaskOutput::Cached(asset);
        let published = deployment.ledger.publish(&claim, product).await;
        assert!(published.is_err(), "it cannot be published: {published:?}");
        assert_eq!(deployment.everything().await, before, "nothing was");
    }
    let published = deployment.publish(&claim).await;
    let done = matches!(published, Published::Done { .. });
    assert!(done, "the claim still holds: {published:?}");
}

/// One asset per file, kind and input, which keeps its id for as long as it has the same bytes: what
/// was downloaded under an id is never something else.
pub async fn the_same_input_again_replaces_its_asset(deployment: &Deployment) {
    let file = deployment
        .add_with("bracket.step", &[MakeAllFor(GLB)])
        .await;
    let red = deployment.make(file, USD).await;
    deployment
        .happen(file, &[Paint("#0000ff"), Make(USD)])
        .await;
    let unpainted = deployment.files.change(
        file,
        FileChange::PartMaterials(crate::MaterialMap::new()),
        None,
    );
    unpainted.await.unwrap();
    deployment.later(1);
    let claim = deployment.claim(file, USD).await;
    let published = deployment.publish(&claim).await;
    let Published::Done {
        asset: Some(other), ..
    } = published
    else {
        panic!("it is not published: {published:?}");
    };
    let red = red.expect("a medium has an asset");
    assert_ne!(other, red, "other bytes have another id");
    assert_eq!(deployment.assets.get(red).await.unwrap(), None, "the older");
    let assets = deployment.assets.of_file(file).await.unwrap();
    let of_input = assets.iter().filter(|asset| asset.input == claim.input);
    let of_input: Vec<_> = of_input.collect();
    let TaskOutput::Asset(new) = product(&claim) else {
        unreachable!()
    };
    assert_eq!(
        of_input.len(),
        1,
        "one asset per file, kind and input: {of_input:?}"
    );
    assert_eq!(
        (of_input[0].blob, of_input[0].fence),
        (new.blob.blob(), claim.fence),
        "the newer"
    );
    assert_eq!(of_input[0].report, new.report, "the newer");
    assert_eq!(assets.len(), 3, "the scene and two masters");
    assert_eq!(deployment.row(file, USD).await.asset, Some(other));

    deployment.later(1);
    let again = Request {
        force: true,
        ..Request::ASKED
    };
    deployment.request(file, USD, again).await;
    let claim = deployment.claim(file, USD).await;
    let newest = report("newest");
    let same = NewMediaAsset {
        blob: new.blob,
        report: newest.clone(),
    };
    let same = deployment.ledger.publish(&claim, TaskOutput::Asset(same));
    let done = Published::Done {
        asset: Some(other),
        requeued: false,
        chained: Vec::new(),
    };
    assert_eq!(same.await.unwrap(), done, "the same bytes keep their id");
    let asset = deployment.asset(other).await;
    assert_eq!(
        (asset.blob, asset.fence, asset.report),
        (new.blob.blob(), claim.fence, newest),
        "the newest"
    );
    assert_eq!(deployment.row(file, USD).await.asset, Some(other));
}
