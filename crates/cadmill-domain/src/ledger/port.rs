//! The port of the ledger.

use std::fmt;

use async_trait::async_trait;
use chrono::TimeDelta;

#[cfg(doc)]
use super::first_in_queue;
use super::{
    Claim, Confirmed, Count, FailedFilter, HandBack, Missing, MissingRequest, Progress, Published,
    QueueDepth, QueuedWork, Recovered, Recovery, Request, RequestKey, Requested, Requester, Row,
    TaskOutput, WorkItem, WorkQuery, WorkerName,
};
use crate::{
    CadFileId, ContentHash, Failure, Input, MediaKind, Moment, StoreError, TaskKind, Work,
    WorkCursor, blobs::BlobLoss,
};

/// What is wanted, what is being made and what is there.
///
/// Every operation is atomic. Those that take a [`Claim`] check its fence: they do nothing, and say
/// so, when the row has been claimed again or is no longer running.
///
/// The event of a transition is written in its transaction: `step_start` by a claim, `step_done` by
/// a publication, `step_failed` by any other end of a claim. So each claim has one `step_start`
/// and, once it is closed, one end.
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait Ledger: Send + Sync + fmt::Debug {
    /// Asks for one result. Where what it is made of is not there, that is asked for; the rest
    /// follows by itself. None if there is no such file.
    ///
    /// # Errors
    /// If the database does not answer.
    async fn request(&self, work: Work, request: Request) -> Result<Option<Requested>, StoreError>;

    /// As [`Ledger::request`], but a second request of the same work with the same key within
    /// [`RequestKey::LIFE`] does not make it [again](Request::force). The key is kept in the same
    /// transaction.
    ///
    /// # Errors
    /// If the database does not answer; then nothing was asked for.
    async fn request_once(
        &self,
        work: Work,
        request: Request,
        key: RequestKey,
    ) -> Result<Option<Requested>, StoreError>;

    /// Asks for every result of a kind that is missing, in one go.
    ///
    /// # Errors
    /// If the database does not answer; then nothing was asked for.
    async fn request_missing(&self, request: &MissingRequest) -> Result<Missing, StoreError>;

    /// Asks for every medium of this kind, or of all that are made here, of which only an older or a
    /// coarser one is there. What has failed is left alone. The kinds are asked for one after the other, so what
    /// waits for a scene that was just queued is in flight.
    ///
    /// # Errors
    /// If the database does not answer; then of some kinds nothing was asked for.
    async fn request_stale(
        &self,
        kind: Option<MediaKind>,
        requester: Requester,
    ) -> Result<Missing, StoreError>;

    /// Asks again for what has failed for good; how much is in the queue now. What has failed
    /// because what it is made of has failed follows by itself.
    ///
    /// # Errors
    /// If the database does not answer; then of some kinds nothing was asked for.
    async fn retry_failed(
        &self,
        filter: &FailedFilter,
        requester: Requester,
    ) -> Result<u64, StoreError>;

    /// What may be claimed now, as [`first_in_queue`] orders it: what is to be read, then what is to
    /// be made. It only looks and claims nothing.
    ///
    /// # Errors
    /// If the database does not answer.
    async fn next(&self, query: &WorkQuery) -> Result<Vec<QueuedWork>, StoreError>;

    /// What may be claimed now but was claimed so often by workers that died that it is set aside the
    /// next time; [`Ledger::next`] leaves it out. Each runs alone in its worker, so that what died
    /// only because it ran beside it is not set aside. By the time it was asked for; at most `limit`.
    ///
    /// # Errors
    /// If the database does not answer.
    async fn suspects(&self, limit: usize) -> Result<Vec<Work>, StoreError>;

    /// Leaves what of this is in the queue alone until then. A wait for the tessellation of the same
    /// bytes ends when a claim on them is closed.
    ///
    /// # Errors
    /// If the database does not answer.
    async fn put_off(&self, work: &[Work], until: Moment) -> Result<(), StoreError>;

    /// Claims one piece of work: its fence grows by one. None if it is not in the queue, not yet
    /// due, or somebody else is just claiming it. The caller holds its lock.
    ///
    /// # Errors
    /// If the database does not answer.
    async fn claim(&self, work: Work, worker: &WorkerName) -> Result<Option<Claim>, StoreError>;

    /// Stores how far the work is. False if the claim no longer holds: the work is to be stopped.
    ///
    /// # Errors
    /// If the database does not answer.
    async fn progress(&self, claim: &Claim, progress: &Progress) -> Result<bool, StoreError>;

    /// Publishes a result and asks for what follows from it, in one transaction.
    ///
    /// # Errors
    /// If the database does not answer, or a cached asset is not there or was made of something
    /// else; then nothing was published.
    async fn publish(&self, claim: &Claim, product: TaskOutput) -> Result<Published, StoreError>;

    /// Stores a failure: for good, or until `retry_at`. False if the claim no longer holds.
    ///
    /// # Errors
    /// If the database does not answer.
    async fn fail(
        &self,
        claim: &Claim,
        failure: &Failure,
        retry_at: Option<Moment>,
    ) -> Result<bool, StoreError>;

    /// Gives the work back to the queue, as if it had not been claimed; what is wanted is looked up
    /// anew. False if the claim no longer holds.
    ///
    /// # Errors
    /// If the database does not answer.
    async fn hand_back(&self, claim: &Claim, reason: HandBack) -> Result<bool, StoreError>;

    /// The bytes of this hash are lost. In one transaction every asset that has them is removed, and
    /// every row that shows one of those asks for it again, unless that has failed or was cancelled.
    /// Of a file whose source they are, `process_step_file` has failed as `source_lost`, and what
    /// waits for it is withdrawn; media that are there stay. Runs that are under way go on. `finder`
    /// is named by the events of lost sources.
    ///
    /// # Errors
    /// If the database does not answer.
    async fn blob_lost(
        &self,
        sha256: ContentHash,
        finder: &WorkerName,
    ) -> Result<BlobLoss, StoreError>;

    /// The bytes of this hash are there: files that had lost them as their source are read again. How
    /// many those are. A file that is added with these bytes, or gets them, does the same.
    ///
    /// # Errors
    /// If the database does not answer; then some files may not have been asked for.
    async fn blob_found(&self, sha256: ContentHash) -> Result<u64, StoreError>;

    /// All claims that are not closed.
    ///
    /// # Errors
    /// If the database does not answer.
    async fn running(&self) -> Result<Vec<Claim>, StoreError>;

    /// Says that the owner of a claim is at work on it, and asks whether it is still wanted.
    ///
    /// # Errors
    /// If the database does not answer.
    async fn confirm(&self, claim: &Claim) -> Result<Confirmed, StoreError>;

    /// Whether these claims are still wanted, in their order and in one question; nothing is
    /// confirmed.
    ///
    /// # Errors
    /// If the database does not answer.
    async fn standing(&self, claims: &[Claim]) -> Result<Vec<Confirmed>, StoreError>;

    /// The open claims that were not confirmed for [so long](Recovery::suspected_after) that their
    /// owners may be gone.
    ///
    /// # Errors
    /// If the database does not answer.
    async fn unconfirmed(&self, lease: TimeDelta) -> Result<Vec<Claim>, StoreError>;

    /// Takes back a claim whose owner is gone, and counts a crash. The caller has seen the claim
    /// first, and then that nobody holds the lock, or has taken it. In the other order the claim may
    /// be that of a new owner, who keeps its lease.
    ///
    /// It waits for no other transaction: if one holds the rows of the file, the answer is
    /// [`Recovered::NotYet`].
    ///
    /// # Errors
    /// If the database does not answer.
    async fn recover(&self, claim: &Claim, recovery: Recovery) -> Result<Recovered, StoreError>;

    /// Takes work out of the queue, or away from the worker that is at it. False if there was none.
    ///
    /// # Errors
    /// If the database does not answer.
    async fn cancel(&self, work: Work) -> Result<bool, StoreError>;

    /// Every canonical scene that is there, not under way, and coarser than what is wanted, with its
    /// input.
    ///
    /// # Errors
    /// If the database does not answer.
    async fn coarser(&self) -> Result<Vec<(Work, Input)>, StoreError>;

    /// The rows of one file, in the order of the chain.
    ///
    /// # Errors
    /// If the database does not answer.
    async fn rows(&self, file: CadFileId) -> Result<Vec<(TaskKind, Row)>, StoreError>;

    /// What has failed for good, by file and then in the order of the chain; at most `limit`, from
    /// the first after `after`.
    ///
    /// # Errors
    /// If the database does not answer.
    async fn failures(
        &self,
        after: Option<Work>,
        limit: usize,
    ) -> Result<Vec<(Work, Failure)>, StoreError>;

    /// How many rows there are of each kind and state.
    ///
    /// # Errors
    /// If the database does not answer.
    async fn stats(&self) -> Result<Vec<Count>, StoreError>;

    /// How long the queue is, by kind and priority; what waits to be tried again is in it.
    ///
    /// # Errors
    /// If the database does not answer.
    async fn queue_depths(&self) -> Result<Vec<QueueDepth>, StoreError>;

    /// What runs, then what waits: by priority, requester and age; last what is put off, by when it
    /// becomes due. At most `limit`, from the first behind `after`.
    ///
    /// # Errors
    /// If the database does not answer.
    async fn work(
        &self,
        after: Option<WorkCursor>,
        limit: usize,
    ) -> Result<Vec<WorkItem>, StoreError>;
}
