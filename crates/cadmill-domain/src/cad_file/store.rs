//! The port of the CAD files.

use std::fmt;

use async_trait::async_trait;

use super::{
    CadFile, CadFileOverview, CadFilePage, CadFileQuery, FileChange, NewCadFile, Revision,
    SaveOutcome,
};
use crate::{CadFileId, StoreError, ledger::Request};

/// The rows of the CAD files.
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait CadFiles: Send + Sync + fmt::Debug {
    /// Adds a file whose bytes are in the blob store, and requests its `process_step_file` in the same
    /// transaction. Without a `request` nothing is made until it is requested.
    ///
    /// # Errors
    /// If the database does not answer.
    async fn add(&self, file: NewCadFile, request: Option<Request>) -> Result<CadFile, StoreError>;

    /// The file, if it exists.
    ///
    /// # Errors
    /// If the database does not answer.
    async fn get(&self, id: CadFileId) -> Result<Option<CadFile>, StoreError>;

    /// The newest file with this name.
    ///
    /// # Errors
    /// If the database does not answer.
    async fn named(&self, name: &str) -> Result<Option<CadFile>, StoreError>;

    /// A page of the files that match `query`, each with the state of its media.
    ///
    /// # Errors
    /// If the database does not answer, or the cursor belongs to another order.
    async fn list(&self, query: &CadFileQuery) -> Result<CadFilePage, StoreError>;

    /// One file with the state of its media.
    ///
    /// # Errors
    /// If the database does not answer.
    async fn overview(&self, id: CadFileId) -> Result<Option<CadFileOverview>, StoreError>;

    /// Removes a file with its rows, assets and events; its blobs are swept later. The claim of a
    /// worker that runs a task of it is gone then. `false` if the file does not exist.
    ///
    /// # Errors
    /// If the database does not answer.
    async fn remove(&self, id: CadFileId) -> Result<bool, StoreError>;

    /// Changes a file and requests what follows from the change, in one transaction; `updated_at`
    /// moves. Nothing changes if the file is no longer at `expected_revision`.
    ///
    /// # Errors
    /// If the database does not answer.
    async fn change(
        &self,
        id: CadFileId,
        change: FileChange,
        expected_revision: Option<Revision>,
    ) -> Result<SaveOutcome, StoreError>;
}
