//! Ends of claims, and what must hold after each.

use std::time::Duration;

use cadmill_domain::{
    Clock as _, Failure, FailureCode, Input, MediaAssetId, Recipe, TaskKind,
    contract::plan,
    ledger::{Claim, HandBack, MAX_CRASHES, Recovered, Recovery, ResultSummary, Row, RowState},
    tessellator::Conditions,
};
use chrono::TimeDelta;

use super::{Close, GLB, World};

impl World {
    /// Closes a claim; whether it held.
    pub(in crate::machine) fn close(&mut self, how: Close, claim: &Claim) -> bool {
        let (kind, fence) = (claim.work.kind, claim.fence);
        let retry_at = self.clock.now() + TimeDelta::seconds(10);
        let failure = Failure::new(FailureCode::KernelError, "Cannot.");
        let asset = kind.medium().map(|_| MediaAssetId::generate(&self.clock));
        self.with_rows(|file_rows| match how {
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

    pub(in crate::machine) fn close_and_check(&mut self, how: Close, claim: &Claim) {
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
                assert_eq!(
                    row.state, expected,
                    "a result that is wanted again has not failed"
                );
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
}

fn coarser(wanted: &Input) -> Input {
    let conditions = Conditions::new("kernel", 1, Duration::from_secs(1));
    wanted.coarser(Recipe::STANDARD, &conditions)
}
