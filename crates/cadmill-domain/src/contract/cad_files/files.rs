//! Files are added and found.

use super::materials::MAPS;
use crate::{
    CadFileId, Clock as _, NewCadFile,
    cad_file::FileChange,
    cad_file::SaveOutcome,
    contract::deployment::{Deployment, Do::MakeAllFor, GLB, STEP, bytes_of, paint, plan},
    ledger::{MissingRequest, Priority, Request, RowState},
};

/// With all that it was given, and with `process_step` in the queue.
pub async fn a_file_is_added_and_asked_for(deployment: &Deployment) {
    for priority in [Priority::Bulk, Priority::Asked, Priority::Upload] {
        deployment.later(1);
        let now = deployment.clock.now();
        let new = NewCadFile {
            name: "a/bracket.step".to_owned(),
            source: bytes_of("a", "A").into(),
        };
        let request = Request {
            priority,
            ..Request::BULK
        };
        let file = deployment
            .files
            .add(new.clone(), Some(request))
            .await
            .unwrap();
        assert_eq!((&file.name, file.source), (&new.name, new.source.blob()));
        assert_eq!((file.created_at, file.updated_at), (now, now));
        assert!(file.step.is_none() && file.materials.is_empty(), "{file:?}");
        assert_eq!(
            deployment.file(file.id).await,
            file,
            "what was added is there"
        );
        assert_eq!(deployment.states(file.id).await, [(STEP, RowState::Queued)]);
        let row = deployment.row(file.id, STEP).await;
        assert_eq!(
            row.desired,
            Some(plan().input(STEP, &file.subject())),
            "what is wanted"
        );
        assert_eq!((row.priority, row.requested_at), (priority, Some(now)));
    }
}

/// Nothing is made of it until somebody asks; then it is missing.
pub async fn a_file_is_added_for_later(deployment: &Deployment) {
    let new = NewCadFile {
        name: "bracket.step".to_owned(),
        source: bytes_of("a", "A").into(),
    };
    let file = deployment.files.add(new, None).await.unwrap();
    assert_eq!(deployment.states(file.id).await, []);
    let request = MissingRequest::of(GLB);
    for queued in [1, 0] {
        let told = deployment.request_missing(&request).await;
        assert_eq!((told.queued, told.in_flight), (queued, 1 - queued));
    }
    assert_eq!(deployment.states(file.id).await, [(STEP, RowState::Queued)]);
}

/// In every method, and nothing is written.
pub async fn an_unknown_file_is_none(deployment: &Deployment) {
    deployment.add_with("other", &[MakeAllFor(GLB)]).await;
    let before = deployment.everything().await;
    let id = CadFileId::generate(&*deployment.clock);
    let files = &deployment.files;
    assert_eq!(files.get(id).await.unwrap(), None, "get");
    assert_eq!(files.named("unknown").await.unwrap(), None, "named");
    let source = bytes_of("unknown", "A");
    let replaced = files
        .change(id, FileChange::Source(source.into(), Request::ASKED), None)
        .await;
    assert_eq!(replaced.unwrap(), SaveOutcome::NotThere, "replace_source");
    for map in MAPS {
        let saved = map.save(files, id, paint("#ff0000")).await;
        assert_eq!(saved.unwrap(), SaveOutcome::NotThere, "{map:?}");
    }
    assert_eq!(deployment.everything().await, before, "nothing is written");
}

/// The whole name, letter by letter.
pub async fn the_newest_of_a_name_is_found(deployment: &Deployment) {
    let mut newest = deployment.add("bracket.step").await;
    for _ in 0..3 {
        newest = deployment.add("bracket.step").await;
    }
    for other in [
        "Bracket.step",
        "bracket.step ",
        "bracket%step",
        "bracket_step",
        "bracket",
    ] {
        deployment.add(other).await;
    }
    let found = deployment.files.named("bracket.step").await.unwrap();
    assert_eq!(
        found.map(|file| file.id),
        Some(newest),
        "the newest of four"
    );
    for name in ["BRACKET.STEP", "%", "racket", "", "bracket?step"] {
        let found = deployment.files.named(name).await.unwrap();
        assert_eq!(found, None, "no file is called {name:?}");
    }
}

/// Quotes, other scripts, 10 kB.
pub async fn names_are_kept_as_they_are(deployment: &Deployment) {
    let long = "é".repeat(5_000);
    let names = [
        "",
        " ",
        "it's \"a\" `part`; DROP TABLE cad_file;--",
        r"C:\parts\100%_ok.stp",
        "../../a.step",
        "Schraube ß/Ä 螺丝 🛠 e\u{301}.step",
        "two\nlines\tand a tab",
        "$1 ?1 :name {}",
        &long,
    ];
    for name in names {
        let id = deployment.add(name).await;
        assert_eq!(deployment.file(id).await.name, name);
        let found = deployment.files.named(name).await.unwrap();
        assert_eq!(found.map(|file| file.id), Some(id), "named {name:?}");
    }
}
