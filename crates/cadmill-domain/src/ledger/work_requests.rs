//! The port through which results are requested.

use std::fmt;

use async_trait::async_trait;

use super::{
    FailedFilter, Missing, MissingRequest, Request, RequestKey, Requested, Requester, WorkerName,
};
use crate::{ContentHash, MediaKind, MediaPlan, StoreError, Work, blobs::BlobLoss};

/// The requests of the ledger: what the API and the command line change of what is wanted.
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait WorkRequests: Send + Sync + fmt::Debug {
    /// Which media this deployment makes.
    fn plan(&self) -> &MediaPlan;

    /// Requests one result. If the result that it is made of is absent, that is requested, and the
    /// rest follows from its publication. `None` if the file does not exist.
    ///
    /// # Errors
    /// If the database does not answer.
    async fn request(&self, work: Work, request: Request) -> Result<Option<Requested>, StoreError>;

    /// As [`request`](WorkRequests::request), but a second request of the same work with the same
    /// key within [`RequestKey::LIFE`] is not [forced](Request::force). The key is stored in the
    /// same transaction.
    ///
    /// # Errors
    /// If the database does not answer; then nothing was requested.
    async fn request_once(
        &self,
        work: Work,
        request: Request,
        key: RequestKey,
    ) -> Result<Option<Requested>, StoreError>;

    /// Requests every missing result of a kind, in one transaction.
    ///
    /// # Errors
    /// If the database does not answer; then nothing was requested.
    async fn request_missing(&self, request: &MissingRequest) -> Result<Missing, StoreError>;

    /// Takes work out of the queue, or away from the worker that runs it. `false` if it was not in
    /// flight.
    ///
    /// # Errors
    /// If the database does not answer.
    async fn cancel(&self, work: Work) -> Result<bool, StoreError>;

    /// Records that the bytes with this hash are lost. In one transaction every asset with these
    /// bytes is removed, and every row that refers to one of them requests it again, unless the row
    /// has failed or was cancelled. If the bytes are the source of a file, its `process_step_file`
    /// fails as `source_lost`, and what waits for it is withdrawn; its present media stay. Running
    /// work goes on. `finder` is the worker in the events of lost sources.
    ///
    /// # Errors
    /// If the database does not answer.
    async fn blob_lost(
        &self,
        sha256: ContentHash,
        finder: &WorkerName,
    ) -> Result<BlobLoss, StoreError>;

    /// Records that the bytes with this hash are present: files that had lost them as their source
    /// are read again. Returns the number of these files. Adding a file with these bytes, or
    /// replacing the bytes of one by them, does the same.
    ///
    /// # Errors
    /// If the database does not answer; then some files may not have been requested.
    async fn blob_found(&self, sha256: ContentHash) -> Result<u64, StoreError>;
}

/// Requests of several kinds, one [`request_missing`](WorkRequests::request_missing) after the other.
#[async_trait]
pub trait WorkRequestsExt: WorkRequests {
    /// Requests every medium of `kind`, or of each kind that is made here, of which only an older or
    /// a coarser version is present. Failures stay. A medium that waits for a scene which this call
    /// queued counts as in flight.
    ///
    /// # Errors
    /// If the database does not answer; then some kinds were not requested.
    async fn request_stale(
        &self,
        kind: Option<MediaKind>,
        requester: Requester,
    ) -> Result<Missing, StoreError> {
        let mut stale = Missing::default();
        let media = self.plan().media();
        for medium in media.filter(|medium| kind.is_none_or(|kind| kind == *medium)) {
            let request = MissingRequest {
                requester,
                ..MissingRequest::of_stale(medium)
            };
            stale += self.request_missing(&request).await?;
        }
        Ok(stale)
    }

    /// Retries permanent failures, and returns how many are now in the queue. What failed because its
    /// upstream failed follows from the upstream.
    ///
    /// # Errors
    /// If the database does not answer; then some kinds were not requested.
    async fn retry_failed(
        &self,
        filter: &FailedFilter,
        requester: Requester,
    ) -> Result<u64, StoreError> {
        let mut queued = 0;
        let kinds = self.plan().kinds();
        for kind in kinds.filter(|kind| filter.kind.is_none_or(|wanted| wanted == *kind)) {
            let request = MissingRequest {
                requester,
                ..filter.request(kind)
            };
            queued += self.request_missing(&request).await?.queued;
        }
        Ok(queued)
    }
}

impl<T: WorkRequests + ?Sized> WorkRequestsExt for T {}
