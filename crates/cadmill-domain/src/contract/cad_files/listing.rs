//! Files are listed, page by page.

use std::collections::BTreeSet;

use crate::{
    CadFileCursor, CadFileId, CadFileOrder, Clock as _, Direction, MediaKind, NewCadFile, SortKey,
    StoreError,
    cad_file::{CadFileQuery, FileChange, MediaState, Period},
    contract::deployment::{
        Deployment,
        Do::{self, Bytes, Cancel, Claim, Delay, Fail, Make, MakeAllFor, Paint},
        GLB, PNG, STEP, USD, WEB, all_files, bytes_of, paint,
    },
    ledger::Request,
};

const KEYS: [SortKey; 3] = [SortKey::Name, SortKey::CreatedAt, SortKey::UpdatedAt];
const DIRECTIONS: [Direction; 2] = [Direction::Ascending, Direction::Descending];

/// In each order, ties by id, whatever the size of the page.
pub async fn pages_follow_each_other_in_every_order(deployment: &Deployment) {
    // Some have the same name, some came in at the same moment, and some were changed later.
    for (number, name) in ["b", "a", "B", "ä", "a", "", "a%", "z"]
        .into_iter()
        .enumerate()
    {
        let new = NewCadFile {
            name: name.to_owned(),
            source: bytes_of(name, "A").into(),
        };
        let file = deployment
            .files
            .add(new, Some(Request::BULK))
            .await
            .unwrap();
        if number % 3 == 0 {
            deployment.later(1);
            let painted =
                deployment
                    .files
                    .change(file.id, FileChange::PartMaterials(paint("#ff0000")), None);
            painted.await.unwrap().saved().unwrap();
        }
    }
    let all = all_files(&*deployment.files).await;
    for key in KEYS {
        for direction in DIRECTIONS {
            let order = CadFileOrder { key, direction };
            let mut expected = all.clone();
            expected.sort_by_key(|file| (order.value(file), file.id));
            if direction == Direction::Descending {
                expected.reverse();
            }
            let expected: Vec<_> = expected.iter().map(|file| file.id).collect();
            for limit in [1, 2, 3, 8, 100] {
                let query = CadFileQuery {
                    order,
                    ..CadFileQuery::first(limit)
                };
                let found = all_pages(deployment, query).await;
                assert_eq!(found, expected, "{order:?}, pages of {limit}");
            }
        }
    }
    let nothing = deployment
        .files
        .list(&CadFileQuery::first(0))
        .await
        .unwrap();
    assert_eq!(nothing.files, [], "a page of nothing");
}

/// And the cursor still holds when its file is gone.
pub async fn a_page_goes_on_behind_a_file_that_is_gone(deployment: &Deployment) {
    let mut ids = Vec::new();
    for name in ["a", "b", "c"] {
        ids.push(deployment.add(name).await);
    }
    let mut query = CadFileQuery::first(2);
    query.order.key = SortKey::Name;
    let first = deployment.files.list(&query).await.unwrap();
    assert!(deployment.files.remove(ids[1]).await.unwrap());
    query.after = first.next;
    let second = deployment.files.list(&query).await.unwrap();
    let found: Vec<_> = second.files.iter().map(|file| file.file.id).collect();
    assert_eq!((found, second.next), (vec![ids[2]], None));
}

/// It is an error, and no page of something else.
pub async fn a_cursor_of_another_order_is_refused(deployment: &Deployment) {
    let file = deployment.add("a").await;
    let file = deployment.file(file).await;
    let mut query = CadFileQuery::first(2);
    let mut other = query.order;
    other.direction = Direction::Descending;
    query.after = Some(CadFileCursor::behind(&file, other));
    let refused = deployment.files.list(&query).await;
    assert!(
        matches!(refused, Err(StoreError::Refused(_))),
        "{refused:?}"
    );
}

/// By name and by time, all at once.
pub async fn files_are_filtered(deployment: &Deployment) {
    let names = ["Bracket 1.step", "bracket_2.STEP", "100%.step", "Ümlaut"];
    let mut files = Vec::new();
    for name in names {
        let id = deployment.add(name).await;
        files.push(deployment.file(id).await);
    }
    deployment.later(1);
    let saved = deployment.files.change(
        files[0].id,
        FileChange::PartMaterials(paint("#ff0000")),
        None,
    );
    files[0] = saved.await.unwrap().saved().unwrap();
    let from = |moment| Period {
        from: Some(moment),
        until: None,
    };
    let until = |moment| Period {
        from: None,
        until: Some(moment),
    };
    let all = CadFileQuery::first(10);
    let named = |part: &str| CadFileQuery {
        name_contains: Some(part.to_owned()),
        ..all.clone()
    };
    let created = |created| CadFileQuery {
        created,
        ..all.clone()
    };
    let updated = |updated| CadFileQuery {
        updated,
        ..all.clone()
    };
    let mut both = named("bracket");
    both.updated = until(files[0].updated_at);
    let cases: [(CadFileQuery, &[usize]); 11] = [
        (all.clone(), &[0, 1, 2, 3]),
        (named("BRACKET"), &[0, 1]),
        (named(".step"), &[0, 1, 2]),
        (named("0%"), &[2]),
        (named("_"), &[1]),
        (named("ümlaut"), &[]),
        (created(from(files[2].created_at)), &[2, 3]),
        (created(until(files[2].created_at)), &[0, 1]),
        (updated(from(files[0].updated_at)), &[0]),
        (updated(until(files[0].updated_at)), &[1, 2, 3]),
        (both, &[1]),
    ];
    for (query, expected) in cases {
        let expected: Vec<_> = expected.iter().map(|number| files[*number].id).collect();
        let found = all_pages(deployment, query.clone()).await;
        assert_eq!(found, expected, "{query:?}");
    }
}

/// What is shown of each file is what it is found by.
pub async fn media_stand_as_they_are_filtered(deployment: &Deployment) {
    use MediaState::{Cancelled, Failed, Missing, Queued, Ready, Running, Stale};
    let cases: [(&[Do], [MediaState; 4]); 10] = [
        (&[], [Missing; 4]),
        (&[Make(STEP)], [Queued, Missing, Missing, Missing]),
        (
            &[Make(STEP), Claim(GLB)],
            [Running, Missing, Missing, Missing],
        ),
        (
            &[Make(STEP), Fail(GLB)],
            [Failed, Missing, Missing, Missing],
        ),
        (
            &[Make(STEP), Cancel(GLB)],
            [Cancelled, Missing, Missing, Missing],
        ),
        (
            &[Make(STEP), Delay(GLB)],
            [Queued, Missing, Missing, Missing],
        ),
        (
            &[MakeAllFor(GLB), Make(USD), Fail(WEB), Claim(PNG)],
            [Ready, Ready, Failed, Running],
        ),
        (
            &[
                MakeAllFor(GLB),
                Make(USD),
                Make(WEB),
                Paint("#ff0000"),
                Cancel(USD),
            ],
            [Ready, Cancelled, Queued, Queued],
        ),
        // What failed or was cancelled was of the first bytes.
        (
            &[
                MakeAllFor(GLB),
                Make(USD),
                Fail(WEB),
                Cancel(PNG),
                Bytes("B"),
            ],
            [Stale, Stale, Missing, Missing],
        ),
        (
            &[MakeAllFor(GLB), Make(USD), Bytes("B"), Make(STEP)],
            [Queued, Stale, Missing, Missing],
        ),
    ];
    let mut files = Vec::new();
    for (number, (story, expected)) in cases.iter().enumerate() {
        let id = deployment.add_with(&format!("{number}.step"), story).await;
        let overview = deployment.files.overview(id).await.unwrap().unwrap();
        let states: Vec<_> = overview.media.iter().map(|medium| medium.state).collect();
        assert_eq!(states, expected, "{story:?}");
        let kinds: Vec<_> = overview.media.iter().map(|medium| medium.kind).collect();
        assert_eq!(kinds, MediaKind::ALL);
        files.push(overview);
    }
    let page = deployment
        .files
        .list(&CadFileQuery::first(100))
        .await
        .unwrap();
    assert_eq!(page.files, files, "a page shows what an overview shows");
    for state in MediaState::ALL {
        for (place, kind) in MediaKind::ALL.into_iter().enumerate() {
            let standing = |state| CadFileQuery {
                media: vec![(kind, state)],
                ..CadFileQuery::first(3)
            };
            let expected = files.iter().filter(|file| file.media[place].state == state);
            let expected: Vec<_> = expected.map(|file| file.file.id).collect();
            let found = all_pages(deployment, standing(state)).await;
            assert_eq!(found, expected, "{kind} {state}");
        }
    }
    let both = CadFileQuery {
        media: vec![
            (MediaKind::GltfGeometry, Ready),
            (MediaKind::WebGlb, Failed),
        ],
        ..CadFileQuery::first(3)
    };
    assert_eq!(
        all_pages(deployment, both).await,
        [files[6].file.id],
        "both must hold"
    );
}

/// What an overview tells of a medium, in full.
pub async fn an_overview_tells_all_of_a_medium(deployment: &Deployment) {
    let file = deployment
        .add_with("bracket.step", &[MakeAllFor(GLB)])
        .await;
    let begun = deployment.clock.now();
    deployment.later(1);
    let failed = deployment.claim(file, USD).await;
    deployment
        .fail(&failed, Some(chrono::TimeDelta::minutes(5)))
        .await;
    let overview = deployment.files.overview(file).await.unwrap().unwrap();
    let row = deployment.row(file, USD).await;
    let usd = &overview.media[1];
    assert_eq!((usd.state, usd.tries), (MediaState::Queued, 1));
    assert_eq!(usd.requested_at, Some(begun));
    assert_eq!(usd.claimed_at, Some(deployment.clock.now()));
    assert_eq!(
        (usd.not_before, &usd.failure),
        (row.not_before, &row.failure)
    );
    assert_eq!(
        (usd.fence, usd.asset, usd.force),
        (failed.fence, None, false)
    );
    assert_eq!(usd.worker, Some(failed.worker));
    let scene = deployment.row(file, GLB).await;
    assert_eq!(overview.media[0].asset, scene.asset);
    let unknown = CadFileId::generate(&*deployment.clock);
    assert_eq!(deployment.files.overview(unknown).await.unwrap(), None);
}

async fn all_pages(deployment: &Deployment, mut query: CadFileQuery) -> Vec<CadFileId> {
    let mut found = Vec::new();
    loop {
        let page = deployment.files.list(&query).await.unwrap();
        assert!(page.files.len() <= query.limit, "{query:?}");
        found.extend(page.files.iter().map(|file| file.file.id));
        let Some(next) = page.next else {
            let distinct: BTreeSet<_> = found.iter().collect();
            assert_eq!(distinct.len(), found.len(), "no file twice: {query:?}");
            return found;
        };
        // As a client hands it back.
        let text = next.to_text();
        query.after = Some(CadFileCursor::parse(&text, query.order).unwrap());
    }
}
