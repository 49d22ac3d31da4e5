//! What every [`MediaAssets`](crate::MediaAssets) must do.

use crate::{
    Blob, CadFileId, ContentHash, MediaAsset, MediaAssetId, MediaKind,
    contract::deployment::{
        Deployment,
        Do::{Bytes, Make, MakeAllFor, Paint},
        GLB, PNG, STEP, USD, WEB, bytes_of,
    },
};

suite! { $ media_assets, media_assets_contract:
    what_is_not_there_is_none
    an_asset_is_found_by_what_it_was_made_of
    the_assets_of_a_file_are_told_newest_first
    orphans_are_what_nothing_refers_to
    orphans_are_found_among_very_many
}

/// None, or nothing.
pub async fn what_is_not_there_is_none(deployment: &Deployment) {
    let id = MediaAssetId::generate(&*deployment.clock);
    assert_eq!(deployment.assets.get(id).await.unwrap(), None, "get");
    let file = CadFileId::generate(&*deployment.clock);
    assert_eq!(
        deployment.assets.of_file(file).await.unwrap(),
        [],
        "of_file"
    );
    assert_eq!(
        deployment.assets.orphans(Vec::new()).await.unwrap(),
        [],
        "orphans"
    );
}

/// By kind and input together, of whatever file, current or not.
pub async fn an_asset_is_found_by_what_it_was_made_of(deployment: &Deployment) {
    let story = [
        MakeAllFor(USD),
        Make(WEB),
        Make(PNG),
        Paint("#ff0000"),
        Make(USD),
    ];
    let file = deployment.add_with("bracket.step", &story).await;
    deployment.add_with("other.step", &story).await;
    let assets = deployment.assets.of_file(file).await.unwrap();
    assert_eq!(
        assets.len(),
        5,
        "a scene, a copy, a picture, two masters: {assets:?}"
    );
    for asset in &assets {
        assert_eq!(deployment.asset(asset.id).await, *asset, "get");
        for kind in MediaKind::ALL {
            let found = deployment.assets.made_of(kind, &asset.input).await.unwrap();
            let expected = (kind == asset.kind).then_some(asset);
            assert_eq!(found.as_ref(), expected, "{kind} of {}", asset.input);
        }
    }
}

/// All of them, and none of another file.
pub async fn the_assets_of_a_file_are_told_newest_first(deployment: &Deployment) {
    let file = deployment.add_with("bracket.step", &[Make(STEP)]).await;
    deployment
        .add_with("bracket.step", &[MakeAllFor(USD)])
        .await;
    let mut expected = Vec::new();
    for kind in [GLB, WEB, USD, PNG] {
        deployment.later(1);
        expected.insert(
            0,
            deployment
                .make(file, kind)
                .await
                .expect("a medium has an asset"),
        );
    }
    let found = deployment.assets.of_file(file).await.unwrap();
    let found: Vec<_> = found.iter().map(|asset| asset.id).collect();
    assert_eq!(found, expected, "the newest first");
}

/// Sources and media are no orphans, be they stale; what was replaced is one.
pub async fn orphans_are_what_nothing_refers_to(deployment: &Deployment) {
    let file = deployment
        .add_with("bracket.step", &[MakeAllFor(GLB)])
        .await;
    let first = deployment
        .make(file, USD)
        .await
        .expect("a medium has an asset");
    let first = deployment.asset(first).await;
    deployment
        .happen(file, &[Paint("#ff0000"), Make(USD)])
        .await;
    let known = async || {
        let media = deployment.assets.of_file(file).await.unwrap();
        let media = media.iter().map(|asset: &MediaAsset| asset.blob.sha256);
        let source = deployment.file(file).await.source.sha256;
        media.chain([source]).collect::<Vec<_>>()
    };
    let orphans = async |blobs: &[ContentHash]| {
        let mut orphans = deployment.assets.orphans(blobs.to_vec()).await.unwrap();
        orphans.sort();
        orphans
    };
    let before = known().await;
    assert_eq!(before.len(), 4, "a scene, two masters and the source");
    assert_eq!(orphans(&before).await, [], "what is referred to");
    let mut strangers = [Blob::of(b"").sha256, Blob::of(b"stranger").sha256];
    strangers.sort();
    let all = [&before[..2], &strangers, &before[2..]].concat();
    assert_eq!(orphans(&all).await, strangers, "what nothing refers to");

    // The first materials again, made anew; and other bytes.
    let unpainted = deployment
        .files
        .save_part_materials(file, crate::MaterialMap::new(), None);
    unpainted.await.unwrap();
    deployment.happen(file, &[Make(USD), Bytes("B")]).await;
    let mut expected = [first.blob.sha256, bytes_of("bracket.step", "A").sha256];
    expected.sort();
    assert_eq!(orphans(&before).await, expected, "what was replaced");
    assert_eq!(orphans(&known().await).await, [], "what has replaced it");
}

/// More than a statement takes parameters.
pub async fn orphans_are_found_among_very_many(deployment: &Deployment) {
    let file = deployment.add("bracket.step").await;
    let source = deployment.file(file).await.source.sha256;
    let strangers = (0..70_000_u32).map(|number| ContentHash::of(&number.to_le_bytes()));
    let mut expected: Vec<_> = strangers.collect();
    let mut all = expected.clone();
    all.insert(35_000, source);
    let mut orphans = deployment.assets.orphans(all).await.unwrap();
    orphans.sort();
    expected.sort();
    assert!(
        orphans == expected,
        "{} orphans instead of 70000",
        orphans.len()
    );
}
