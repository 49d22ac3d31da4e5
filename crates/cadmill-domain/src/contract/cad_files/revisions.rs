//! Changes that depend on what the file was, and files that go.

use futures_util::future::join_all;

use super::materials::MAPS;
use crate::{
    CadFileId, Clock as _,
    cad_file::FileChange,
    cad_file::SaveOutcome,
    contract::deployment::{
        Deployment,
        Do::{Claim, MakeAllFor},
        GLB, USD, bytes_of, failure, paint, product,
    },
    ledger::{HandBack, Published, Request, TaskOutput},
    pipeline_log::EventId,
};

/// By a microsecond, if the clock stands still or goes back.
pub async fn each_change_gives_a_later_revision(deployment: &Deployment) {
    let file = deployment.add("bracket.step").await;
    let mut before = deployment.file(file).await;
    for step in 0..6 {
        let saved = match step % 3 {
            0 => {
                MAPS[0]
                    .save(&deployment.files, file, paint("#ff0000"))
                    .await
            }
            1 => {
                MAPS[1]
                    .save(&deployment.files, file, paint("#ff0000"))
                    .await
            }
            _ => {
                let source = bytes_of("bracket.step", "A");
                let files = &deployment.files;
                files
                    .change(file, FileChange::Source(source.into(), Request::BULK), None)
                    .await
            }
        };
        let after = saved.unwrap().saved().expect("the file is there");
        assert!(after.updated_at > before.updated_at, "step {step}");
        let micros = after.updated_at - before.updated_at;
        assert_eq!(micros, chrono::TimeDelta::microseconds(1), "step {step}");
        let stored = deployment.file(file).await;
        assert_eq!(stored, after, "what is stored has its microseconds");
        assert!(stored.revision() > before.revision());
        before = after;
    }
    deployment.later(1);
    let saved = MAPS[0]
        .save(&deployment.files, file, paint("#ff0000"))
        .await;
    let after = saved.unwrap().saved().unwrap();
    assert_eq!(after.updated_at, deployment.clock.now(), "time goes on");
}

/// And it tells what the file is now.
pub async fn a_change_of_another_revision_does_nothing(deployment: &Deployment) {
    let file = deployment
        .add_with("bracket.step", &[MakeAllFor(USD)])
        .await;
    let seen = deployment.file(file).await.revision();
    let files = &deployment.files;
    let red = paint("#ff0000");
    let saved = files
        .change(file, FileChange::PartMaterials(red.clone()), Some(seen))
        .await;
    let now = saved.unwrap().saved().expect("nobody came before");
    let before = deployment.everything().await;
    let source = bytes_of("bracket.step", "B");
    let changes = [
        files
            .change(
                file,
                FileChange::PartMaterials(paint("#00ff00")),
                Some(seen),
            )
            .await,
        files
            .change(file, FileChange::ManualOverrides(red), Some(seen))
            .await,
        files
            .change(
                file,
                FileChange::Source(source.into(), Request::ASKED),
                Some(seen),
            )
            .await,
    ];
    for change in changes {
        assert_eq!(change.unwrap(), SaveOutcome::Changed(now.clone()));
    }
    assert_eq!(deployment.everything().await, before, "nothing is done");
    let replaced = files.change(
        file,
        FileChange::Source(source.into(), Request::ASKED),
        Some(now.revision()),
    );
    let replaced = replaced
        .await
        .unwrap()
        .saved()
        .expect("it is that revision");
    assert_eq!(replaced.source, source);
    let unknown = CadFileId::generate(&*deployment.clock);
    let refused = files
        .change(
            unknown,
            FileChange::PartMaterials(paint("#00ff00")),
            Some(seen),
        )
        .await;
    assert_eq!(refused.unwrap(), SaveOutcome::NotThere);
}

/// The others are told so.
pub async fn of_changes_at_once_one_is_saved(deployment: &Deployment) {
    let file = deployment.add("bracket.step").await;
    let seen = Some(deployment.file(file).await.revision());
    let colors = (0..10).map(|tone| paint(&format!("#0000{tone:02x}")));
    let changes = colors.map(|map| {
        deployment
            .files
            .change(file, FileChange::PartMaterials(map), seen)
    });
    let mut saved = Vec::new();
    for change in join_all(changes).await {
        match change.unwrap() {
            SaveOutcome::Saved(file) => saved.push(file),
            SaveOutcome::Changed(_) => {}
            SaveOutcome::NotThere => panic!("the file is there"),
        }
    }
    assert_eq!(saved, [deployment.file(file).await], "one is saved");
}

/// With rows, assets, events and open claims; other files stay as they are.
pub async fn a_removed_file_takes_everything_with_it(deployment: &Deployment) {
    let story = [MakeAllFor(GLB), Claim(USD)];
    let stays = deployment.add_with("other.step", &story).await;
    let others = deployment.everything().await;
    let goes = deployment.add_with("bracket.step", &story).await;
    let asset = deployment.row(goes, GLB).await.asset.unwrap();
    let claims = deployment.ledger.running().await.unwrap();
    let claim = claims
        .into_iter()
        .find(|claim| claim.work.cad_file_id == goes);
    let claim = claim.unwrap();
    for file in [stays, goes] {
        let event = crate::contract::pipeline_log::an_event(file);
        deployment.log.append(event).await.unwrap();
    }
    assert!(deployment.files.remove(goes).await.unwrap());
    assert!(!deployment.files.remove(goes).await.unwrap(), "only once");
    assert_eq!(deployment.files.get(goes).await.unwrap(), None);
    assert_eq!(deployment.rows(goes).await, []);
    assert_eq!(deployment.assets.get(asset).await.unwrap(), None);
    assert_eq!(deployment.log.timeline(goes).await.unwrap(), []);
    deployment.followers_see(stays).await;
    let left = deployment
        .log
        .events_after(EventId::default(), None, 100)
        .await;
    let other = deployment.log.timeline(stays).await.unwrap();
    assert_eq!(left.unwrap(), other, "the events of the other file");
    assert_eq!(deployment.everything().await, others);

    let ledger = &deployment.ledger;
    let progress = crate::ledger::Progress {
        phase: "mesh".to_owned(),
        fraction: 0.5,
    };
    assert!(
        !ledger.progress(&claim, &progress).await.unwrap(),
        "it is told to stop"
    );
    let made: TaskOutput = product(&claim);
    assert_eq!(
        ledger.publish(&claim, made).await.unwrap(),
        Published::Refused
    );
    assert!(!ledger.fail(&claim, &failure(), None).await.unwrap());
    assert!(!ledger.hand_back(&claim, HandBack::Stopping).await.unwrap());
    assert_eq!(deployment.everything().await, others, "nothing comes back");
    let event = crate::contract::pipeline_log::an_event(goes);
    let told = deployment.log.append(event).await;
    assert!(told.is_err(), "nothing can be told of a file that is gone");
}
