//! The live events: who follows them misses none, and is told in time when they end.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use axum::{
    Router,
    body::Body,
    http::{Method, StatusCode},
};
use cadmill_api::{Access, FeedSettings};
use cadmill_domain::{
    CadFileId, StoreError, TaskKind,
    access_token::Role,
    fakes::MemoryStore,
    ledger::WorkerName,
    pipeline_log::{
        EventId, MockPipelineLog, NewPipelineEvent, PipelineEvent, PipelineLog, StepEvent,
    },
};
use http_body_util::BodyExt as _;
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout};
use tower::ServiceExt as _;

use crate::harness::{Answer, Harness, answer, with};

/// What one frame of a stream says.
#[derive(Debug, Default, PartialEq)]
struct Frame {
    id: Option<u64>,
    event: String,
    data: Option<Value>,
    retry: Option<u64>,
    comment: String,
}

impl Frame {
    fn parse(text: &str) -> Self {
        let mut frame = Self::default();
        for line in text.lines().filter(|line| !line.is_empty()) {
            let (field, value) = line.split_once(':').unwrap();
            let value = value.trim_start();
            match field {
                "id" => frame.id = Some(value.parse().unwrap()),
                "event" => value.clone_into(&mut frame.event),
                "data" => frame.data = Some(serde_json::from_str(value).unwrap()),
                "retry" => frame.retry = Some(value.parse().unwrap()),
                "" => value.clone_into(&mut frame.comment),
                other => panic!("{other}"),
            }
        }
        frame
    }
}

/// A harness that needs no tokens.
fn open() -> Harness {
    let mut harness = Harness::new();
    harness.settings.access = Access::Open;
    harness
}

fn request(query: &str, last: Option<u64>) -> axum::http::Request<Body> {
    let request = with("none", Method::GET, &format!("/api/events{query}"));
    let request = match last {
        Some(last) => request.header("last-event-id", last),
        None => request,
    };
    request.body(Body::empty()).unwrap()
}

async fn follow(router: &Router, query: &str, last: Option<u64>) -> Body {
    let response = router.clone().oneshot(request(query, last)).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    response.into_body()
}

async fn refused(router: &Router, query: &str) -> Answer {
    answer(router.clone(), request(query, None)).await
}

async fn next(body: &mut Body) -> Option<Frame> {
    let frame = body.frame().await?.unwrap();
    let text = frame.into_data().unwrap();
    Some(Frame::parse(std::str::from_utf8(&text).unwrap()))
}

/// All frames that come at once.
async fn at_once(body: &mut Body) -> Vec<Frame> {
    let mut frames = Vec::new();
    while let Ok(Some(frame)) = timeout(Duration::from_millis(1), next(body)).await {
        frames.push(frame);
    }
    frames
}

async fn happens(log: &dyn PipelineLog, file: CadFileId, event: StepEvent) {
    let event = NewPipelineEvent {
        cad_file_id: file,
        task: TaskKind::ProcessStep,
        event,
        fence: None,
        worker: WorkerName::new("worker 1"),
        result: json!({}),
    };
    log.append(event).await.unwrap();
}

fn ids(frames: &[Frame]) -> Vec<u64> {
    let told = frames.iter().filter(|frame| frame.data.is_some());
    told.map(|frame| frame.id.unwrap()).collect()
}

#[tokio::test(start_paused = true)]
async fn whoever_comes_again_misses_nothing_and_gets_nothing_twice() {
    const EVENTS: u64 = 700;
    let harness = open();
    let file = harness.file("a.step", b"a").await.id;
    let router = harness.router();
    let clients = (0..12).map(|seed| {
        let router = router.clone();
        tokio::spawn(async move {
            let mut random = StdRng::seed_from_u64(seed);
            let mut last = None;
            let mut read = Vec::new();
            while read.len() < EVENTS as usize {
                let mut body = follow(&router, "?after=0", last).await;
                let patience = Duration::from_millis(random.random_range(1..3_000));
                let until = Instant::now() + patience;
                let greatest = random.random_range(1..200);
                for _ in 0..greatest {
                    let left = until.saturating_duration_since(Instant::now());
                    let Ok(Some(frame)) = timeout(left, next(&mut body)).await else {
                        break;
                    };
                    last = frame.id.or(last);
                    read.extend(ids(&[frame]));
                }
                drop(body);
                sleep(Duration::from_millis(random.random_range(0..2_000))).await;
            }
            read
        })
    });
    let clients: Vec<_> = clients.collect();
    let mut random = StdRng::seed_from_u64(4711);
    for _ in 0..EVENTS {
        happens(&harness.store, file, StepEvent::StepDone).await;
        sleep(Duration::from_millis(random.random_range(0..100))).await;
    }
    for client in clients {
        let read = timeout(Duration::from_hours(1), client).await;
        assert!(read.unwrap().unwrap().into_iter().eq(1..=EVENTS));
    }
}

#[tokio::test(start_paused = true)]
async fn an_event_tells_what_happened() {
    let harness = open();
    let file = harness.file("a.step", b"a").await.id;
    let mut body = follow(&harness.router(), "", None).await;
    let greeting = next(&mut body).await.unwrap();
    assert_eq!((greeting.id, greeting.retry), (Some(0), Some(2_000)));
    assert_eq!(greeting.data, None);
    happens(&harness.store, file, StepEvent::StepFailed).await;
    let frame = next(&mut body).await.unwrap();
    assert_eq!((frame.id, frame.event.as_str()), (Some(1), "step_failed"));
    let expected = json!({
        "id": 1, "at": "2026-01-01T12:00:00Z", "cad_file_id": file, "step": "process_step",
        "event": "step_failed", "fence": null, "worker": "worker 1", "result": {},
    });
    assert_eq!(frame.data, Some(expected));
}

#[tokio::test(start_paused = true)]
async fn only_what_is_wanted_is_told_from_where_it_is_wanted() {
    let harness = open();
    let files = [
        harness.file("a.step", b"a").await.id,
        harness.file("b.step", b"b").await.id,
    ];
    for number in 0..600_usize {
        let event = StepEvent::ALL[number % 3];
        happens(&harness.store, files[number / 3 % 2], event).await;
    }
    let router = harness.router();
    let told = async |query: String, last| {
        let mut body = follow(&router, &query, last).await;
        let frames = at_once(&mut body).await;
        ids(&frames)
    };
    let all: Vec<u64> = (1..=600).collect();
    assert_eq!(told("?after=0".to_owned(), None).await, all);
    assert_eq!(told("?after=590".to_owned(), None).await, all[590..]);
    // The header is newer than the address.
    assert_eq!(told("?after=0".to_owned(), Some(598)).await, all[598..]);
    assert_eq!(told(String::new(), None).await, [0_u64; 0]);
    let second: Vec<_> = all
        .iter()
        .copied()
        .filter(|n| (n - 1) / 3 % 2 == 1)
        .collect();
    let query = format!("?after=0&cad_file_id={}", files[1]);
    assert_eq!(told(query.clone(), None).await, second);
    let failed: Vec<_> = second.iter().copied().filter(|n| n % 3 == 0).collect();
    let query = format!("{query}&event=step_failed");
    assert_eq!(told(query, None).await, failed);
    let query = "?after=0&event=step_start%2Cstep_done,step_failed".to_owned();
    assert_eq!(told(query, None).await, all);
    // A position from before the database was restored.
    let mut body = follow(&router, "", Some(9_000)).await;
    assert_eq!(next(&mut body).await.unwrap().id, Some(600));
}

#[tokio::test(start_paused = true)]
async fn silence_is_broken_and_moves_the_position() {
    let harness = open();
    let files = [
        harness.file("a.step", b"a").await.id,
        harness.file("b.step", b"b").await.id,
    ];
    let query = format!("?cad_file_id={}", files[0]);
    let mut body = follow(&harness.router(), &query, None).await;
    assert_eq!(next(&mut body).await.unwrap().id, Some(0));
    happens(&harness.store, files[1], StepEvent::StepDone).await;
    let began = Instant::now();
    let alive = next(&mut body).await.unwrap();
    assert_eq!((alive.id, alive.data), (Some(1), None));
    let waited = began.elapsed();
    assert!(waited >= Duration::from_secs(15) && waited < Duration::from_secs(16));
    // After a quarter of an hour the client shows its token again.
    let mut last = None;
    while let Some(frame) = next(&mut body).await {
        last = Some(frame);
    }
    assert_eq!(last.unwrap().data, None);
    assert_eq!(began.elapsed().as_secs(), 900);
}

#[tokio::test(start_paused = true)]
async fn there_are_only_so_many_places() {
    let mut harness = open();
    harness.settings.feed = FeedSettings {
        most_followers: 2,
        ..FeedSettings::default()
    };
    let router = harness.router();
    let first = follow(&router, "", None).await;
    let _second = follow(&router, "", None).await;
    let answer = refused(&router, "").await;
    answer.is_problem(503, "too_many_followers");
    assert_eq!(answer.header("retry-after"), "5");
    drop(first);
    drop(follow(&router, "", None).await);
}

#[tokio::test(start_paused = true)]
async fn followers_are_dismissed_at_once_when_the_service_ends() {
    let harness = open();
    let router = harness.router();
    let mut body = follow(&router, "", None).await;
    next(&mut body).await.unwrap();
    let stop = harness.api.stop.clone();
    let began = Instant::now();
    let waits = tokio::spawn(async move { next(&mut body).await });
    tokio::task::yield_now().await;
    stop.cancel();
    assert_eq!(waits.await.unwrap(), None);
    assert_eq!(began.elapsed(), Duration::ZERO);
    refused(&router, "").await.is_problem(503, "stopping");
}

fn away() -> StoreError {
    StoreError::Unavailable("connection refused".into())
}

#[tokio::test(start_paused = true)]
async fn a_database_that_goes_away_ends_the_stream_politely() {
    let mut harness = open();
    let mut log = MockPipelineLog::new();
    log.expect_last_event_id()
        .times(1)
        .returning(|| Ok(EventId(5)));
    log.expect_last_event_id().returning(|| Err(away()));
    log.expect_events_after()
        .returning(|_, _, _| Ok(Vec::new()));
    harness.api.log = Arc::new(log);
    let router = harness.router();
    let mut body = follow(&router, "", None).await;
    assert_eq!(next(&mut body).await.unwrap().id, Some(5));
    let farewell = next(&mut body).await.unwrap();
    assert_eq!(farewell.retry, Some(5_000));
    assert_eq!(farewell.comment, "the database is away");
    assert_eq!(next(&mut body).await, None);
    let answer = refused(&router, "").await;
    answer.is_problem(503, "database_away");
    assert_eq!(answer.header("retry-after"), "5");
}

#[tokio::test(start_paused = true)]
async fn one_poller_looks_and_only_while_somebody_follows() {
    let mut harness = open();
    let mut log = MockPipelineLog::new();
    let looks = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&looks);
    log.expect_last_event_id().returning(move || {
        counted.fetch_add(1, Ordering::Relaxed);
        Ok(EventId(5))
    });
    // Each catches up once, and once more when the poller first tells what it saw.
    log.expect_events_after()
        .times(3..=6)
        .returning(|_, _, _| Ok(Vec::new()));
    harness.api.log = Arc::new(log);
    let router = harness.router();
    let mut bodies = Vec::new();
    for _ in 0..3 {
        let mut body = follow(&router, "", None).await;
        assert_eq!(at_once(&mut body).await.len(), 1);
        bodies.push(body);
    }
    for body in &mut bodies {
        let wait = Duration::from_millis(3_330);
        assert!(timeout(wait, next(body)).await.is_err());
    }
    drop(bodies);
    sleep(Duration::from_hours(1)).await;
    // Once for each who came, twice a second for ten seconds, and the last time finds nobody.
    let looks = looks.load(Ordering::Relaxed);
    assert!((23..=24).contains(&looks), "{looks}");
}

/// A log that takes two seconds to tell what there was.
#[derive(Debug)]
struct Slow(MemoryStore);

#[async_trait]
impl PipelineLog for Slow {
    async fn append(&self, event: NewPipelineEvent) -> Result<(), StoreError> {
        self.0.append(event).await
    }

    async fn timeline(&self, file: CadFileId) -> Result<Vec<PipelineEvent>, StoreError> {
        self.0.timeline(file).await
    }

    async fn events_after(
        &self,
        after: EventId,
        file: Option<CadFileId>,
        limit: usize,
    ) -> Result<Vec<PipelineEvent>, StoreError> {
        let read = self.0.events_after(after, file, limit).await;
        sleep(Duration::from_secs(2)).await;
        read
    }

    async fn last_event_id(&self) -> Result<EventId, StoreError> {
        self.0.last_event_id().await
    }
}

#[tokio::test(start_paused = true)]
async fn what_happens_while_a_follower_reads_is_told_too() {
    let mut harness = open();
    harness.api.log = Arc::new(Slow(harness.store.clone()));
    let file = harness.file("a.step", b"a").await.id;
    let mut body = follow(&harness.router(), "", None).await;
    next(&mut body).await.unwrap();
    let reads = tokio::spawn(async move { next(&mut body).await.unwrap() });
    sleep(Duration::from_millis(100)).await;
    happens(&harness.store, file, StepEvent::StepDone).await;
    let began = Instant::now();
    assert_eq!(reads.await.unwrap().event, "step_done");
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn what_cannot_be_meant_is_refused() {
    let harness = Harness::new();
    let secret = harness.secret(Role::Viewer).await;
    for query in [
        "after=-1",
        "after=x",
        "after=",
        "after=9007199254740992",
        "cad_file_id=7",
        "event=",
        "event=step_don",
        "event=step_done,",
        "event=step_done&event=step_start",
        "follow=true",
    ] {
        let path = format!("/api/events?{query}");
        let answer = harness.get(&secret, &path).await;
        answer.is_problem(400, "bad_query");
    }
    for last in ["-1", "x", "", "9007199254740992"] {
        let request = with(&secret, Method::GET, "/api/events").header("last-event-id", last);
        let answer = harness.send(request.body(Body::empty()).unwrap()).await;
        answer.is_problem(400, "bad_header");
    }
    let answer = harness.get("none", "/api/events").await;
    answer.is_problem(401, "unauthorized");
}
