//! Requests of results, lost bytes, and what must hold after each.

use cadmill_domain::{
    Failure, FailureCode, Input, TaskKind,
    contract::plan,
    ledger::{Request, Requested, Row, RowState, WorkerName},
};

use super::{GLB, World};

impl World {
    pub(super) fn request(&mut self, kind: TaskKind, request: Request) {
        let is_retry = self.is_retry(kind, request);
        let became = self.with_rows(|file_rows| file_rows.request(kind, request));
        // A forced request of a kind whose upstream is absent requests the upstream.
        let lacking = kind.upstream().filter(|upstream| !self.is_there(*upstream));
        let asked_for = lacking.filter(|_| request.force).unwrap_or(kind);
        let asked_for = if !is_retry {
            asked_for
        } else if self.is_there(TaskKind::ProcessStep) {
            GLB
        } else {
            TaskKind::ProcessStep
        };
        let next = self.with_rows(|file_rows| file_rows.next_task(asked_for));
        let row = &self.rows[&next.kind];
        assert_eq!(
            row.desired.as_ref(),
            Some(&next.input),
            "I9: what was asked for is wanted"
        );
        let state = match row.state {
            RowState::Idle => Requested::Present,
            RowState::Failed => Requested::Failed,
            RowState::Queued if became == Requested::Queued => Requested::Queued,
            RowState::Queued | RowState::Running => Requested::InFlight,
            RowState::Cancelled => panic!("I9: a request leaves nothing cancelled"),
        };
        assert_eq!(became, state, "I9: a request reports its outcome");
        assert!(
            !request.retry_failed || became != Requested::Failed,
            "a retry retries"
        );
        let before = self.rows.clone();
        let again = self.with_rows(|file_rows| file_rows.request(kind, request));
        let merged = if became == Requested::Queued {
            Requested::InFlight
        } else {
            became
        };
        assert_eq!(again, merged, "a second click queues nothing");
        assert_eq!(self.rows, before, "a second click changes nothing");
    }

    pub(super) fn lose(&mut self, kind: TaskKind) {
        let before = self.rows.clone();
        let failure = Failure::source_lost(self.file.source.sha256);
        let lost = before.get(&kind).and_then(|row| row.asset);
        self.with_rows(|file_rows| match kind {
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
            let next = self.view_rows(|file_rows| file_rows.next_task(*kind));
            assert!(
                self.rows == before || row.state != RowState::Queued || next.kind == *kind,
                "nothing waits for what is not there: {kind}"
            );
        }
        let after = self.rows.clone();
        self.with_rows(|file_rows| match kind {
            TaskKind::ProcessStep => file_rows.source_lost(&failure, &WorkerName::new("scrub")),
            TaskKind::Make(_) => file_rows.assets_lost(|asset| Some(asset) == lost),
        });
        assert_eq!(self.rows, after, "it is lost once");
    }

    pub(super) fn find(&mut self) {
        #[expect(
            clippy::redundant_closure_for_method_calls,
            reason = "the method itself is of one lifetime"
        )]
        self.with_rows(|file_rows| file_rows.source_found());
        let row = self.rows.get(&TaskKind::ProcessStep);
        let failure = row.filter(|row| row.state == RowState::Failed);
        let failure = failure.and_then(|row| row.failure.as_ref());
        let code = failure.map(|failure| failure.code);
        assert_ne!(code, Some(FailureCode::SourceLost), "it is read again");
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

    /// The input of the scene that is present in place of the wanted one.
    pub(super) fn coarser_scene(&self) -> Option<Input> {
        let wanted = plan().input(GLB, &self.file.subject());
        let ready = self.rows.get(&GLB)?.ready.clone();
        ready.filter(|ready| ready.is_coarser_than(&wanted))
    }
}
