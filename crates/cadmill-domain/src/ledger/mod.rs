//! The ledger: one row per file and kind of work, for life. It is the queue: what is to be done is
//! derived from what is wanted and what is there, so nothing can be queued twice.

mod claim;
mod confirmation;
mod events;
mod file_rows;
mod missing;
mod port;
mod queue;
mod request;
mod row;
mod view;

#[cfg(feature = "mock")]
pub use self::port::MockLedger;
pub use self::{
    claim::{Claim, Fence, HandBack, Progress, Published, TaskOutput, WorkerName},
    confirmation::{Confirmed, Recovered, Recovery},
    events::{CONVERTER, ResultSummary},
    file_rows::{FileRows, NextTask},
    missing::{FailedFilter, Missing, MissingFilter, MissingReason, MissingRequest},
    port::Ledger,
    queue::{Lane, MAX_DUE_RETRIES, QueuedWork, Requester, Turns, WorkQuery, first_in_queue},
    request::{Priority, Request, RequestKey, Requested},
    row::{MAX_CRASHES, Row, RowState},
    view::{Count, QueueDepth, WorkItem},
};
