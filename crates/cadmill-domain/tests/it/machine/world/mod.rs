//! A file, what happens to it, and what must always hold.

mod closing;
mod invariants;
mod requests;

use std::collections::BTreeMap;

use cadmill_domain::{
    Blob, CadFile, CadFileId, Clock as _, Input, MaterialKey, MaterialMap, MaterialMaps, MediaKind,
    TaskKind, Work,
    contract::plan,
    fakes::ManualClock,
    ledger::{Claim, FileRows, Request, Row, WorkerName},
};
use chrono::TimeDelta;
use proptest::sample::Index;

const GLB: TaskKind = TaskKind::Make(MediaKind::GltfGeometry);

/// Something that happens to a file. Its claims include stale ones.
#[derive(Debug, Clone)]
pub(super) enum Step {
    Request(TaskKind, Request),
    Claim(TaskKind),
    Close(Close, Index),
    Cancel(TaskKind),
    Bytes(u8),
    Paint(u8),
    /// The bytes of the result of this kind are lost; for `process_step_file`, those of the source.
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

/// A file, its rows, and every claim so far.
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

    /// Reads all rows, runs `work` on them and writes those that changed, as a store does.
    pub(super) fn with_rows<T>(&mut self, work: impl FnOnce(&mut FileRows<'_>) -> T) -> T {
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

    /// Runs `look` on the rows and writes nothing.
    fn view_rows<T>(&self, look: impl FnOnce(&FileRows<'_>) -> T) -> T {
        let plan = plan();
        let rows = self.rows.clone();
        look(&FileRows::open(
            &plan,
            self.file.subject(),
            rows,
            self.clock.now(),
        ))
    }

    /// The input that `kind` is to be made of now: a coarser scene counts, unless the recipe is retried.
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

    fn claim(&mut self, kind: TaskKind) {
        let (work, now) = (self.work(kind), self.clock.now());
        let row = self.rows.get_mut(&kind);
        let claim = row.and_then(|row| row.claim(work, &WorkerName::new("mill-1"), now));
        self.claims.extend(claim);
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
                let cancelled = self.with_rows(|file_rows| file_rows.cancel(*kind));
                assert_eq!(cancelled, was_in_flight, "a cancel reports what it did");
            }
            Step::Bytes(version) => {
                self.file.source = Blob::of(&[*version]);
                self.with_rows(|file_rows| file_rows.source_changed(Request::BULK));
            }
            Step::Paint(tone) => {
                self.file.materials.part_materials = paint(*tone);
                self.with_rows(repainted);
            }
            Step::Lose(kind) => self.lose(*kind),
            Step::Find => self.find(),
            Step::Wait => self.clock.advance(TimeDelta::seconds(20)),
        }
    }

    /// Runs all due work as a worker does that never fails; returns how many tasks ran.
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
            // If the wanted input has changed, the worker hands the claim back.
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

fn repainted(file_rows: &mut FileRows<'_>) {
    file_rows.materials_changed();
}

fn paint(tone: u8) -> MaterialMap {
    let spec = serde_json::json!({"color": format!("#0000{tone:02x}")});
    let spec = serde_json::from_value(spec).unwrap();
    MaterialMap::from([(MaterialKey::new("*"), spec)])
}
