//! A file gets other bytes.

use crate::{
    Clock as _,
    cad_file::FileChange,
    cad_file::SaveOutcome,
    contract::deployment::{
        Deployment,
        Do::{self, Bytes, Claim, Delay, Make, MakeAllFor, Paint},
        GLB, PNG, STEP, USD, WEB, bytes_of, plan,
    },
    ledger::{Priority, Request, RowState},
};

/// What waited downstream is withdrawn, what runs goes on, and the new bytes are read first.
pub async fn new_bytes_begin_anew(deployment: &Deployment) {
    let story = [
        MakeAllFor(GLB),
        Make(PNG),
        Claim(USD),
        Paint("#00ff00"),
        Delay(WEB),
    ];
    let file = deployment.add_with("bracket.step", &story).await;
    let mut expected = deployment.file(file).await;
    let [running, queued, done] = [USD, WEB, PNG];
    let before = deployment.row(file, running).await;
    deployment.later(1);
    expected.source = bytes_of("bracket.step", "B");
    expected.updated_at = deployment.clock.now();
    let request = Request {
        priority: Priority::Upload,
        ..Request::ASKED
    };
    let replaced = deployment
        .files
        .change(
            file,
            FileChange::Source(expected.source.into(), request),
            None,
        )
        .await;
    assert_eq!(
        replaced.unwrap(),
        SaveOutcome::Saved(expected.clone()),
        "what is given back"
    );
    assert_eq!(deployment.file(file).await, expected, "what is stored");

    let step = deployment.row(file, STEP).await;
    assert_eq!(
        (step.state, step.priority),
        (RowState::Queued, Priority::Upload)
    );
    assert_eq!(
        step.desired,
        Some(plan().input(STEP, &expected.subject())),
        "the new bytes are read"
    );
    assert_eq!(
        deployment.row(file, running).await,
        before,
        "what runs goes on"
    );
    for kind in [queued, done] {
        let row = deployment.row(file, kind).await;
        assert_eq!(row.state, RowState::Idle, "{kind} is withdrawn");
        assert_eq!(
            row.desired, row.ready,
            "I4: what is idle has what was wanted: {kind}"
        );
        let trouble = (row.attempts, row.not_before, row.failure);
        assert_eq!(trouble, (0, None, None), "{kind} is something new");
    }
    assert_eq!(deployment.row(file, GLB).await.state, RowState::Idle);
    let next = deployment.next().await;
    assert_eq!(
        next.iter().map(|work| work.kind).collect::<Vec<_>>(),
        [STEP],
        "what is due"
    );
    deployment.happen(file, &[Make(STEP), Make(GLB)]).await;
    for kind in [queued, done] {
        let row = deployment.row(file, kind).await;
        assert_eq!(row.state, RowState::Queued, "the chain brings {kind}");
        assert_eq!(
            row.desired,
            Some(plan().input(kind, &expected.subject())),
            "of the new bytes"
        );
    }
}

/// Nothing is read or lost that was there or in the queue.
pub async fn the_same_bytes_keep_what_is_under_way(deployment: &Deployment) {
    let stories: [&[Do]; 4] = [
        &[],
        &[Make(STEP)],
        &[MakeAllFor(GLB)],
        &[MakeAllFor(USD), Make(WEB), Make(PNG)],
    ];
    for story in stories {
        let file = deployment.add_with("bracket.step", story).await;
        let before = deployment.states(file).await;
        deployment.happen(file, &[Bytes("A")]).await;
        assert_eq!(
            deployment.states(file).await,
            before,
            "the same bytes after {story:?}"
        );
        let wanted = plan();
        let now = deployment.file(file).await;
        for (kind, row) in deployment.rows(file).await {
            let expected = Some(wanted.input(kind, &now.subject()));
            assert_eq!(
                row.desired, expected,
                "{kind}, the same bytes after {story:?}"
            );
        }
    }
}
