//! A file, what happens to it, and what must always hold.

use std::{collections::BTreeMap, time::Duration};

use cadmill_domain::{
    Blob, CadFile, CadFileId, Claim, Clock as _, Conditions, Failure, FailureCode, FileRows,
    HandBack, Input, MAX_CRASHES, MaterialKey, MaterialMap, MaterialMaps, MediaAssetId, MediaKind,
    Recipe, Recovered, Recovery, Request, Requested, ResultSummary, Row, RowState, TaskKind, Work,
    WorkerName, contract::plan, fakes::ManualClock,
};
use chrono::TimeDelta;
use proptest::sample::Index;

const GLB: TaskKind = TaskKind::Make(MediaKind::GltfGeometry);

/// Something that happens to a file. Claims are taken from all that were ever given, stale or not.
#[derive(Debug, Clone)]
pub(super) enum Step {
    Request(TaskKind, Request),
    Claim(TaskKind),
    Close(Close, Index),
    Cancel(TaskKind),
    Bytes(u8),
    Paint(u8),
    /// The bytes that the row of this kind shows are lost; of a file itself, those of its source.
    Lose(TaskKind),
    /// The bytes of the source are stored again.
    Find,
    Wait,
}

/// How a claim is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Close {
    Publish,
    /// Of the scene, a coarser one.
    PublishCoarser,
    Fail,
    Delay,
    HandBack,
    Recover,
}

/// A file, its rows, and every claim that was ever given.
#[derive(Debug)]
pub(super) struct World {
    file: CadFile,
    pub(super) rows: BTreeMap<TaskKind, Row>,
    pub(super) claims: Vec<Claim>,
    clock: ManualClock,
}

impl World {
    pub(super) fn new() -> Self {
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

    fn work(&self, kind: TaskKind) -> Work {
        Work {
            cad_file_id: self.file.id,
            kind,
        }
    }

    /// As a database does it: reads all rows, and writes those that changed.
    pub(super) fn with_book<T>(&mut self, work: impl FnOnce(&mut FileRows<'_>) -> T) -> T {
        let plan = plan();
        let mut file_rows = FileRows::open(
            &plan,
            self.file.subject(),
            self.rows.clone(),
            self.clock.now(),
        );
        let done = work(&mut file_rows);
        let changes = file_rows.changes().map(|(kind, row)| (kind, row.clone()));
        self.rows.extend(changes.collect::<Vec<_>>());
        done
    }

    /// Only looks.
    fn with_book_of<T>(&self, look: impl FnOnce(&FileRows<'_>) -> T) -> T {
        let plan = plan();
        let rows = self.rows.clone();
        look(&FileRows::open(
            &plan,
            self.file.subject(),
            rows,
            self.clock.now(),
        ))
    }

    /// What `kind` is to be made of now: a coarser scene counts, unless the recipe is tried again.
    pub(super) fn input(&self, kind: TaskKind) -> Input {
        let wanted = plan().input(kind, &self.file.subject());
        let Some(coarser) = self.coarser_scene() else {
            return wanted;
        };
        match kind {
            GLB if self.rows[&GLB].wants(&wanted) => wanted,
            GLB => coarser,
            _ => plan().input_on(kind, &self.file.subject(), &coarser),
        }
    }

    /// The scene that is there in place of the one that is wanted.
    fn coarser_scene(&self) -> Option<Input> {
        let wanted = plan().input(GLB, &self.file.subject());
        let ready = self.rows.get(&GLB)?.ready.clone();
        ready.filter(|ready| ready.is_coarser_than(&wanted))
    }

    /// Whether a retry of a coarser scene is what `request` asks for.
    fn is_retry(&self, kind: TaskKind, request: Request) -> bool {
        let wanted = plan().input(kind, &self.file.subject());
        let has_wanted = self.rows.get(&kind).is_some_and(|row| row.has(&wanted));
        let is_of_scene = kind != TaskKind::ProcessStep;
        let is_asked = request.retry_coarser || request.force && kind == GLB;
        is_asked && is_of_scene && !has_wanted && self.coarser_scene().is_some()
    }

    /// Whether the newest result of this kind is there.
    fn is_there(&self, kind: TaskKind) -> bool {
        let newest = self.input(kind);
        self.rows.get(&kind).is_some_and(|row| row.has(&newest))
    }

    fn claim(&mut self, kind: TaskKind) {
        let (work, now) = (self.work(kind), self.clock.now());
        let row = self.rows.get_mut(&kind);
        let claim = row.and_then(|row| row.claim(work, &WorkerName::new("mill-1"), now));
        self.claims.extend(claim);
    }

    /// Closes a claim; whether it held.
    pub(super) fn close(&mut self, how: Close, claim: &Claim) -> bool {
        let (kind, fence) = (claim.work.kind, claim.fence);
        let retry_at = self.clock.now() + TimeDelta::seconds(10);
        let failure = Failure::new(FailureCode::KernelError, "Cannot.");
        let asset = kind.medium().map(|_| MediaAssetId::generate(&self.clock));
        self.with_book(|file_rows| match how {
            Close::PublishCoarser if kind == GLB => {
                let coarser = coarser(&claim.input);
                file_rows
                    .publish(kind, fence, asset, Some(coarser), &ResultSummary::default())
                    .is_some()
            }
            Close::Publish | Close::PublishCoarser => file_rows
                .publish(kind, fence, asset, None, &ResultSummary::default())
                .is_some(),
            Close::Fail => file_rows.fail(kind, fence, &failure, None),
            Close::Delay => file_rows.fail(kind, fence, &failure, Some(retry_at)),
            Close::HandBack => file_rows.hand_back(kind, fence, HandBack::Stopping),
            Close::Recover => {
                file_rows.recover(kind, fence, Recovery::Ended) != Recovered::NoLonger
            }
        })
    }

    pub(super) fn step(&mut self, step: &Step) {
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
                let cancelled = self.with_book(|file_rows| file_rows.cancel(*kind));
                assert_eq!(cancelled, was_in_flight, "a cancel tells what it did");
            }
            Step::Bytes(version) => {
                self.file.source = Blob::of(&[*version]);
                self.with_book(|file_rows| file_rows.source_changed(Request::BULK));
            }
            Step::Paint(tone) => {
                self.file.materials.part_materials = paint(*tone);
                self.with_book(repainted);
            }
            Step::Lose(kind) => self.lose(*kind),
            Step::Find => self.find(),
            Step::Wait => self.clock.advance(TimeDelta::seconds(20)),
        }
    }

    fn lose(&mut self, kind: TaskKind) {
        let before = self.rows.clone();
        let failure = Failure::source_lost(self.file.source.sha256);
        let lost = before.get(&kind).and_then(|row| row.asset);
        self.with_book(|file_rows| match kind {
            TaskKind::ProcessStep => file_rows.source_lost(&failure, &WorkerName::new("scrub")),
            TaskKind::Make(_) => file_rows.assets_lost(|asset| Some(asset) == lost),
        });
        if kind == TaskKind::ProcessStep {
            let row = &self.rows[&kind];
            assert!(!row.has(&self.input(kind)), "it has to be read again");
            let is_failed = row.state == RowState::Failed;
            assert!(is_failed || row.state == RowState::Running, "it is failed");
        } else if lost.is_some() {
            let row = &self.rows[&kind];
            assert_eq!((row.asset, &row.ready), (None, &None), "nothing is there");
        } else {
            assert_eq!(self.rows, before, "nothing was lost");
        }
        for (kind, row) in &self.rows {
            let was_running = |row: &Row| row.state == RowState::Running;
            assert_eq!(
                before.get(kind).is_some_and(was_running),
                was_running(row),
                "runs go on"
            );
            let stage = self.with_book_of(|file_rows| file_rows.next_task(*kind));
            assert!(
                self.rows == before || row.state != RowState::Queued || stage.kind == *kind,
                "nothing waits for what is not there: {kind}"
            );
        }
        let after = self.rows.clone();
        self.with_book(|file_rows| match kind {
            TaskKind::ProcessStep => file_rows.source_lost(&failure, &WorkerName::new("scrub")),
            TaskKind::Make(_) => file_rows.assets_lost(|asset| Some(asset) == lost),
        });
        assert_eq!(self.rows, after, "it is lost once");
    }

    fn find(&mut self) {
        #[expect(
            clippy::redundant_closure_for_method_calls,
            reason = "the method itself is of one lifetime"
        )]
        self.with_book(|file_rows| file_rows.source_found());
        let row = self.rows.get(&TaskKind::ProcessStep);
        let failure = row.filter(|row| row.state == RowState::Failed);
        let failure = failure.and_then(|row| row.failure.as_ref());
        let code = failure.map(|failure| failure.code);
        assert_ne!(code, Some(FailureCode::SourceLost), "it is read again");
    }

    fn request(&mut self, kind: TaskKind, request: Request) {
        let is_retry = self.is_retry(kind, request);
        let became = self.with_book(|file_rows| file_rows.request(kind, request));
        // Made again it can only be of what is there.
        let lacking = kind.upstream().filter(|upstream| !self.is_there(*upstream));
        let asked_for = lacking.filter(|_| request.force).unwrap_or(kind);
        let asked_for = if !is_retry {
            asked_for
        } else if self.is_there(TaskKind::ProcessStep) {
            GLB
        } else {
            TaskKind::ProcessStep
        };
        let stage = self.with_book(|file_rows| file_rows.next_task(asked_for));
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
        let again = self.with_book(|file_rows| file_rows.request(kind, request));
        let merged = if became == Requested::Queued {
            Requested::InFlight
        } else {
            became
        };
        assert_eq!(again, merged, "a second click queues nothing");
        assert_eq!(self.rows, before, "a second click changes nothing");
    }

    pub(super) fn close_and_check(&mut self, how: Close, claim: &Claim) {
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
        let is_there = !was_wanted && row.desired == row.ready;
        let after_all = if is_there {
            RowState::Idle
        } else {
            RowState::Queued
        };
        match how {
            Close::Publish | Close::PublishCoarser => {
                let is_coarser = how == Close::PublishCoarser && kind == GLB;
                let made = if is_coarser {
                    coarser(&claim.input)
                } else {
                    claim.input.clone()
                };
                assert_eq!(row.ready.as_ref(), Some(&made), "what was made is there");
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
                    after_all
                };
                assert_eq!(row.state, expected, "what is wanted anew has not failed");
            }
            Close::Recover => {
                let crashes = before[&kind].crashes + 1;
                let aside = was_wanted && crashes == MAX_CRASHES;
                assert_eq!(row.state == RowState::Failed, aside, "I6: poison stops");
            }
            Close::Delay => assert_eq!(row.state, after_all),
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
            return plan().chained(GLB).all(is_cared_for);
        }
        plan()
            .kinds()
            .any(|kind| self.rows.get(&kind).is_some_and(Row::is_in_flight))
    }

    pub(super) fn check(&self, before: &BTreeMap<TaskKind, Row>) {
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
            assert!(row.crashes <= MAX_CRASHES, "I6: {kind} is set aside");
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
    pub(super) fn work_off(&mut self) -> usize {
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

fn coarser(wanted: &Input) -> Input {
    let conditions = Conditions::new("kernel", 1, Duration::from_secs(1));
    wanted.coarser(Recipe::STANDARD, &conditions)
}

fn repainted(file_rows: &mut FileRows<'_>) {
    file_rows.materials_changed();
}

fn paint(tone: u8) -> MaterialMap {
    let spec = serde_json::json!({"color": format!("#0000{tone:02x}")});
    let spec = serde_json::from_value(spec).unwrap();
    MaterialMap::from([(MaterialKey::new("*"), spec)])
}
