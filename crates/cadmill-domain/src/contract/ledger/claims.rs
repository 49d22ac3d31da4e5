//! What may be claimed, and what is known of claims.

use futures_util::future::join_all;

use crate::{
    Clock as _, Work,
    contract::deployment::{
        Deployment,
        Do::{Cancel, Claim, Delay, Fail, Make, MakeAllFor},
        GLB, PNG, STEP, USD, WEB, work, worker,
    },
    ledger::{Count, Priority, Progress, Request, RowState, WorkQuery},
};

/// The urgent before the old, the old before the young, then the lower id.
pub async fn next_goes_by_priority_then_age_then_id(deployment: &Deployment) {
    let mut expected = Vec::new();
    for priority in [Priority::Bulk, Priority::Upload, Priority::Asked] {
        // Neither is in the order of the ids.
        for age in [1, 2, 0] {
            deployment.later(1);
            for twin in 0..2 {
                // Files that are asked for in one moment.
                let name = format!("{priority:?} {age} {twin}");
                let file = deployment.add_with(&name, &[Cancel(STEP)]).await;
                expected.push((-priority.rank(), age, file));
            }
        }
    }
    let mut shuffled = expected.clone();
    shuffled.sort_by_key(|(rank, age, file)| (*age, *rank, std::cmp::Reverse(*file)));
    let mut last = 0;
    for (rank, age, file) in shuffled {
        deployment.later(age - last);
        last = age;
        let request = Request {
            priority: Priority::from_rank(-rank),
            ..Request::BULK
        };
        deployment.request(file, STEP, request).await;
    }
    expected.sort();
    let expected: Vec<_> = expected
        .iter()
        .map(|(.., file)| work(*file, STEP))
        .collect();
    assert_eq!(deployment.next().await, expected, "by priority, age, id");
    for limit in [0, 1, 7, expected.len()] {
        let next = deployment.next_of(&WorkQuery::first(limit)).await;
        assert_eq!(next, expected[..limit], "the first {limit}");
    }
}

/// It shows what is due and nothing else, and changes nothing.
pub async fn next_is_a_look_and_no_claim(deployment: &Deployment) {
    let due = deployment.add("due").await;
    for (name, story) in [
        ("running", [Claim(STEP)]),
        ("failed", [Fail(STEP)]),
        ("cancelled", [Cancel(STEP)]),
    ] {
        deployment.add_with(name, &story).await;
    }
    let delayed = deployment.add_with("delayed", &[Delay(STEP)]).await;
    let before = deployment.everything().await;
    for _ in 0..2 {
        assert_eq!(deployment.next().await, [work(due, STEP)], "what is due");
    }
    assert_eq!(
        deployment.everything().await,
        before,
        "a look changes nothing"
    );
    deployment.later(3600);
    let both = [work(due, STEP), work(delayed, STEP)];
    assert_eq!(
        deployment.next().await,
        both,
        "at the very moment it is due"
    );
}

/// The whole row after a claim, and what the claim says.
pub async fn a_claim_raises_the_fence(deployment: &Deployment) {
    let file = deployment.add("bracket.step").await;
    for fence in 1..=3 {
        let mut expected = deployment.row(file, STEP).await;
        deployment.later(1);
        let claim = deployment.claim(file, STEP).await;
        assert_eq!(
            claim.fence.0, fence,
            "I2: the fence grows by one with each claim"
        );
        assert_eq!(claim.work, work(file, STEP), "what was claimed");
        assert_eq!(
            Some(&claim.input),
            expected.desired.as_ref(),
            "what is to be made"
        );
        assert_eq!(claim.worker, worker(), "who claimed it");
        expected.state = RowState::Running;
        expected.running = Some(claim.input.clone());
        expected.fence = claim.fence;
        expected.claimed_at = Some(deployment.clock.now());
        expected.confirmed_at = expected.claimed_at;
        expected.worker = Some(worker());
        assert_eq!(
            deployment.row(file, STEP).await,
            expected,
            "the row after a claim"
        );
        assert!(deployment.hand_back(&claim).await, "it is given back");
    }
}

/// None otherwise, and nothing changes.
pub async fn only_what_is_queued_and_due_is_claimed(deployment: &Deployment) {
    for (name, story) in [
        ("running", [Claim(STEP)].as_slice()),
        ("idle", &[Make(STEP)]),
        ("failed", &[Fail(STEP)]),
        ("cancelled", &[Cancel(STEP)]),
        ("delayed", &[Delay(STEP)]),
    ] {
        let file = deployment.add_with(name, story).await;
        let before = deployment.everything().await;
        assert_eq!(deployment.try_claim(file, STEP).await, None, "it is {name}");
        assert_eq!(deployment.try_claim(file, PNG).await, None, "it has no row");
        assert_eq!(
            deployment.everything().await,
            before,
            "a vain claim of what is {name}"
        );
        if name == "delayed" {
            deployment.later(3599);
            assert_eq!(
                deployment.try_claim(file, STEP).await,
                None,
                "a second too early"
            );
            deployment.later(1);
            assert_eq!(
                deployment.claim(file, STEP).await.tries,
                1,
                "it failed once"
            );
        }
    }
}

/// I1, where locks fail.
pub async fn twenty_claims_at_once_have_one_winner(deployment: &Deployment) {
    for round in 0..5 {
        let file = deployment.add(&format!("bracket {round}")).await;
        let claims = (0..20).map(|_| deployment.try_claim(file, STEP));
        let claims = join_all(claims).await.into_iter().flatten().count();
        assert_eq!(
            claims, 1,
            "I1: winners of twenty claims at once, round {round}"
        );
        assert_eq!(
            deployment.row(file, STEP).await.fence.0,
            1,
            "one claim, one fence"
        );
    }
}

/// True and kept as long as the claim holds; false and nothing after.
pub async fn progress_is_kept_for_the_holder_only(deployment: &Deployment) {
    let file = deployment.add("bracket.step").await;
    let claim = deployment.claim(file, STEP).await;
    for fraction in [0.0, 0.1, 0.333, 1.0] {
        let progress = Progress {
            phase: "mesh".to_owned(),
            fraction,
        };
        let kept = deployment.ledger.progress(&claim, &progress).await;
        assert!(kept.unwrap(), "the claim holds at {fraction}");
        assert_eq!(deployment.row(file, STEP).await.progress, Some(progress));
    }
    assert!(deployment.hand_back(&claim).await);
    assert_eq!(
        deployment.row(file, STEP).await.progress,
        None,
        "after it was given back"
    );
    deployment.claim(file, STEP).await;
    let before = deployment.everything().await;
    let progress = Progress {
        phase: "late".to_owned(),
        fraction: 0.5,
    };
    let kept = deployment.ledger.progress(&claim, &progress).await;
    assert!(!kept.unwrap(), "I3: a stale claim is told that it is over");
    assert_eq!(
        deployment.everything().await,
        before,
        "I3: progress of a stale claim"
    );
}

/// All of them, as they were given, and no other.
pub async fn running_tells_the_open_claims(deployment: &Deployment) {
    let told = async || {
        let mut told = deployment.ledger.running().await.unwrap();
        told.sort_by_key(|claim| claim.work);
        told
    };
    assert_eq!(told().await, [], "nothing was claimed");
    let files = [deployment.add("a").await, deployment.add("b").await];
    deployment.add("queued").await;
    deployment.happen(files[1], &[Delay(STEP)]).await;
    deployment.later(3600);
    let claims = [
        deployment.claim(files[0], STEP).await,
        deployment.claim(files[1], STEP).await,
    ];
    assert_eq!(told().await, claims, "the open claims, as they were given");
    deployment.publish(&claims[1]).await;
    assert_eq!(told().await, claims[..1], "a closed claim is not told");
    deployment.happen(files[0], &[Cancel(STEP)]).await;
    assert_eq!(told().await, [], "nor a cancelled one");
}

/// Each kind and state once, with the age of the oldest.
pub async fn stats_count_rows_by_kind_and_state(deployment: &Deployment) {
    let start = deployment.clock.now();
    let stories: [&[_]; 6] = [
        &[],
        &[],
        &[Claim(STEP)],
        &[Fail(STEP)],
        &[Cancel(STEP)],
        &[MakeAllFor(GLB), Cancel(WEB), Claim(PNG)],
    ];
    for story in stories {
        deployment.add_with("bracket.step", story).await;
    }
    let count = |kind, state, rows, second| Count {
        kind,
        state,
        rows,
        oldest: Some(start + chrono::TimeDelta::seconds(second)),
    };
    let mut expected = [
        count(STEP, RowState::Queued, 2, 1),
        count(STEP, RowState::Running, 1, 3),
        count(STEP, RowState::Failed, 1, 4),
        count(STEP, RowState::Cancelled, 1, 5),
        count(STEP, RowState::Idle, 1, 6),
        count(GLB, RowState::Idle, 1, 6),
        count(USD, RowState::Queued, 1, 6),
        count(WEB, RowState::Cancelled, 1, 6),
        count(PNG, RowState::Running, 1, 6),
    ];
    let mut found = deployment.ledger.stats().await.unwrap();
    expected.sort_by_key(|count| (count.kind, count.state));
    found.sort_by_key(|count| (count.kind, count.state));
    assert_eq!(found, expected);
}

/// By file, then in the order of the chain; what only waits to be tried again is none.
pub async fn failures_are_told_page_by_page(deployment: &Deployment) {
    let stories: [&[_]; 4] = [
        &[Delay(STEP)],
        &[Make(STEP), Fail(GLB)],
        &[MakeAllFor(GLB), Fail(PNG), Fail(USD), Fail(WEB)],
        &[Fail(STEP)],
    ];
    let mut expected = Vec::new();
    for story in stories {
        let file = deployment.add_with("bracket.step", story).await;
        let failed = deployment.rows(file).await.into_iter();
        let failed = failed.filter(|(_, row)| row.state == RowState::Failed);
        expected.extend(failed.map(|(kind, row)| {
            let cad_file_id = file;
            let failure = row.failure.expect("a failure has a reason");
            (Work { cad_file_id, kind }, failure)
        }));
    }
    assert_eq!(expected.len(), 5, "the stories fail so often");
    let mut found = Vec::new();
    loop {
        let after = found.last().map(|(work, _): &(Work, _)| *work);
        let page = deployment.ledger.failures(after, 2).await.unwrap();
        assert!(page.len() <= 2, "a page has no more than was asked for");
        if page.is_empty() {
            break;
        }
        found.extend(page);
    }
    assert_eq!(found, expected);
}
