//! The pure ledger under any sequence of operations: a [`Row`] by itself, and the [`Book`] of a file
//! whose bytes and materials change.

use std::collections::BTreeMap;

use cadmill_domain::{
    Blob, Book, CadFile, CadFileId, Claim, Clock as _, Failure, FailureCode, Fence, Input,
    MOST_CRASHES, MaterialKey, MaterialMap, MaterialMaps, MediaKind, Priority, Recovered, Request,
    Requested, Row, RowState, TaskKind, TaskPayload, WorkerName, contract::making,
    fakes::ManualClock,
};
use chrono::TimeDelta;
use proptest::{
    collection::vec,
    prelude::*,
    sample::{Index, select},
};

const GLB: TaskKind = TaskKind::Make(MediaKind::GltfGeometry);
const MOST_STEPS: usize = 60;

/// Something that happens to a file. Claims are taken from all that were ever given, stale or not.
#[derive(Debug, Clone)]
enum Step {
    Request(TaskKind, Request),
    Claim(TaskKind),
    Close(Close, Index),
    Cancel(TaskKind),
    Bytes(u8),
    Paint(u8),
    Wait,
}

/// How a claim is closed.
#[derive(Debug, Clone, Copy)]
enum Close {
    Publish,
    Fail,
    Delay,
    HandBack,
    Recover,
}

/// A file, its rows, and every claim that was ever given.
#[derive(Debug)]
struct World {
    file: CadFile,
    rows: BTreeMap<TaskKind, Row>,
    claims: Vec<Claim>,
    clock: ManualClock,
}

impl World {
    fn new() -> Self {
        let clock = ManualClock::new();
        let now = clock.now();
        let file = CadFile {
            id: CadFileId::generate(&clock),
            name: "bracket.step".to_owned(),
            source: Blob::of(&[0]),
            step: None,
            materials: MaterialMaps::default(),
            created_at: now,
            updated_at: now,
        };
        Self {
            file,
            rows: BTreeMap::new(),
            claims: Vec::new(),
            clock,
        }
    }

    fn work(&self, kind: TaskKind) -> TaskPayload {
        TaskPayload {
            cad_file_id: self.file.id,
            kind,
        }
    }

    /// As a database does it: reads all rows, and writes those that changed.
    fn with_book<T>(&mut self, work: impl FnOnce(&mut Book<'_>) -> T) -> T {
        let making = making();
        let mut book = Book::open(&making, &self.file, self.rows.clone(), self.clock.now());
        let done = work(&mut book);
        let changes = book.changes().map(|(kind, row)| (kind, row.clone()));
        self.rows.extend(changes.collect::<Vec<_>>());
        done
    }

    fn input(&self, kind: TaskKind) -> Input {
        making().input(kind, &self.file)
    }

    fn claim(&mut self, kind: TaskKind) {
        let (work, now) = (self.work(kind), self.clock.now());
        let row = self.rows.get_mut(&kind);
        let claim = row.and_then(|row| row.claim(work, &WorkerName::new("mill-1"), now));
        self.claims.extend(claim);
    }

    /// Closes a claim; whether it held.
    fn close(&mut self, how: Close, claim: &Claim) -> bool {
        let (kind, fence) = (claim.work.kind, claim.fence);
        let retry_at = self.clock.now() + TimeDelta::seconds(10);
        let failure = Failure::new(FailureCode::KernelError, "Cannot.");
        self.with_book(|book| match how {
            Close::Publish => book.publish(kind, fence, None).is_some(),
            Close::Fail => book.fail(kind, fence, &failure, None),
            Close::Delay => book.fail(kind, fence, &failure, Some(retry_at)),
            Close::HandBack => book.hand_back(kind, fence),
            Close::Recover => book.recover(kind, fence) != Recovered::NoLonger,
        })
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Request(kind, request) => self.request(*kind, *request),
            Step::Claim(kind) => self.claim(*kind),
            Step::Close(..) if self.claims.is_empty() => {}
            Step::Close(how, which) => {
                let claim = which.get(&self.claims).clone();
                self.close_and_check(*how, &claim);
            }
            Step::Cancel(kind) => {
                let was_in_flight = self.rows.get(kind).is_some_and(Row::is_in_flight);
                let cancelled = self.with_book(|book| book.cancel(*kind));
                assert_eq!(cancelled, was_in_flight, "a cancel tells what it did");
            }
            Step::Bytes(version) => {
                self.file.source = Blob::of(&[*version]);
                self.with_book(|book| book.source_changed(Request::BULK));
            }
            Step::Paint(tone) => {
                self.file.materials.part_materials = paint(*tone);
                self.with_book(|book| book.materials_changed());
            }
            Step::Wait => self.clock.advance(TimeDelta::seconds(20)),
        }
    }

    fn request(&mut self, kind: TaskKind, request: Request) {
        let became = self.with_book(|book| book.request(kind, request));
        let stage = self.with_book(|book| book.stage(kind));
        let row = &self.rows[&stage.kind];
        assert_eq!(
            row.desired.as_ref(),
            Some(&stage.input),
            "I9: what was asked for is wanted"
        );
        let state = match row.state {
            RowState::Idle => Requested::Present,
            RowState::Failed => Requested::Failed,
            RowState::Queued if became == Requested::Queued => Requested::Queued,
            RowState::Queued | RowState::Running => Requested::InFlight,
            RowState::Cancelled => panic!("I9: a request leaves nothing cancelled"),
        };
        assert_eq!(became, state, "I9: a request tells what became of it");
        assert!(
            !request.retry_failed || became != Requested::Failed,
            "a retry retries"
        );
        let before = self.rows.clone();
        let again = self.with_book(|book| book.request(kind, request));
        let merged = if became == Requested::Queued {
            Requested::InFlight
        } else {
            became
        };
        assert_eq!(again, merged, "a second click queues nothing");
        assert_eq!(self.rows, before, "a second click changes nothing");
    }

    fn close_and_check(&mut self, how: Close, claim: &Claim) {
        let before = self.rows.clone();
        let kind = claim.work.kind;
        let holds = before[&kind].is_held_under(claim.fence);
        let closed = self.close(how, claim);
        assert_eq!(
            closed, holds,
            "I3: only the newest open claim is closed ({how:?})"
        );
        if !holds {
            assert_eq!(
                self.rows, before,
                "I3: a stale fence changes nothing ({how:?})"
            );
            return;
        }
        let row = &self.rows[&kind];
        assert_ne!(row.state, RowState::Running, "a closed claim runs no more");
        let was_wanted = before[&kind].desired == before[&kind].running;
        match how {
            Close::Publish => {
                assert_eq!(
                    row.ready.as_ref(),
                    Some(&claim.input),
                    "what was made is there"
                );
                let expected = if was_wanted {
                    RowState::Idle
                } else {
                    RowState::Queued
                };
                assert_eq!(
                    row.state, expected,
                    "I5: one more run if and only if it is wanted"
                );
                assert!(
                    kind != GLB || !was_wanted || self.is_chained(),
                    "I7: the chain"
                );
            }
            Close::Fail => {
                let expected = if was_wanted {
                    RowState::Failed
                } else {
                    RowState::Queued
                };
                assert_eq!(row.state, expected, "what is wanted anew has not failed");
            }
            Close::Recover => {
                let crashes = before[&kind].crashes + 1;
                let aside = was_wanted && crashes == MOST_CRASHES;
                assert_eq!(row.state == RowState::Failed, aside, "I6: poison stops");
            }
            Close::Delay => assert_eq!(row.state, RowState::Queued),
            Close::HandBack => assert_ne!(row.state, RowState::Failed),
        }
    }

    /// Whether all that is made of the scene, or what that is made of, is there or on its way.
    fn is_chained(&self) -> bool {
        let is_cared_for = |kind: TaskKind| {
            let row = self.rows.get(&kind);
            row.is_some_and(|row| row.is_in_flight() || row.has(&self.input(kind)))
        };
        let has_scene = self.rows[&GLB].has(&self.input(GLB));
        if has_scene {
            return making().chained(GLB).all(is_cared_for);
        }
        making()
            .kinds()
            .any(|kind| self.rows.get(&kind).is_some_and(Row::is_in_flight))
    }

    fn check(&self, before: &BTreeMap<TaskKind, Row>) {
        for (kind, row) in &self.rows {
            let old = before.get(kind).cloned().unwrap_or_default();
            let grown = row.fence.0.checked_sub(old.fence.0);
            assert!(
                matches!(grown, Some(0 | 1)),
                "I2: the fence of {kind} only grows, by one"
            );
            let state = row.state;
            assert_eq!(
                row.running.is_some(),
                state == RowState::Running,
                "what runs has an input, what does not has none: {kind}"
            );
            assert!(
                row.desired.is_some() || state == RowState::Idle,
                "{kind} is wanted"
            );
            if state == RowState::Idle {
                assert_eq!(
                    row.ready, row.desired,
                    "I4: idle {kind} has what was wanted"
                );
                let trouble = (row.crashes, row.attempts, &row.failure, row.not_before);
                assert_eq!(trouble, (0, 0, &None, None), "idle {kind} has no trouble");
            }
            assert!(row.crashes <= MOST_CRASHES, "I6: {kind} is set aside");
            assert!(
                row.failure.is_some() || state != RowState::Failed,
                "{kind} has a reason"
            );
            assert!(
                row.requested_at.is_some(),
                "{kind} is wanted since some time"
            );
        }
        let open = self.claims.iter().filter(|claim| {
            let row = &self.rows[&claim.work.kind];
            row.is_held_under(claim.fence)
        });
        let mut open: Vec<_> = open.map(|claim| claim.work.kind).collect();
        open.sort();
        let running = self
            .rows
            .iter()
            .filter(|(_, row)| row.state == RowState::Running);
        let running: Vec<_> = running.map(|(kind, _)| *kind).collect();
        assert_eq!(
            open, running,
            "I1: one holder for what runs, and none for what does not"
        );
    }

    /// Lets a worker that never fails do all there is, as the pipeline does.
    fn work_off(&mut self) -> usize {
        self.clock.advance(TimeDelta::hours(1));
        for runs in 0..100 {
            let now = self.clock.now();
            let next = self.rows.iter().find(|(_, row)| row.is_due(now));
            let Some((&kind, _)) = next else { return runs };
            self.claim(kind);
            let claim = self
                .claims
                .last()
                .cloned()
                .expect("what is due can be claimed");
            // What is wanted has changed: the worker does not make what nobody wants.
            let how = if claim.input == self.input(kind) {
                Close::Publish
            } else {
                Close::HandBack
            };
            self.close_and_check(how, &claim);
        }
        panic!("the work does not end: {self:#?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_story_keeps_the_invariants(steps in vec(any_step(), 0..MOST_STEPS)) {
        let mut world = World::new();
        for step in &steps {
            let before = world.rows.clone();
            world.step(step);
            world.check(&before);
        }
    }

    #[test]
    fn any_story_ends_with_all_media_of_the_newest_file(steps in vec(any_step(), 0..MOST_STEPS)) {
        let mut world = World::new();
        for step in &steps {
            world.step(step);
        }
        // Every worker is gone; their leases run out. Then all is asked for once.
        for claim in world.claims.clone() {
            world.close(Close::Recover, &claim);
        }
        for kind in TaskKind::ALL {
            world.with_book(|book| book.request(kind, Request::ASKED));
        }
        world.work_off();
        for kind in TaskKind::ALL {
            let row = &world.rows[&kind];
            prop_assert_eq!(row.state, RowState::Idle, "I6: {} is done", kind);
            prop_assert_eq!(row.ready.as_ref(), Some(&world.input(kind)), "I4: {} is the newest", kind);
        }
        prop_assert_eq!(world.work_off(), 0, "what is done is not done again");
    }

    #[test]
    fn an_upload_brings_all_media_whatever_happened_to_bytes_and_materials(
        steps in vec(prop_oneof![bytes(), materials(), claim(), publish(), hand_back()], 0..MOST_STEPS),
    ) {
        let mut world = World::new();
        world.with_book(|book| book.request(TaskKind::ProcessStep, Request::BULK));
        for step in &steps {
            world.step(step);
        }
        for claim in world.claims.clone() {
            world.close(Close::HandBack, &claim);
        }
        world.work_off();
        for kind in TaskKind::ALL {
            let found = world.rows.get(&kind).and_then(|row| row.ready.clone());
            prop_assert_eq!(found, Some(world.input(kind)), "I7: nothing of the chain is lost: {}", kind);
        }
    }

    #[test]
    fn requests_during_a_run_give_one_more_run_or_none(
        wanted in vec((0..3_u8, any_request()), 1..100),
    ) {
        let clock = ManualClock::new();
        let now = clock.now();
        let id = CadFileId::generate(&clock);
        let work = TaskPayload { cad_file_id: id, kind: GLB };
        let mut row = Row::default();
        row.request(&input(0), Request::BULK, now);
        let claim = row.claim(work, &WorkerName::new("mill-1"), now).unwrap();
        for (version, request) in &wanted {
            let became = row.request(&input(*version), *request, now);
            prop_assert_eq!(became, Requested::InFlight, "a request during a run is merged");
        }
        let last = wanted.last().unwrap().0;
        let again = row.publish(claim.fence, None, now);
        prop_assert_eq!(again, Some(last != 0), "I5: one more run if another input is wanted last");
        if let Some(claim) = row.claim(work, &WorkerName::new("mill-1"), now) {
            prop_assert_eq!(&claim.input, &input(last), "I5: of the input that was wanted last");
            prop_assert_eq!(row.publish(claim.fence, None, now), Some(false), "I5: one more run");
        }
        prop_assert!(row.has(&input(last)), "I4: the newest is there");
        prop_assert!(row.claim(work, &WorkerName::new("mill-1"), now).is_none(), "I5: no third run");
        prop_assert!(row.fence <= Fence(2), "I5: two runs at most");
    }
}

fn any_step() -> impl Strategy<Value = Step> {
    let how = [
        Close::Publish,
        Close::Publish,
        Close::Fail,
        Close::Delay,
        Close::HandBack,
        Close::Recover,
    ];
    prop_oneof![
        3 => (any_kind(), any_request()).prop_map(|(kind, request)| Step::Request(kind, request)),
        5 => claim(),
        7 => (select(how.to_vec()), any::<Index>()).prop_map(|(how, which)| Step::Close(how, which)),
        1 => any_kind().prop_map(Step::Cancel),
        1 => bytes(),
        1 => materials(),
        1 => Just(Step::Wait),
    ]
}

fn any_kind() -> impl Strategy<Value = TaskKind> {
    select(TaskKind::ALL.to_vec())
}

fn any_request() -> impl Strategy<Value = Request> {
    let priority = select(vec![Priority::Bulk, Priority::Asked, Priority::Upload]);
    (priority, any::<bool>()).prop_map(|(priority, retry_failed)| Request {
        priority,
        retry_failed,
    })
}

fn claim() -> impl Strategy<Value = Step> {
    any_kind().prop_map(Step::Claim)
}

fn publish() -> impl Strategy<Value = Step> {
    any::<Index>().prop_map(|which| Step::Close(Close::Publish, which))
}

fn hand_back() -> impl Strategy<Value = Step> {
    any::<Index>().prop_map(|which| Step::Close(Close::HandBack, which))
}

fn bytes() -> impl Strategy<Value = Step> {
    (0..2_u8).prop_map(Step::Bytes)
}

fn materials() -> impl Strategy<Value = Step> {
    (0..2_u8).prop_map(Step::Paint)
}

fn input(version: u8) -> Input {
    Input::from_text(format!("version {version}"))
}

fn paint(tone: u8) -> MaterialMap {
    let spec = serde_json::json!({"color": format!("#0000{tone:02x}")});
    let spec = serde_json::from_value(spec).unwrap();
    MaterialMap::from([(MaterialKey::new("*"), spec)])
}
