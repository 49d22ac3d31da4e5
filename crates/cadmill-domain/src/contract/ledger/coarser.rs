//! Scenes that are coarser than the recipe: there, but stale; tried again only when that is asked.

use std::time::Duration;

use crate::{
    CadFileId, Input, MediaAsset, MediaKind, NewMediaAsset, Recipe, SceneInput, StoreError,
    TaskKind,
    cad_file::{CadFileQuery, MediaState},
    contract::deployment::{
        Deployment,
        Do::{self, Bytes, Cancel, Claim as Claimed, Fail, Make, MakeAllFor, Paint},
        GLB, PNG, STEP, USD, WEB, product, work,
    },
    ledger::{
        Claim, MissingRequest, Published, Request, Requested, Requester, RowState, TaskOutput,
        WorkRequestsExt as _,
    },
    tessellator::Conditions,
};

fn conditions(kernel: &str) -> Conditions {
    Conditions::new(kernel, 4 << 30, Duration::from_mins(10))
}

fn coarser(claim: &Claim, kernel: &str) -> Input {
    claim.input.coarser(Recipe::STANDARD, &conditions(kernel))
}

fn coarser_product(claim: &Claim, kernel: &str) -> TaskOutput {
    let TaskOutput::Asset(made) = product(claim) else {
        panic!("a scene is a medium");
    };
    let input = coarser(claim, kernel);
    TaskOutput::Coarser { made, input }
}

impl Deployment {
    async fn publish_coarser(&self, file: CadFileId, kernel: &str) -> Published {
        let claim = self.claim(file, GLB).await;
        let product = coarser_product(&claim, kernel);
        self.ledger.publish(&claim, product).await.unwrap()
    }

    /// A file whose scene is coarser.
    async fn add_coarser(&self, name: &str) -> CadFileId {
        let file = self.add_with(name, &[Make(STEP)]).await;
        self.publish_coarser(file, "kernel 1").await;
        file
    }

    async fn media(&self, file: CadFileId) -> Vec<(MediaKind, MediaState, bool)> {
        let overview = self.files.overview(file).await.unwrap();
        let media = overview.expect("the file is there").media.into_iter();
        media
            .map(|status| (status.kind, status.state, status.coarser))
            .collect()
    }

    async fn files_of(&self, kind: MediaKind, state: MediaState) -> Vec<CadFileId> {
        let query = CadFileQuery {
            media: vec![(kind, state)],
            ..CadFileQuery::first(100)
        };
        let page = self.files.list(&query).await.unwrap();
        page.files.iter().map(|file| file.file.id).collect()
    }

    async fn scene(&self, file: CadFileId) -> MediaAsset {
        let row = self.row(file, GLB).await;
        self.asset(row.asset.expect("a scene is there")).await
    }

    async fn regenerate_stale(&self) -> crate::ledger::Missing {
        let stale = self.ledger.request_stale(None, Requester::SHARED).await;
        stale.unwrap()
    }
}

/// Its row rests, it counts as present, and nothing is queued for it by itself or by a click.
pub async fn a_coarser_scene_is_there_but_stale(deployment: &Deployment) {
    let file = deployment.add_with("bracket.step", &[Make(STEP)]).await;
    let wanted = deployment.row(file, GLB).await.desired.unwrap();
    let published = deployment.publish_coarser(file, "kernel 1").await;
    let Published::Done {
        asset, requeued, ..
    } = published
    else {
        panic!("the claim holds");
    };
    assert!(!requeued, "it is not tried again by itself");
    let row = deployment.row(file, GLB).await;
    assert_eq!((row.state, row.asset), (RowState::Idle, asset));
    let ready = row.ready.clone().unwrap();
    assert!(ready.is_coarser_than(&wanted), "{ready}");
    assert_eq!(row.desired.as_ref(), Some(&ready), "I4");
    assert_eq!(deployment.scene(file).await.input, ready);
    let scene = (MediaKind::GltfGeometry, MediaState::Stale, true);
    assert_eq!(deployment.media(file).await[0], scene);
    for (state, expected) in [(MediaState::Stale, vec![file]), (MediaState::Ready, vec![])] {
        let found = deployment.files_of(MediaKind::GltfGeometry, state).await;
        assert_eq!(found, expected, "{state}");
    }
    let before = deployment.everything().await;
    let clicked = deployment.request_missing(&MissingRequest::of(GLB)).await;
    assert_eq!((clicked.present, clicked.queued), (1, 0));
    for request in [Request::BULK, Request::ASKED] {
        let became = deployment.request(file, GLB, request).await;
        assert_eq!(became, Requested::Present);
    }
    assert_eq!(deployment.everything().await, before);
}

/// They are made of it once, and again when the scene is another.
pub async fn media_of_a_coarser_scene_say_so(deployment: &Deployment) {
    let file = deployment.add_coarser("bracket.step").await;
    let scene = deployment.scene(file).await.input;
    for kind in [USD, WEB, PNG] {
        let claim = deployment.claim(file, kind).await;
        assert_eq!(claim.input.scene(), scene.scene(), "{kind} is made of it");
        deployment.publish(&claim).await;
        let clicked = deployment.request_missing(&MissingRequest::of(kind)).await;
        assert_eq!((clicked.present, clicked.queued), (1, 0), "{kind}");
    }
    let media = deployment.media(file).await;
    assert!(
        media
            .iter()
            .all(|(_, state, coarser)| *state == MediaState::Stale && *coarser),
        "{media:?}"
    );
    let stale = deployment.files_of(MediaKind::UsdMaster, MediaState::Stale);
    assert_eq!(stale.await, [file]);
    // New materials are laid over the scene that is there.
    deployment.happen(file, &[Paint("#123456")]).await;
    assert_eq!(deployment.row(file, GLB).await.state, RowState::Idle);
    let claim = deployment.claim(file, USD).await;
    assert_eq!(claim.input.scene(), scene.scene());
    deployment.publish(&claim).await;
    // What is made of it and fails has failed for what is wanted.
    deployment.happen(file, &[Fail(WEB)]).await;
    let failed = deployment.files_of(MediaKind::WebGlb, MediaState::Failed);
    assert_eq!(failed.await, [file]);
    // The recipe succeeds: all follows.
    deployment.regenerate_stale().await;
    deployment
        .happen(file, &[Make(GLB), Make(USD), Make(WEB), Make(PNG)])
        .await;
    let media = deployment.media(file).await;
    assert!(
        media
            .iter()
            .all(|(_, state, coarser)| *state == MediaState::Ready && !coarser),
        "{media:?}"
    );
}

/// Once for each request; while it is, the coarser scene stays.
pub async fn what_is_stale_is_tried_by_the_recipe_again(deployment: &Deployment) {
    let file = deployment.add_coarser("bracket.step").await;
    deployment.happen(file, &[Make(USD)]).await;
    for round in 0..2 {
        let stale = deployment.regenerate_stale().await;
        // The scene, and what waits for it.
        assert_eq!((stale.queued, stale.in_flight), (1, 1), "round {round}");
        let stale = deployment.regenerate_stale().await;
        assert_eq!((stale.queued, stale.in_flight), (0, 2), "round {round}");
        let clicked = deployment.request_missing(&MissingRequest::of(GLB)).await;
        assert_eq!((clicked.in_flight, clicked.queued), (1, 0));
        let row = deployment.row(file, GLB).await;
        assert_eq!(row.state, RowState::Queued);
        assert!(row.ready.is_some_and(|ready| ready.is_coarser()));
        let claim = deployment.claim(file, GLB).await;
        assert!(!claim.input.is_coarser(), "by the recipe");
        assert!(deployment.hand_back(&claim).await);
        assert_eq!(deployment.row(file, GLB).await.state, RowState::Queued);
        deployment.publish_coarser(file, "kernel 1").await;
        let state = async |kind| deployment.row(file, kind).await.state;
        assert_eq!(state(GLB).await, RowState::Idle);
        assert_eq!(state(USD).await, RowState::Idle, "it is of this scene");
    }
    deployment.regenerate_stale().await;
    deployment.publish_coarser(file, "kernel 2").await;
    let usd = deployment.claim(file, USD).await;
    let scene = deployment.scene(file).await.input;
    assert_eq!(
        usd.input.scene(),
        scene.scene(),
        "it is of the newest scene"
    );
    deployment.publish(&usd).await;
    // And when it is made though it is there.
    let force = Request {
        force: true,
        ..Request::ASKED
    };
    assert_eq!(
        deployment.request(file, GLB, force).await,
        Requested::Queued
    );
    let claim = deployment.claim(file, GLB).await;
    assert!(claim.force && !claim.input.is_coarser(), "by the recipe");
    assert!(deployment.hand_back(&claim).await);
    deployment.publish_coarser(file, "kernel 2").await;
    assert_eq!(deployment.row(file, GLB).await.state, RowState::Idle);
    // By a medium of it, too.
    let usd_only = deployment
        .ledger
        .request_stale(Some(MediaKind::UsdMaster), Requester::SHARED)
        .await;
    assert_eq!(usd_only.unwrap().queued, 1);
    assert_eq!(deployment.row(file, GLB).await.state, RowState::Queued);
}

/// Then the coarser one is there again when something is asked for.
pub async fn a_retry_of_a_coarser_scene_may_fail(deployment: &Deployment) {
    for (name, end) in [("fails", Fail(GLB)), ("is cancelled", Cancel(GLB))] {
        let file = deployment.add_coarser(name).await;
        let before = deployment.scene(file).await;
        let request = Request {
            retry_coarser: true,
            ..Request::BULK
        };
        assert_eq!(
            deployment.request(file, GLB, request).await,
            Requested::Queued
        );
        deployment.happen(file, &[end]).await;
        let state = deployment.media(file).await[0].1;
        assert!(
            matches!(state, MediaState::Failed | MediaState::Cancelled),
            "it {name}: {state}"
        );
        assert_eq!(deployment.scene(file).await, before, "it {name}");
        let became = deployment.request(file, GLB, Request::BULK).await;
        assert_eq!(became, Requested::Present, "it {name}");
        assert_eq!(deployment.media(file).await[0].1, MediaState::Stale);
        deployment
            .happen(file, &[Make(USD), Make(WEB), Make(PNG)])
            .await;
    }
}

/// Others with the same bytes want the recipe. What is no coarser scene is refused.
pub async fn a_coarser_scene_is_no_ones_else(deployment: &Deployment) {
    let first = deployment.add_coarser("same.step").await;
    let scene = deployment.scene(first).await;
    let second = deployment.add_with("same.step", &[Make(STEP)]).await;
    let claim = deployment.claim(second, GLB).await;
    let wanted = deployment
        .assets
        .made_of(MediaKind::GltfGeometry, &claim.input);
    assert_eq!(
        wanted.await.unwrap(),
        None,
        "not under the input that is wanted"
    );
    let copied = TaskOutput::Cached(scene.id);
    let before = deployment.everything().await;
    let refused = deployment.ledger.publish(&claim, copied).await;
    assert!(
        matches!(refused, Err(StoreError::Refused(_))),
        "{refused:?}"
    );
    let other = TaskOutput::Coarser {
        made: NewMediaAsset::copy_of(&scene),
        input: claim.input.clone().with_scene(SceneInput {
            recipe: Recipe::FINE.fingerprint(),
            ..claim.input.scene().unwrap().clone()
        }),
    };
    let refused = deployment.ledger.publish(&claim, other).await;
    assert!(
        matches!(refused, Err(StoreError::Refused(_))),
        "{refused:?}"
    );
    assert_eq!(deployment.everything().await, before);
    // Its own may be found again.
    let request = Request {
        retry_coarser: true,
        ..Request::BULK
    };
    deployment.request(first, GLB, request).await;
    let claim = deployment.claim(first, GLB).await;
    let cached = TaskOutput::Cached(scene.id);
    let published = deployment.ledger.publish(&claim, cached).await.unwrap();
    let Published::Done {
        asset, requeued, ..
    } = published
    else {
        panic!("the claim holds");
    };
    assert_eq!((asset, requeued), (Some(scene.id), false));
    assert_eq!(deployment.row(first, GLB).await.ready, Some(scene.input));
}

/// And the other way round: bytes that come back find their coarser scene.
pub async fn a_scene_that_is_wanted_meanwhile_is_made_after_a_coarser_one(deployment: &Deployment) {
    let file = deployment.add_with("bracket.step", &[Make(STEP)]).await;
    let claim = deployment.claim(file, GLB).await;
    let newer: [Do; 2] = [Bytes("B"), Make(STEP)];
    deployment.happen(file, &newer).await;
    let product = coarser_product(&claim, "kernel 1");
    let published = deployment.ledger.publish(&claim, product).await.unwrap();
    let Published::Done { requeued, .. } = published else {
        panic!("the claim holds");
    };
    assert!(requeued, "other bytes are wanted by now");
    let row = deployment.row(file, GLB).await;
    assert_eq!(row.state, RowState::Queued);
    // Back to the first bytes before that was made.
    deployment.happen(file, &[Bytes("A"), Make(STEP)]).await;
    let row = deployment.row(file, GLB).await;
    assert_eq!(row.state, RowState::Idle, "its coarser scene is there");
    assert_eq!(row.desired, row.ready);
    deployment.happen(file, &[Make(USD), Claimed(WEB)]).await;
}

/// With their inputs; those that are tried again are not among them.
pub async fn coarser_scenes_are_listed(deployment: &Deployment) {
    let first = deployment.add_coarser("first.step").await;
    let second = deployment.add_coarser("second.step").await;
    deployment.add_with("fine.step", &[MakeAllFor(GLB)]).await;
    deployment.happen(first, &[Make(USD)]).await;
    let listed = async || {
        let mut listed = deployment.ledger.coarser().await.unwrap();
        listed.sort();
        listed
    };
    let of = async |file| {
        let kind: TaskKind = GLB;
        (work(file, kind), deployment.scene(file).await.input)
    };
    assert_eq!(listed().await, [of(first).await, of(second).await]);
    let request = Request {
        retry_coarser: true,
        ..Request::BULK
    };
    deployment.request(first, GLB, request).await;
    assert_eq!(listed().await, [of(second).await]);
    deployment.happen(first, &[Make(GLB)]).await;
    assert_eq!(listed().await, [of(second).await]);
}
