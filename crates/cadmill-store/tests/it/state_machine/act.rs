//! What a client does, and what it is answered; files are numbers here, since ids differ.

use cadmill_domain::{
    ContentHash, Input, MediaKind, Moment, TaskKind,
    blobs::BlobLoss,
    ledger::{
        Confirmed, Fence, Missing, MissingRequest, Priority, Recovered, Recovery, Request,
        Requested, Requester, WorkQuery, WorkerName,
    },
};

use super::side::File;

/// An operation with all that it needs.
#[derive(Debug, Clone)]
pub(crate) enum Act {
    Request(usize, TaskKind, Request),
    RequestMissing(MissingRequest),
    Next(WorkQuery),
    Claim(usize, TaskKind, WorkerName),
    Progress(Ticket, f64),
    Publish(Ticket, Made),
    Fail(Ticket, Option<Moment>),
    HandBack(Ticket),
    Confirm(Ticket),
    Recover(Ticket, Recovery),
    Cancel(usize, TaskKind),
    Paint {
        file: usize,
        tone: u8,
        by_hand: bool,
    },
    Bytes(usize, u8, Request),
    /// The bytes of this hash are lost, or found again.
    Lose(ContentHash),
    Find(ContentHash),
}

/// What is published.
#[derive(Debug, Clone)]
pub(crate) enum Made {
    /// Something new, different for each number.
    New(u32),
    /// A coarser scene, or something new of another kind.
    Coarser(u32),
    /// An asset that is there.
    Cached(AssetKey),
}

/// What no two assets have in common.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct AssetKey {
    pub(crate) file: usize,
    pub(crate) kind: MediaKind,
    pub(crate) input: Input,
}

/// A claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ticket {
    pub(crate) file: usize,
    pub(crate) kind: TaskKind,
    pub(crate) fence: Fence,
    pub(crate) input: Input,
    pub(crate) worker: WorkerName,
    pub(crate) tries: u32,
    pub(crate) force: bool,
}

/// What an operation answers.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Answer {
    Requested(Option<Requested>),
    Missing(Missing),
    Next(Vec<(usize, TaskKind, Priority, Requester)>),
    Claimed(Option<Ticket>),
    Held(bool),
    Published {
        asset: Option<AssetKey>,
        requeued: bool,
        chained: Vec<(TaskKind, Requested)>,
    },
    Stale,
    Refused,
    Confirmed(Confirmed),
    Recovered(Recovered),
    File(Option<Box<File>>),
    Lost(BlobLoss),
    Found(u64),
}
