//! What every [`MediaAssets`](crate::MediaAssets) must do.

use crate::{
    CadFileId, MediaAssetId, MediaKind,
    contract::deployment::{
        Deployment,
        Do::{Make, MakeAllFor, Paint},
        GLB, PNG, STEP, USD, WEB,
    },
};

suite! { $ media_assets, media_assets_contract:
    what_is_not_there_is_none
    an_asset_is_found_by_what_it_was_made_of
    the_assets_of_a_file_are_told_newest_first
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
