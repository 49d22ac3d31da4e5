//! What becomes of the rows of a file when bytes are lost: those of a medium, or its own.

use serde_json::Value;

use super::{FileRows, events};
use crate::{
    Failure, FailureCode, MediaAssetId, MediaKind, TaskKind,
    ledger::{Request, RowState, WorkerName},
    pipeline_log::{NewPipelineEvent, StepEvent},
};

impl FileRows<'_> {
    /// The bytes of some assets are lost. A row that shows one of them loses it, and what is wanted by
    /// now is asked for again, unless that was cancelled or has failed. A run that is under way goes
    /// on. What waits for a lost scene waits for the next one.
    pub fn assets_lost(&mut self, is_lost: impl Fn(MediaAssetId) -> bool) {
        let rows = self.rows.iter();
        let losing: Vec<_> = rows
            .filter(|(_, row)| row.asset.is_some_and(&is_lost))
            .map(|(kind, _)| *kind)
            .collect();
        if losing.is_empty() {
            return;
        }
        for kind in &losing {
            self.change(*kind, |row, _| row.lose_asset());
        }
        self.withdraw_what_waits();
        for kind in losing {
            self.request_after_loss(kind);
        }
    }

    /// The bytes of the file itself are lost. `process_step` has failed, and what waits for it is
    /// withdrawn; media that are there stay. `finder` is who found it.
    pub fn source_lost(&mut self, failure: &Failure, finder: &WorkerName) {
        let input = self.plan.input(TaskKind::ProcessStep, &self.file);
        let has_failed = self.change(TaskKind::ProcessStep, |row, now| {
            row.lose_source(&input, failure, now)
        });
        self.withdraw_what_waits();
        if has_failed {
            let result = events::failed(failure, None);
            self.record_without_claim(TaskKind::ProcessStep, finder, result);
        }
    }

    /// The bytes of the file were stored again: if they were lost, the file is read again. Whether
    /// that is so.
    pub fn source_found(&mut self) -> bool {
        let row = self.row(TaskKind::ProcessStep);
        let was_lost = row.is_some_and(|row| {
            let code = row.failure.as_ref().map(|failure| failure.code);
            row.state == RowState::Failed && code == Some(FailureCode::SourceLost)
        });
        if was_lost {
            let requester = self.rows[&TaskKind::ProcessStep].requester;
            let request = Request {
                requester,
                ..Request::ASKED
            };
            self.request(TaskKind::ProcessStep, request);
        }
        was_lost
    }

    /// Asks for what a row has lost.
    fn request_after_loss(&mut self, kind: TaskKind) {
        let row = &self.rows[&kind];
        if row.state != RowState::Cancelled && self.plan.does(kind) {
            let (request, _) = self.inherited(kind, Request::BULK);
            self.request(kind, request);
        }
    }

    /// Takes work out of the queue that cannot be done yet, since what it is made of is not there.
    fn withdraw_what_waits(&mut self) {
        for medium in MediaKind::ALL {
            let kind = TaskKind::Make(medium);
            let is_queued = self
                .row(kind)
                .is_some_and(|row| row.state == RowState::Queued);
            if is_queued && self.next_task(kind).kind != kind {
                self.change(kind, |row, _| row.withdraw());
            }
        }
    }

    fn record_without_claim(&mut self, task: TaskKind, worker: &WorkerName, result: Value) {
        self.events.push(NewPipelineEvent {
            cad_file_id: self.file.id,
            task,
            event: StepEvent::StepFailed,
            fence: None,
            worker: worker.clone(),
            result,
        });
    }
}
