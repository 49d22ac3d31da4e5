//! What every [`PipelineLog`](crate::pipeline_log::PipelineLog) must do.

use futures_util::future::{join, join_all};
use serde_json::{Value, json};

use crate::{
    CadFileId, Clock as _, TaskKind,
    contract::deployment::{Deployment, GLB},
    ledger::{Fence, WorkerName},
    pipeline_log::{EventId, NewPipelineEvent, StepEvent},
};

suite! { $ pipeline_log, pipeline_log_contract:
    a_timeline_tells_events_as_they_were_appended
    a_timeline_is_of_one_file
    events_at_once_are_all_kept
    events_are_followed_by_their_numbers
    whoever_follows_misses_nothing
}

/// In their order, even within one moment, with all that they hold.
pub async fn a_timeline_tells_events_as_they_were_appended(deployment: &Deployment) {
    let file = deployment.add("bracket.step").await;
    let results = [
        Value::Null,
        json!({"skipped": true, "reason": "duplicate"}),
        json!({"faces": [1, -2.5, 1e300, 0.1], "name": "it's \"ü\" 螺丝\n", "nested": {"": [[], {}]}}),
        json!("x".repeat(100_000)),
    ];
    let mut expected = Vec::new();
    for (number, result) in results.into_iter().enumerate() {
        for task in TaskKind::ALL {
            for event in StepEvent::ALL {
                let fence = (number > 0).then_some(Fence(number as u64 * 5_000_000_000));
                let result = result.clone();
                let event = NewPipelineEvent {
                    task,
                    event,
                    fence,
                    result,
                    ..an_event(file)
                };
                expected.push((deployment.clock.now(), event.clone()));
                deployment.log.append(event).await.unwrap();
            }
        }
        deployment.later(1);
    }
    let found = deployment.log.timeline(file).await.unwrap();
    let ids_grow = found.windows(2).all(|pair| pair[0].id < pair[1].id);
    assert!(ids_grow, "later events have higher numbers");
    let found: Vec<_> = found
        .into_iter()
        .map(|event| (event.at, event.event))
        .collect();
    assert_eq!(found, expected);
}

/// Of that file alone, and nothing if nothing happened.
pub async fn a_timeline_is_of_one_file(deployment: &Deployment) {
    let [first, second] = [deployment.add("a").await, deployment.add("b").await];
    for file in [first, second, first] {
        deployment.log.append(an_event(file)).await.unwrap();
    }
    for (file, expected) in [(first, 2), (second, 1), (deployment.add("c").await, 0)] {
        let found = deployment.log.timeline(file).await.unwrap();
        assert_eq!(found.len(), expected, "{found:?}");
        let all_mine = found.iter().all(|event| event.event.cad_file_id == file);
        assert!(all_mine, "{found:?}");
    }
}

/// Each with a number of its own.
pub async fn events_at_once_are_all_kept(deployment: &Deployment) {
    let file = deployment.add("bracket.step").await;
    let appended = (0..20).map(|_| deployment.log.append(an_event(file)));
    for appended in join_all(appended).await {
        appended.unwrap();
    }
    let mut ids: Vec<_> = deployment.log.timeline(file).await.unwrap();
    ids.dedup_by_key(|event| event.id);
    assert_eq!(ids.len(), 20, "events of twenty workers at once");
}

/// Of all files or of one, page by page.
pub async fn events_are_followed_by_their_numbers(deployment: &Deployment) {
    let log = &deployment.log;
    assert_eq!(log.last_event_id().await.unwrap(), EventId::default());
    let [first, second] = [deployment.add("a").await, deployment.add("b").await];
    for file in [first, second, first, first, second] {
        log.append(an_event(file)).await.unwrap();
    }
    deployment.followers_see(first).await;
    deployment.followers_see(second).await;
    for file in [None, Some(first), Some(second)] {
        let after = async |after, limit| log.events_after(after, file, limit).await.unwrap();
        let all = after(EventId::default(), 100).await;
        let expected = [5, 3, 2][usize::from(file.is_some()) + usize::from(file == Some(second))];
        assert_eq!(all.len(), expected, "{file:?}");
        assert!(all.windows(2).all(|pair| pair[0].id < pair[1].id));
        assert!(
            all.iter()
                .all(|event| file.is_none_or(|file| event.event.cad_file_id == file))
        );
        for limit in [1, 2, 100] {
            let (mut found, mut last) = (Vec::new(), EventId::default());
            while let page = after(last, limit).await
                && let Some(newest) = page.last()
            {
                assert!(page.len() <= limit);
                last = newest.id;
                found.extend(page);
            }
            assert_eq!(found, all, "{file:?}, pages of {limit}");
        }
        assert_eq!(after(EventId(u64::MAX), 10).await, [], "behind all");
        assert_eq!(after(EventId::default(), 0).await, []);
    }
    let newest = log.timeline(second).await.unwrap().pop().unwrap();
    assert_eq!(log.last_event_id().await.unwrap(), newest.id);
}

/// However many write meanwhile: what has a lower number was seen before.
pub async fn whoever_follows_misses_nothing(deployment: &Deployment) {
    const WRITERS: usize = 16;
    const EACH: usize = 25;
    let file = deployment.add("bracket.step").await;
    let write = async || {
        for _ in 0..EACH {
            deployment.log.append(an_event(file)).await.unwrap();
        }
    };
    let follow = async {
        let (mut seen, mut last) = (Vec::new(), EventId::default());
        // The newest number tells when all were written, even if some were missed.
        loop {
            let events = deployment.log.events_after(last, None, 1_000);
            let events = events.await.unwrap();
            if let Some(newest) = events.last() {
                last = newest.id;
                seen.extend(events.into_iter().map(|event| event.id));
                continue;
            }
            let written = deployment.log.timeline(file).await.unwrap();
            if written.len() == WRITERS * EACH && written.last().map(|event| event.id) == Some(last)
            {
                return (seen, written);
            }
        }
    };
    let writers = join_all((0..WRITERS).map(|_| write()));
    let (_, (seen, written)) = join(writers, follow).await;
    let written: Vec<_> = written.into_iter().map(|event| event.id).collect();
    assert_eq!(seen, written, "the follower has seen every event");
}

/// Some event of a file.
#[must_use]
pub fn an_event(cad_file_id: CadFileId) -> NewPipelineEvent {
    NewPipelineEvent {
        cad_file_id,
        task: GLB,
        event: StepEvent::StepStart,
        fence: None,
        worker: WorkerName::new("mill-1:4711"),
        result: Value::Null,
    }
}
