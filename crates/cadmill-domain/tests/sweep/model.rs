//! The state of one blob, of those who store it and of those who sweep.

use cadmill_domain::blobs::RemovalRow;
use stateright::{Model, Property};

/// What must hold.
pub(crate) const KEPT: &str = "a blob that a row refers to is in the store";

/// The rules of sweeping, with or without one of them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sweeping {
    pub(crate) without: Option<Guard>,
    pub(crate) limits: Limits,
}

/// What keeps a blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Guard {
    /// A removal is decided only where there is no intent.
    Intents,
    /// A row comes only while its intent is there.
    IntentIsChecked,
    /// Bytes are stored as a copy that no removal concerns.
    OtherCopy,
    /// A removal is recorded before anything is deleted.
    RemovalIsRecorded,
    /// Reading a removal and recording an intent is one step, and so is the reverse.
    Turns,
    /// A removal that was taken over is never freed.
    TakenOverStays,
    /// A removal that finds another one concerns further copies, and is not freed.
    BeginAgain,
    /// A row that is reused is locked until the new one is there.
    ReusedIsLocked,
}

/// How often each thing happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Limits {
    pub(crate) puts: u8,
    pub(crate) reuses: u8,
    pub(crate) sweeps: u8,
    pub(crate) deletions: u8,
    pub(crate) expiries: u8,
    pub(crate) deaths: u8,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct State {
    /// The copies in the store, a bit for each.
    pub(crate) store: u16,
    /// How many rows refer to the blob.
    pub(crate) rows: u8,
    /// The recorded intents, a bit for each.
    pub(crate) intents: u16,
    pub(crate) removal: Option<RemovalRow>,
    pub(crate) writers: [Writer; 2],
    pub(crate) sweepers: [Sweeper; 2],
    pub(crate) left: Limits,
    pub(crate) seen: Seen,
}

/// A process that stores the bytes and adds a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Writer {
    Idle,
    /// It knows as which copy to store the bytes, and has recorded no intent.
    Looked {
        intent: u8,
        copy: u32,
    },
    Intended {
        intent: u8,
        copy: u32,
    },
    Stored {
        intent: u8,
    },
    /// It has seen a row whose blob it is going to use as well.
    SawRow,
}

/// A process that sweeps. Sweeps are numbered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Sweeper {
    Idle,
    /// It has listed so many copies.
    Listed {
        sweep: u8,
        copies: u32,
    },
    /// It has found that nothing refers to the blob, and recorded nothing.
    Found {
        sweep: u8,
        copies: u32,
    },
    /// It has listed no copy, and looks only for what other sweeps have left.
    Begun {
        sweep: u8,
    },
    /// It deletes these copies, a bit for each.
    Deleting {
        sweep: u8,
        copies: u32,
        left: u16,
    },
}

/// What has happened: a model in which nothing happens would hold as well.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(crate) struct Seen {
    pub(crate) refused: bool,
    pub(crate) taken_over: bool,
    pub(crate) freed: bool,
}

/// One step; the first number is that of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Look(usize),
    Intend(usize),
    Put(usize),
    Publish(usize),
    Reuse(usize),
    LookForRow(usize),
    PublishReused(usize),
    DieWriting(usize),
    /// An intent ends, too early for the writer that recorded it.
    Expire(u8),
    /// A row that refers to the blob is deleted.
    Delete,
    List(usize),
    LookForReferences(usize),
    Decide(usize),
    TakeOver(usize),
    DeleteCopy(usize, u32),
    End(usize),
    DieSweeping(usize),
}

impl Sweeping {
    pub(crate) fn has(self, guard: Guard) -> bool {
        self.without != Some(guard)
    }
}

impl Model for Sweeping {
    type State = State;
    type Action = Step;

    fn init_states(&self) -> Vec<State> {
        vec![State {
            store: 0,
            rows: 0,
            intents: 0,
            removal: None,
            writers: [Writer::Idle; 2],
            sweepers: [Sweeper::Idle; 2],
            left: self.limits,
            seen: Seen::default(),
        }]
    }

    fn actions(&self, state: &State, steps: &mut Vec<Step>) {
        self.writing_steps(state, steps);
        self.sweeping_steps(state, steps);
        if state.left.expiries > 0 {
            let open = (0..16).filter(|intent| state.intents & (1 << intent) != 0);
            steps.extend(open.map(Step::Expire));
        }
        if state.left.deletions > 0 && state.rows > 0 {
            steps.push(Step::Delete);
        }
    }

    fn next_state(&self, state: &State, step: Step) -> Option<State> {
        Some(self.take(state, step))
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(KEPT, |_, state: &State| state.rows == 0 || state.store != 0),
            Property::sometimes("a copy besides the first is stored", |_, state: &State| {
                state.store > 1
            }),
            Property::sometimes("a row is refused", |_, state: &State| state.seen.refused),
            Property::sometimes("a removal is taken over", |_, state: &State| {
                state.seen.taken_over
            }),
            Property::sometimes("a removal is freed", |_, state: &State| state.seen.freed),
            Property::sometimes(
                "a referenced blob has only another copy",
                |_, state: &State| state.rows > 0 && state.store > 0 && state.store & 1 == 0,
            ),
        ]
    }
}
