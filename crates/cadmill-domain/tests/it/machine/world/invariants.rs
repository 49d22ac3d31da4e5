//! What must hold after every step.

use std::collections::BTreeMap;

use cadmill_domain::{
    TaskKind,
    ledger::{MAX_CRASHES, Row, RowState},
};

use super::World;

impl World {
    pub(in crate::machine) fn check(&self, before: &BTreeMap<TaskKind, Row>) {
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
}
