//! The port through which workers take work and publish results.

use std::fmt;

use async_trait::async_trait;
use chrono::TimeDelta;

#[cfg(doc)]
use super::first_in_queue;
use super::{
    Claim, Confirmed, HandBack, Progress, Published, QueuedWork, Recovered, Recovery, TaskOutput,
    WorkQuery, WorkerName,
};
use crate::{Failure, Moment, StoreError, Work};

/// The queue of the ledger, and the claims of its work.
///
/// Every operation is atomic. Those that take a [`Claim`] check its fence: if the row has been
/// claimed again or is no longer running, they change nothing and return that the claim is gone.
///
/// The event of a transition is written in its transaction: `step_start` by a claim, `step_done` by
/// a publication, `step_failed` by any other end of a claim. So each claim has one `step_start`
/// and, once it is closed, one end.
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait WorkQueue: Send + Sync + fmt::Debug {
    /// The work that can be claimed now, in the order of [`first_in_queue`]: what is to be read, then
    /// what is to be made. Nothing is claimed.
    ///
    /// # Errors
    /// If the database does not answer.
    async fn next(&self, query: &WorkQuery) -> Result<Vec<QueuedWork>, StoreError>;

    /// The work that can be claimed now, but whose workers died so often that it is set aside the
    /// next time; [`next`](WorkQueue::next) leaves it out. Each such work runs alone in its worker,
    /// so that it is not set aside because of what runs beside it. Ordered by the time of the
    /// request; at most `limit`.
    ///
    /// # Errors
    /// If the database does not answer.
    async fn suspects(&self, limit: usize) -> Result<Vec<Work>, StoreError>;

    /// Postpones those of `work` that are queued until `until`. A wait for the tessellation of the
    /// same bytes ends when a claim on them is closed.
    ///
    /// # Errors
    /// If the database does not answer.
    async fn put_off(&self, work: &[Work], until: Moment) -> Result<(), StoreError>;

    /// Claims one piece of work, whose fence grows by one. `None` if it is not queued, not yet due,
    /// or is being claimed by another worker. The caller holds its lock.
    ///
    /// # Errors
    /// If the database does not answer.
    async fn claim(&self, work: Work, worker: &WorkerName) -> Result<Option<Claim>, StoreError>;

    /// Stores the progress of the work. `false` if the claim no longer holds: the work must stop.
    ///
    /// # Errors
    /// If the database does not answer.
    async fn progress(&self, claim: &Claim, progress: &Progress) -> Result<bool, StoreError>;

    /// Publishes a result and requests what follows from it, in one transaction.
    ///
    /// # Errors
    /// If the database does not answer, or a cached asset does not exist or has another input;
    /// then nothing was published.
    async fn publish(&self, claim: &Claim, product: TaskOutput) -> Result<Published, StoreError>;

    /// Stores a failure: permanent, or until `retry_at`. `false` if the claim no longer holds.
    ///
    /// # Errors
    /// If the database does not answer.
    async fn fail(
        &self,
        claim: &Claim,
        failure: &Failure,
        retry_at: Option<Moment>,
    ) -> Result<bool, StoreError>;

    /// Returns the work to the queue as if it had not been claimed; the wanted input is derived
    /// again. `false` if the claim no longer holds.
    ///
    /// # Errors
    /// If the database does not answer.
    async fn hand_back(&self, claim: &Claim, reason: HandBack) -> Result<bool, StoreError>;

    /// All open claims.
    ///
    /// # Errors
    /// If the database does not answer.
    async fn running(&self) -> Result<Vec<Claim>, StoreError>;

    /// Confirms that the owner of a claim works on it, and returns whether the work is still wanted.
    ///
    /// # Errors
    /// If the database does not answer.
    async fn confirm(&self, claim: &Claim) -> Result<Confirmed, StoreError>;

    /// Whether each of these claims is still wanted, in one query and in their order. Nothing is
    /// confirmed.
    ///
    /// # Errors
    /// If the database does not answer.
    async fn standing(&self, claims: &[Claim]) -> Result<Vec<Confirmed>, StoreError>;

    /// The open claims that were not confirmed for [this long](Recovery::suspected_after), so that
    /// their owners may be gone.
    ///
    /// # Errors
    /// If the database does not answer.
    async fn unconfirmed(&self, lease: TimeDelta) -> Result<Vec<Claim>, StoreError>;

    /// Takes back a claim whose owner is gone, and counts a crash. The caller reads the claim first,
    /// and then finds the lock free or takes it. In the other order the claim may belong to a new
    /// owner, which keeps its lease.
    ///
    /// It does not wait for other transactions: if one holds the rows of the file, the answer is
    /// [`Recovered::NotYet`].
    ///
    /// # Errors
    /// If the database does not answer.
    async fn recover(&self, claim: &Claim, recovery: Recovery) -> Result<Recovered, StoreError>;
}
