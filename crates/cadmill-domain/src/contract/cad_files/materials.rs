//! Materials are given to parts.

use std::{iter, sync::Arc};

use futures_util::future::join_all;

use crate::{
    CadFile, CadFileId, CadFiles, Clock as _, MaterialKey, MaterialMap, StoreError,
    cad_file::FileChange,
    cad_file::SaveOutcome,
    contract::deployment::{
        Deployment,
        Do::{self, Bytes, Cancel, Claim, Delay, Fail, Make, MakeAllFor, Paint},
        GLB, PNG, STEP, USD, WEB, paint, plan,
    },
    ledger::{Priority, RowState},
};

/// Either map is replaced as a whole, `updated_at` moves, and all else stays.
pub async fn a_map_of_materials_is_replaced(deployment: &Deployment) {
    let file = deployment.add_with("bracket.step", &[Make(STEP)]).await;
    for map in MAPS.into_iter().chain(MAPS) {
        for materials in [
            two_materials(),
            paint("#00ff00"),
            MaterialMap::new(),
            two_materials(),
        ] {
            let mut expected = deployment.file(file).await;
            deployment.later(1);
            *map.of(&mut expected) = materials.clone();
            expected.updated_at = deployment.clock.now();
            let saved = map.save(&deployment.files, file, materials).await.unwrap();
            assert_eq!(
                saved,
                SaveOutcome::Saved(expected.clone()),
                "what {map:?} gives back"
            );
            assert_eq!(
                deployment.file(file).await,
                expected,
                "what {map:?} has stored"
            );
        }
    }
}

/// The two maps are of two people.
pub async fn maps_saved_at_once_do_not_undo_each_other(deployment: &Deployment) {
    let file = deployment
        .add_with("bracket.step", &[MakeAllFor(GLB)])
        .await;
    for round in 1..=5_u8 {
        let color = format!("#0000{round:02x}");
        let maps = MAPS.into_iter().cycle().take(10);
        let saves = maps.map(|map| map.save(&deployment.files, file, paint(&color)));
        for saved in join_all(saves).await {
            saved.unwrap().saved().expect("the file is there");
        }
        let found = deployment.file(file).await;
        assert_eq!(
            found.materials.part_materials,
            paint(&color),
            "round {round}"
        );
        assert_eq!(
            found.materials.manual_overrides,
            paint(&color),
            "round {round}"
        );
        let wanted = plan().input(USD, &found.subject());
        let row = deployment.row(file, USD).await;
        assert_eq!(
            row.desired,
            Some(wanted),
            "the master of both maps, round {round}"
        );
    }
}

/// What is made of the scene is asked for anew, whatever state it is in; the scene itself never.
pub async fn materials_make_stale_what_shows_them(deployment: &Deployment) {
    let cases: [(&str, &[Do], RowState); 6] = [
        ("idle", &[Make(USD)], RowState::Queued),
        ("queued", &[], RowState::Queued),
        ("delayed", &[Delay(USD)], RowState::Queued),
        ("running", &[Claim(USD)], RowState::Running),
        ("failed", &[Fail(USD)], RowState::Queued),
        ("cancelled", &[Cancel(USD)], RowState::Queued),
    ];
    for map in MAPS {
        for (name, story, expected) in cases {
            let file = deployment
                .add_with(name, &[MakeAllFor(GLB), Make(PNG)])
                .await;
            deployment.happen(file, story).await;
            let what = format!("{map:?}, {name}");
            let untouched = [
                deployment.row(file, STEP).await,
                deployment.row(file, GLB).await,
            ];
            deployment.later(1);
            let saved = map.save(&deployment.files, file, paint("#ff0000")).await;
            let saved = saved.unwrap().saved().expect("the file is there");
            let states = [
                (USD, expected),
                (WEB, RowState::Queued),
                (PNG, RowState::Queued),
            ];
            for (kind, state) in states {
                let row = deployment.row(file, kind).await;
                assert_eq!(row.state, state, "{what}: {kind}");
                assert_eq!(
                    row.desired,
                    Some(plan().input(kind, &saved.subject())),
                    "{what}: {kind}"
                );
                assert_eq!(row.priority, Priority::Asked, "{what}: {kind}");
                let trouble = (row.attempts, row.not_before, row.failure);
                assert_eq!(trouble, (0, None, None), "{what}: {kind} is something new");
            }
            let found = [
                deployment.row(file, STEP).await,
                deployment.row(file, GLB).await,
            ];
            assert_eq!(found, untouched, "{what}: the scene shows no materials");
        }
    }
}

/// Nothing is made twice of the same.
pub async fn the_same_materials_make_nothing_stale(deployment: &Deployment) {
    let story = [
        MakeAllFor(USD),
        Make(WEB),
        Make(PNG),
        Paint("#ff0000"),
        Make(USD),
        Make(WEB),
        Make(PNG),
    ];
    let file = deployment.add_with("bracket.step", &story).await;
    let before = deployment.rows(file).await;
    deployment.later(1);
    deployment.happen(file, &[Paint("#ff0000")]).await;
    assert_eq!(
        deployment.rows(file).await,
        before,
        "the same materials again"
    );
    assert_eq!(
        deployment.file(file).await.updated_at,
        deployment.clock.now()
    );
}

/// What is there again wanted is there, whatever became of what was wanted meanwhile.
pub async fn materials_that_come_back_make_nothing(deployment: &Deployment) {
    for meanwhile in [Cancel(USD), Fail(USD)] {
        let story = [Paint("#00ff00"), MakeAllFor(USD)];
        let file = deployment.add_with("bracket.step", &story).await;
        let before = deployment.row(file, USD).await;
        let story = [Paint("#ff0000"), meanwhile, Paint("#00ff00")];
        deployment.happen(file, &story).await;
        let row = deployment.row(file, USD).await;
        assert_eq!(row.state, RowState::Idle, "after {meanwhile:?}");
        assert_eq!(row.desired, before.ready, "I4: after {meanwhile:?}");
        assert_eq!((row.ready, row.asset), (before.ready, before.asset));
        assert_eq!(row.failure, None, "what is wanted has not failed");
    }
}

/// As long as there is no scene, there is nothing to dress; the chain will bring the new materials.
pub async fn materials_wait_for_the_scene(deployment: &Deployment) {
    let stories: [&[Do]; 6] = [
        &[],
        &[Claim(STEP)],
        &[Make(STEP)],
        &[Make(STEP), Fail(GLB)],
        &[Make(STEP), Claim(GLB)],
        &[MakeAllFor(USD), Bytes("B")],
    ];
    for story in stories {
        let file = deployment.add_with("bracket.step", story).await;
        let before = deployment.rows(file).await;
        deployment.happen(file, &[Paint("#ff0000")]).await;
        assert_eq!(
            deployment.rows(file).await,
            before,
            "materials after {story:?}"
        );
    }
    let story = [Paint("#ff0000"), MakeAllFor(USD)];
    let file = deployment.add_with("bracket.step", &story).await;
    let wanted = plan().input(USD, &deployment.file(file).await.subject());
    assert_eq!(
        deployment.row(file, USD).await.ready,
        Some(wanted),
        "the chain brings them"
    );
}

/// One of the two maps of a file.
#[derive(Debug, Clone, Copy)]
pub(super) enum Map {
    Parts,
    Overrides,
}

pub(super) const MAPS: [Map; 2] = [Map::Parts, Map::Overrides];

impl Map {
    fn of(self, file: &mut CadFile) -> &mut MaterialMap {
        match self {
            Self::Parts => &mut file.materials.part_materials,
            Self::Overrides => &mut file.materials.manual_overrides,
        }
    }

    pub(super) async fn save(
        self,
        files: &Arc<dyn CadFiles>,
        id: CadFileId,
        materials: MaterialMap,
    ) -> Result<SaveOutcome, StoreError> {
        match self {
            Self::Parts => {
                files
                    .change(id, FileChange::PartMaterials(materials), None)
                    .await
            }
            Self::Overrides => {
                files
                    .change(id, FileChange::ManualOverrides(materials), None)
                    .await
            }
        }
    }
}

/// Keys and numbers that a database could spoil.
fn two_materials() -> MaterialMap {
    let mut steel = paint("#0000ff").into_values().next().unwrap();
    steel.roughness = 0.1 + 0.2;
    let mut plain = steel.clone();
    plain.name = None;
    let keys = [r#"/a'b"c\[1]/{}"#, "Schraube ß 螺丝 🛠"].map(MaterialKey::new);
    iter::zip(keys, [steel, plain]).collect()
}
