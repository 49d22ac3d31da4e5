//! All rows of one file, and the chain between them. A database locks the file, reads its rows,
//! lets one of these operations run, and writes the rows that changed.

use std::collections::BTreeMap;

use super::{Fence, Recovered, Request, Requested, Row, RowState};
use crate::{
    CadFileId, Failure, Input, Making, MediaAssetId, MediaKind, Moment, Subject, TaskKind,
};

/// The rows of one file.
#[derive(Debug)]
pub struct Book<'a> {
    making: &'a Making,
    file: Subject,
    rows: BTreeMap<TaskKind, Row>,
    changed: Vec<TaskKind>,
    now: Moment,
}

/// What has to be done for a result, first of all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    /// The kind of work.
    pub kind: TaskKind,
    /// What it is made of.
    pub input: Input,
}

impl<'a> Book<'a> {
    /// Opens the book of `file`.
    pub fn open(
        making: &'a Making,
        file: Subject,
        rows: impl IntoIterator<Item = (TaskKind, Row)>,
        now: Moment,
    ) -> Self {
        Self {
            making,
            file,
            rows: rows.into_iter().collect(),
            changed: Vec::new(),
            now,
        }
    }

    /// The file.
    #[must_use]
    pub const fn file(&self) -> CadFileId {
        self.file.id
    }

    /// The rows that changed, to be written.
    pub fn changes(&self) -> impl Iterator<Item = (TaskKind, &Row)> {
        self.changed.iter().map(|kind| (*kind, &self.rows[kind]))
    }

    /// The row of this kind, if there is one.
    #[must_use]
    pub fn row(&self, kind: TaskKind) -> Option<&Row> {
        self.rows.get(&kind)
    }

    /// Asks for the result of `kind`, or for what it is to be made of where that is not there.
    pub fn request(&mut self, kind: TaskKind, request: Request) -> Requested {
        let lacking = kind.upstream().filter(|kind| !self.has_current(*kind));
        let stage = match lacking {
            // Made again it can only be of what is there; so that comes first.
            Some(upstream) if request.again => self.stage(upstream),
            _ => self.stage(kind),
        };
        let again = request.again && lacking.is_none();
        let request = Request { again, ..request };
        self.change(stage.kind, |row, now| {
            row.request(&stage.input, request, now)
        })
    }

    /// The first stage on the way to `kind` whose result is not there, or `kind` itself.
    #[must_use]
    pub fn stage(&self, kind: TaskKind) -> Stage {
        if !self.has_current(kind)
            && let Some(upstream) = kind.upstream()
            && !self.has_current(upstream)
        {
            return self.stage(upstream);
        }
        Stage {
            kind,
            input: self.making.input(kind, &self.file),
        }
    }

    /// Publishes under `fence`, and asks for what follows. None if the claim does not hold.
    pub fn publish(
        &mut self,
        kind: TaskKind,
        fence: Fence,
        asset: Option<MediaAssetId>,
    ) -> Option<(bool, Vec<(TaskKind, Requested)>)> {
        let again = self.change(kind, |row, now| row.publish(fence, asset, now))?;
        if again {
            return Some((true, Vec::new()));
        }
        // What failed before has something new to work on.
        let request = Request {
            priority: self.rows[&kind].priority,
            ..Request::ASKED
        };
        Some((false, self.follow(kind, request)))
    }

    /// Closes a claim with a failure.
    pub fn fail(
        &mut self,
        kind: TaskKind,
        fence: Fence,
        failure: &Failure,
        retry_at: Option<Moment>,
    ) -> bool {
        let held = self.change(kind, |row, _| row.fail(fence, failure, retry_at));
        if held {
            self.follow_what_is_there(kind);
        }
        held
    }

    /// Gives a claim back, and looks up anew what is wanted: where that cannot be made yet, what it
    /// is made of is asked for instead.
    pub fn hand_back(&mut self, kind: TaskKind, fence: Fence) -> bool {
        if !self.change(kind, |row, _| row.hand_back(fence)) {
            return false;
        }
        let stage = self.stage(kind);
        let request = Request {
            priority: self.rows[&kind].priority,
            ..Request::BULK
        };
        if stage.kind != kind {
            self.change(kind, |row, _| row.withdraw());
        }
        self.request(kind, request);
        self.follow_what_is_there(kind);
        true
    }

    /// Takes a claim back from a worker that is gone.
    pub fn recover(&mut self, kind: TaskKind, fence: Fence) -> Recovered {
        let recovered = self.change(kind, |row, _| row.recover(fence));
        if recovered != Recovered::NoLonger {
            self.follow_what_is_there(kind);
        }
        recovered
    }

    /// Takes work out of the queue.
    pub fn cancel(&mut self, kind: TaskKind) -> bool {
        self.change(kind, |row, _| row.cancel())
    }

    /// The materials of the file have changed: media that show them are asked for anew, where the
    /// scene is there or when it will be.
    pub fn materials_changed(&mut self) {
        let scene = TaskKind::Make(MediaKind::GltfGeometry);
        if self.has_current(scene) {
            self.follow(scene, Request::ASKED);
        }
    }

    /// The bytes of the file have changed: what waits downstream waits for the new ones.
    pub fn source_changed(&mut self, request: Request) {
        let making = self.making;
        for kind in making.kinds() {
            let is_queued = self
                .row(kind)
                .is_some_and(|row| row.state == RowState::Queued);
            if kind != TaskKind::ProcessStep && is_queued {
                self.change(kind, |row, _| row.withdraw());
            }
        }
        if self.request(TaskKind::ProcessStep, request) == Requested::Present {
            self.follow(TaskKind::ProcessStep, request);
        }
    }

    /// A claim was closed without a result, and what is wanted by now was there before: nobody will
    /// publish it again.
    fn follow_what_is_there(&mut self, kind: TaskKind) {
        let row = &self.rows[&kind];
        if row.state == RowState::Idle && self.has_current(kind) {
            let request = Request {
                priority: row.priority,
                ..Request::BULK
            };
            self.follow(kind, request);
        }
    }

    /// Asks for what is made of `kind`. What is there already will not publish again, so what is
    /// made of that is asked for, too.
    fn follow(&mut self, kind: TaskKind, request: Request) -> Vec<(TaskKind, Requested)> {
        let again = false;
        let request = Request { again, ..request };
        let mut chained = Vec::new();
        let making = self.making;
        for next in making.chained(kind) {
            let became = self.request(next, request);
            chained.push((next, became));
            if became == Requested::Present {
                chained.extend(self.follow(next, request));
            }
        }
        chained
    }

    fn has_current(&self, kind: TaskKind) -> bool {
        let input = self.making.input(kind, &self.file);
        self.rows.get(&kind).is_some_and(|row| row.has(&input))
    }

    /// Lets `change` run on a row, and remembers whether it did anything.
    fn change<T>(&mut self, kind: TaskKind, change: impl FnOnce(&mut Row, Moment) -> T) -> T {
        let row = self.rows.entry(kind).or_default();
        let before = row.clone();
        let done = change(row, self.now);
        if *row != before && !self.changed.contains(&kind) {
            self.changed.push(kind);
        }
        done
    }
}
