//! The ledger: one row per file and kind of work, for life. It is also the queue: work is derived
//! from the wanted and the present results, so nothing can be queued twice.

mod claim;
mod confirmation;
mod events;
mod file_rows;
mod missing;
mod queue;
mod request;
mod row;
mod view;
mod work_queue;
mod work_requests;

pub use self::{
    claim::{Claim, Fence, HandBack, Progress, Published, TaskOutput, WorkerName},
    confirmation::{Confirmed, Recovered, Recovery},
    events::{CONVERTER, ResultSummary},
    file_rows::{FileRows, NextTask},
    missing::{FailedFilter, Missing, MissingFilter, MissingReason, MissingRequest},
    queue::{Lane, MAX_DUE_RETRIES, QueuedWork, Requester, Turns, WorkQuery, first_in_queue},
    request::{Priority, Request, RequestKey, Requested},
    row::{MAX_CRASHES, Row, RowState},
    view::{Count, LedgerView, QueueDepth, WorkItem},
    work_queue::WorkQueue,
    work_requests::{WorkRequests, WorkRequestsExt},
};
#[cfg(feature = "mock")]
pub use self::{view::MockLedgerView, work_queue::MockWorkQueue, work_requests::MockWorkRequests};

/// All of a ledger, for code that passes it on. Other code takes the part that it needs.
pub trait Ledger: WorkRequests + WorkQueue + LedgerView {}

impl<T: WorkRequests + WorkQueue + LedgerView + ?Sized> Ledger for T {}
