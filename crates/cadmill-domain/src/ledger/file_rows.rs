//! All rows of one file, and the chain between them. A database locks the file, reads its rows,
//! lets one of these operations run, and writes the rows that changed.

mod loss;

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    Confirmed, Fence, HandBack, Recovered, Recovery, Request, Requested, ResultSummary, Row,
    RowState, events,
};
use crate::{
    CadFileId, ContentHash, Failure, Input, MediaAssetId, MediaKind, MediaPlan, Moment, TaskKind,
    cad_file::Subject,
    ledger::WorkerName,
    pipeline_log::{NewPipelineEvent, StepEvent},
};

const SCENE: TaskKind = TaskKind::Make(MediaKind::GltfGeometry);

/// The rows of one file.
#[derive(Debug)]
pub struct FileRows<'a> {
    plan: &'a MediaPlan,
    file: Subject,
    rows: BTreeMap<TaskKind, Row>,
    changed: Vec<TaskKind>,
    events: Vec<NewPipelineEvent>,
    now: Moment,
}

/// What has to be done for a result, first of all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NextTask {
    /// The kind of work.
    pub kind: TaskKind,
    /// What it is made of.
    pub input: Input,
}

impl<'a> FileRows<'a> {
    /// Opens the book of `file`.
    pub fn open(
        plan: &'a MediaPlan,
        file: Subject,
        rows: impl IntoIterator<Item = (TaskKind, Row)>,
        now: Moment,
    ) -> Self {
        Self {
            plan,
            file,
            rows: rows.into_iter().collect(),
            changed: Vec::new(),
            events: Vec::new(),
            now,
        }
    }

    /// The file.
    #[must_use]
    pub const fn file(&self) -> CadFileId {
        self.file.id
    }

    /// What its bytes are.
    #[must_use]
    pub const fn source(&self) -> ContentHash {
        self.file.source
    }

    /// The rows that changed, to be written.
    pub fn changes(&self) -> impl Iterator<Item = (TaskKind, &Row)> {
        self.changed.iter().map(|kind| (*kind, &self.rows[kind]))
    }

    /// The events of what was done, to be written together with the rows.
    #[must_use]
    pub fn events(&self) -> &[NewPipelineEvent] {
        &self.events
    }

    /// When all of it happens.
    #[must_use]
    pub const fn now(&self) -> Moment {
        self.now
    }

    /// The row of this kind, if there is one.
    #[must_use]
    pub fn row(&self, kind: TaskKind) -> Option<&Row> {
        self.rows.get(&kind)
    }

    /// Asks for the result of `kind`, or for what it is to be made of where that is not there.
    pub fn request(&mut self, kind: TaskKind, request: Request) -> Requested {
        self.request_since(kind, request, self.now)
    }

    fn request_since(&mut self, kind: TaskKind, request: Request, since: Moment) -> Requested {
        // What is made though it is there is made by the recipe.
        let retry_coarser = request.retry_coarser || request.force && kind == SCENE;
        let lacking = kind.upstream();
        let lacking = lacking.filter(|kind| !self.is_there(*kind, retry_coarser));
        let next_task = match lacking {
            // Made again it can only be of what is there; so that comes first.
            Some(upstream) if request.force => self.first_task(upstream, retry_coarser),
            _ => self.first_task(kind, retry_coarser),
        };
        let force = request.force && lacking.is_none();
        let request = Request { force, ..request };
        self.change(next_task.kind, |row, _| {
            row.request(&next_task.input, request, since)
        })
    }

    /// The first stage on the way to `kind` whose result is not there, or `kind` itself.
    #[must_use]
    pub fn next_task(&self, kind: TaskKind) -> NextTask {
        self.first_task(kind, false)
    }

    fn first_task(&self, kind: TaskKind, retry_coarser: bool) -> NextTask {
        if !self.is_there(kind, retry_coarser)
            && let Some(upstream) = kind.upstream()
            && !self.is_there(upstream, retry_coarser)
        {
            return self.first_task(upstream, retry_coarser);
        }
        NextTask {
            kind,
            input: self.input(kind, retry_coarser),
        }
    }

    /// What `kind` is to be made of now. A coarser scene that is there counts as what is wanted, unless
    /// the recipe is to be tried again; other media are made of the scene that is there.
    fn input(&self, kind: TaskKind, retry_coarser: bool) -> Input {
        let wanted = self.plan.input(kind, &self.file);
        if retry_coarser {
            return wanted;
        }
        match self.coarser_scene() {
            Some((row, _)) if kind == SCENE && row.wants(&wanted) => wanted,
            Some((_, coarser)) if kind == SCENE => coarser.clone(),
            Some((_, coarser)) => self.plan.input_on(kind, &self.file, coarser),
            None => wanted,
        }
    }

    /// The scene that is there in place of the wanted one, and its row.
    fn coarser_scene(&self) -> Option<(&Row, &Input)> {
        let wanted = self.plan.input(SCENE, &self.file);
        let row = self.rows.get(&SCENE)?;
        let ready = row.ready.as_ref()?;
        ready.is_coarser_than(&wanted).then_some((row, ready))
    }

    /// Publishes under `fence`, and asks for what follows; `coarser` is the input of a scene that is
    /// coarser than the one that was claimed. None if the claim does not hold.
    pub fn publish(
        &mut self,
        kind: TaskKind,
        fence: Fence,
        asset: Option<MediaAssetId>,
        coarser: Option<Input>,
        summary: &ResultSummary,
    ) -> Option<(bool, Vec<(TaskKind, Requested)>)> {
        let published = self.change(kind, |row, now| row.publish(fence, asset, coarser, now));
        let requeued = published?;
        let chained = if requeued {
            Vec::new()
        } else {
            // What failed before has something new to work on.
            let (request, since) = self.inherited(kind, Request::ASKED);
            self.follow(kind, request, since)
        };
        let result = summary.result(asset, requeued, &chained);
        self.record(kind, StepEvent::StepDone, result);
        Some((requeued, chained))
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
            let result = events::failed(failure, retry_at);
            self.record(kind, StepEvent::StepFailed, result);
            self.follow_what_is_there(kind);
        }
        held
    }

    /// Gives a claim back, and looks up anew what is wanted: where that cannot be made yet, what it
    /// is made of is asked for instead.
    pub fn hand_back(&mut self, kind: TaskKind, fence: Fence, reason: HandBack) -> bool {
        if !self.change(kind, |row, _| row.hand_back(fence)) {
            return false;
        }
        let result = events::handed_back(reason);
        self.record(kind, StepEvent::StepFailed, result);
        let next_task = self.next_task(kind);
        let (request, since) = self.inherited(kind, Request::BULK);
        if next_task.kind != kind {
            self.change(kind, |row, _| row.withdraw());
        }
        self.request_since(kind, request, since);
        self.follow_what_is_there(kind);
        true
    }

    /// The owner of a claim is at work. What becomes of the claim.
    pub fn confirm(&mut self, kind: TaskKind, fence: Fence) -> Confirmed {
        self.change(kind, |row, now| row.confirm(fence, now));
        self.standing(kind, fence)
    }

    /// Whether a claim holds, and what it makes is still wanted.
    #[must_use]
    pub fn standing(&self, kind: TaskKind, fence: Fence) -> Confirmed {
        let Some(row) = self.rows.get(&kind).filter(|row| row.is_held_under(fence)) else {
            return Confirmed::Gone;
        };
        let is_accepted = |input: &Input| self.plan.accepts(kind, &self.file, input);
        if row.desired == row.running && row.running.as_ref().is_some_and(is_accepted) {
            Confirmed::Held
        } else {
            Confirmed::Superseded
        }
    }

    /// Takes a claim back from a worker that is gone.
    pub fn recover(&mut self, kind: TaskKind, fence: Fence, recovery: Recovery) -> Recovered {
        let recovered = self.change(kind, |row, now| row.recover(fence, recovery, now));
        if matches!(recovered, Recovered::Requeued | Recovered::SetAside) {
            let result = events::recovered(&self.rows[&kind], recovered);
            self.record(kind, StepEvent::StepFailed, result);
            self.follow_what_is_there(kind);
        }
        recovered
    }

    /// Takes work out of the queue, or away from the worker that is at it.
    pub fn cancel(&mut self, kind: TaskKind) -> bool {
        let was_claimed = self
            .row(kind)
            .is_some_and(|row| row.state == RowState::Running);
        let cancelled = self.change(kind, |row, _| row.cancel());
        if was_claimed {
            self.record(kind, StepEvent::StepFailed, events::cancelled());
        }
        cancelled
    }

    /// The materials of the file have changed: media that show them are asked for anew, where the
    /// scene is there or when it will be.
    pub fn materials_changed(&mut self) {
        if self.has_current(SCENE) || self.coarser_scene().is_some() {
            let request = Request {
                requester: self.rows[&SCENE].requester,
                ..Request::ASKED
            };
            self.follow(SCENE, request, self.now);
        }
    }

    /// The bytes of the file have changed: what waits downstream waits for the new ones.
    pub fn source_changed(&mut self, request: Request) {
        self.source_found();
        let plan = self.plan;
        for kind in plan.kinds() {
            let is_queued = self
                .row(kind)
                .is_some_and(|row| row.state == RowState::Queued);
            if kind != TaskKind::ProcessStep && is_queued {
                self.change(kind, |row, _| row.withdraw());
            }
        }
        if self.request(TaskKind::ProcessStep, request) == Requested::Present {
            self.follow(TaskKind::ProcessStep, request, self.now);
        }
    }

    /// `request` with the priority and the requester of the row of `kind`, and since when its result
    /// is wanted: what follows from work inherits all three.
    fn inherited(&self, kind: TaskKind, request: Request) -> (Request, Moment) {
        let row = &self.rows[&kind];
        let request = Request {
            priority: row.priority,
            requester: row.requester,
            ..request
        };
        (request, row.requested_at.unwrap_or(self.now))
    }

    /// A claim was closed without a result, and what is wanted by now was there before: nobody will
    /// publish it again.
    fn follow_what_is_there(&mut self, kind: TaskKind) {
        let row = &self.rows[&kind];
        if !row.is_in_flight() && self.has_current(kind) {
            let (request, since) = self.inherited(kind, Request::BULK);
            self.follow(kind, request, since);
        }
    }

    /// Asks for what is made of `kind`. What is there already will not publish again, so what is
    /// made of that is asked for, too.
    fn follow(
        &mut self,
        kind: TaskKind,
        request: Request,
        since: Moment,
    ) -> Vec<(TaskKind, Requested)> {
        // Following only uses what is there.
        let request = Request {
            force: false,
            retry_coarser: false,
            ..request
        };
        let mut chained = Vec::new();
        let plan = self.plan;
        for next in plan.chained(kind) {
            let became = self.request_since(next, request, since);
            chained.push((next, became));
            if became == Requested::Present {
                chained.extend(self.follow(next, request, since));
            }
        }
        chained
    }

    /// Adds an event of the newest claim of a row.
    fn record(&mut self, kind: TaskKind, event: StepEvent, result: Value) {
        let row = &self.rows[&kind];
        let worker = row.worker.clone();
        self.events.push(NewPipelineEvent {
            cad_file_id: self.file.id,
            task: kind,
            event,
            fence: Some(row.fence),
            worker: worker.unwrap_or_else(|| WorkerName::new("?")),
            result,
        });
    }

    fn has_current(&self, kind: TaskKind) -> bool {
        self.is_there(kind, false)
    }

    fn is_there(&self, kind: TaskKind, retry_coarser: bool) -> bool {
        let input = self.input(kind, retry_coarser);
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
