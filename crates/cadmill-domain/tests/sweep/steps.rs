//! What each step does.

use cadmill_domain::{SweepId, blobs::RemovalRow};
use uuid::Uuid;

use crate::model::{Guard, State, Step, Sweeper, Sweeping, Writer};

impl Sweeping {
    /// The steps of those who store the bytes.
    pub(crate) fn writing_steps(self, state: &State, steps: &mut Vec<Step>) {
        for (n, writer) in state.writers.iter().enumerate() {
            match writer {
                Writer::Idle => {
                    if state.left.puts > 0 {
                        let has_turns = self.has(Guard::Turns);
                        let begin = if has_turns { Step::Intend } else { Step::Look };
                        steps.push(begin(n));
                    }
                    if state.left.reuses > 0 && state.rows > 0 {
                        let is_locked = self.has(Guard::ReusedIsLocked);
                        let begin = if is_locked {
                            Step::Reuse
                        } else {
                            Step::LookForRow
                        };
                        steps.push(begin(n));
                    }
                    continue;
                }
                Writer::Looked { .. } => steps.push(Step::Intend(n)),
                Writer::Intended { .. } => steps.push(Step::Put(n)),
                Writer::Stored { .. } => steps.push(Step::Publish(n)),
                Writer::SawRow => steps.push(Step::PublishReused(n)),
            }
            if state.left.deaths > 0 {
                steps.push(Step::DieWriting(n));
            }
        }
    }

    /// The steps of those who sweep.
    pub(crate) fn sweeping_steps(self, state: &State, steps: &mut Vec<Step>) {
        for (n, sweeper) in state.sweepers.iter().enumerate() {
            match sweeper {
                Sweeper::Idle => {
                    if state.left.sweeps > 0 && (state.store != 0 || state.removal.is_some()) {
                        steps.push(Step::List(n));
                    }
                    continue;
                }
                Sweeper::Listed { .. } if !self.has(Guard::Turns) => {
                    steps.push(Step::LookForReferences(n));
                }
                Sweeper::Listed { .. } | Sweeper::Found { .. } => steps.push(Step::Decide(n)),
                Sweeper::Begun { .. } => {}
                Sweeper::Deleting { left: 0, .. } => steps.push(Step::End(n)),
                Sweeper::Deleting { left, .. } => {
                    let copies = (0..16).filter(|copy| left & (1 << copy) != 0);
                    steps.extend(copies.map(|copy| Step::DeleteCopy(n, copy)));
                }
            }
            let is_open = |row: RemovalRow| !row.is_done;
            if matches!(sweeper, Sweeper::Listed { .. } | Sweeper::Begun { .. })
                && state.removal.is_some_and(is_open)
            {
                steps.push(Step::TakeOver(n));
            }
            if state.left.deaths > 0 {
                steps.push(Step::DieSweeping(n));
            }
        }
    }

    /// The state after a step.
    pub(crate) fn take(self, state: &State, step: Step) -> State {
        let mut next = state.clone();
        match step {
            Step::Look(n) => {
                next.left.puts -= 1;
                let intent = next.left.puts;
                let copy = self.copy(state);
                next.writers[n] = Writer::Looked { intent, copy };
            }
            Step::Intend(n) => {
                let (intent, copy) = if let Writer::Looked { intent, copy } = state.writers[n] {
                    (intent, copy)
                } else {
                    next.left.puts -= 1;
                    (next.left.puts, self.copy(state))
                };
                next.intents |= 1 << intent;
                next.writers[n] = Writer::Intended { intent, copy };
            }
            Step::Put(n) => {
                if let Writer::Intended { intent, copy } = state.writers[n] {
                    next.store |= 1 << copy;
                    next.writers[n] = Writer::Stored { intent };
                }
            }
            Step::Publish(n) => {
                if let Writer::Stored { intent } = state.writers[n] {
                    let is_open = state.intents & (1 << intent) != 0;
                    if is_open || !self.has(Guard::IntentIsChecked) {
                        next.rows += 1;
                    } else {
                        next.seen.refused = true;
                    }
                    next.intents &= !(1 << intent);
                }
                next.writers[n] = Writer::Idle;
            }
            Step::Reuse(_) => {
                next.left.reuses -= 1;
                next.rows += 1;
            }
            Step::LookForRow(n) => {
                next.left.reuses -= 1;
                next.writers[n] = Writer::SawRow;
            }
            Step::PublishReused(n) => {
                next.rows += 1;
                next.writers[n] = Writer::Idle;
            }
            Step::DieWriting(n) => {
                next.left.deaths -= 1;
                next.writers[n] = Writer::Idle;
            }
            Step::Expire(intent) => {
                next.left.expiries -= 1;
                next.intents &= !(1 << intent);
            }
            Step::Delete => {
                next.left.deletions -= 1;
                next.rows -= 1;
            }
            Step::DieSweeping(n) => {
                next.left.deaths -= 1;
                next.sweepers[n] = Sweeper::Idle;
            }
            sweep => self.sweep(&mut next, sweep),
        }
        next
    }

    fn sweep(self, next: &mut State, step: Step) {
        match step {
            Step::List(n) => {
                next.left.sweeps -= 1;
                let sweep = next.left.sweeps;
                let copies = u16::BITS - next.store.leading_zeros();
                next.sweepers[n] = match copies {
                    0 => Sweeper::Begun { sweep },
                    _ => Sweeper::Listed { sweep, copies },
                };
            }
            Step::LookForReferences(n) => {
                if let Sweeper::Listed { sweep, copies } = next.sweepers[n] {
                    next.sweepers[n] = if self.may_be_removed(next) {
                        Sweeper::Found { sweep, copies }
                    } else {
                        Sweeper::Idle
                    };
                }
            }
            Step::Decide(n) => self.decide(next, n),
            Step::TakeOver(n) => {
                let (Sweeper::Listed { sweep, .. } | Sweeper::Begun { sweep }) = next.sweepers[n]
                else {
                    return;
                };
                if let Some(row) = &mut next.removal {
                    if self.has(Guard::TakenOverStays) {
                        *row = row.take_over();
                    }
                    let copies = row.copies;
                    let left = below(copies);
                    next.sweepers[n] = Sweeper::Deleting {
                        sweep,
                        copies,
                        left,
                    };
                    next.seen.taken_over = true;
                }
            }
            Step::DeleteCopy(n, copy) => {
                next.store &= !(1 << copy);
                if let Sweeper::Deleting { left, .. } = &mut next.sweepers[n] {
                    *left &= !(1 << copy);
                }
            }
            Step::End(n) => {
                if let Sweeper::Deleting { sweep, copies, .. } = next.sweepers[n]
                    && let Some(row) = next.removal
                {
                    next.removal = row.end(id(sweep), copies);
                    next.seen.freed |= next.removal.is_none();
                }
                next.sweepers[n] = Sweeper::Idle;
            }
            _ => {}
        }
    }

    fn decide(self, next: &mut State, n: usize) {
        let (sweep, listed, may_be_removed) = match next.sweepers[n] {
            Sweeper::Listed { sweep, copies } => (sweep, copies, self.may_be_removed(next)),
            Sweeper::Found { sweep, copies } => (sweep, copies, true),
            _ => return,
        };
        if !may_be_removed {
            next.sweepers[n] = Sweeper::Idle;
            return;
        }
        let found = next.removal.filter(|_| self.has(Guard::BeginAgain));
        let row = RemovalRow::begin(found, listed, id(sweep));
        if self.has(Guard::RemovalIsRecorded) {
            next.removal = Some(row);
        }
        next.sweepers[n] = Sweeper::Deleting {
            sweep,
            copies: row.copies,
            left: below(listed),
        };
    }

    fn may_be_removed(self, state: &State) -> bool {
        state.rows == 0 && (state.intents == 0 || !self.has(Guard::Intents))
    }

    /// As which copy the bytes are to be stored.
    fn copy(self, state: &State) -> u32 {
        let removal = state.removal.filter(|_| self.has(Guard::OtherCopy));
        removal.map_or(0, |removal| removal.copies)
    }
}

/// The copies below a number.
fn below(copies: u32) -> u16 {
    (1 << copies) - 1
}

fn id(sweep: u8) -> SweepId {
    SweepId::from_uuid(Uuid::from_u128(u128::from(sweep)))
}
