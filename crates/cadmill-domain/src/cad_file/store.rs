//! The port of the CAD files.

use std::fmt;

use async_trait::async_trait;

use super::{
    CadFile, CadFileOverview, CadFilePage, CadFileQuery, NewCadFile, Revision, SaveOutcome,
};
use crate::{CadFileId, MaterialMap, StoreError, blobs::KeptBlob, ledger::Request};

/// The CAD files.
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait CadFiles: Send + Sync + fmt::Debug {
    /// Adds a file whose bytes are in the blob store, and asks for `process_step_file` in the same
    /// transaction; without a `request`, nothing is made of it until somebody asks.
    ///
    /// # Errors
    /// If the database does not answer.
    async fn add(&self, file: NewCadFile, request: Option<Request>) -> Result<CadFile, StoreError>;

    /// The file, if it is there.
    ///
    /// # Errors
    /// If the database does not answer.
    async fn get(&self, id: CadFileId) -> Result<Option<CadFile>, StoreError>;

    /// The newest file of this name.
    ///
    /// # Errors
    /// If the database does not answer.
    async fn named(&self, name: &str) -> Result<Option<CadFile>, StoreError>;

    /// Up to `limit` files in the order of their ids, from the first after `after`.
    ///
    /// # Errors
    /// If the database does not answer.
    async fn page(
        &self,
        after: Option<CadFileId>,
        limit: usize,
    ) -> Result<Vec<CadFile>, StoreError>;

    /// The files that are asked for, each with the state of its media, page by page.
    ///
    /// # Errors
    /// If the database does not answer, or the cursor belongs to another order.
    async fn list(&self, query: &CadFileQuery) -> Result<CadFilePage, StoreError>;

    /// One file with the state of its media.
    ///
    /// # Errors
    /// If the database does not answer.
    async fn overview(&self, id: CadFileId) -> Result<Option<CadFileOverview>, StoreError>;

    /// Removes a file with its rows, its assets and its events; its blobs are swept later. A worker
    /// that is at it finds its claim gone. False if there was no such file.
    ///
    /// # Errors
    /// If the database does not answer.
    async fn remove(&self, id: CadFileId) -> Result<bool, StoreError>;

    /// Gives the file new bytes, which are in the blob store: its media are stale then, and
    /// `process_step_file` is asked for. Nothing is done if the file is no longer at the
    /// revision `expected_revision`.
    ///
    /// # Errors
    /// If the database does not answer.
    async fn replace_source(
        &self,
        id: CadFileId,
        source: KeptBlob,
        request: Request,
        expected_revision: Option<Revision>,
    ) -> Result<SaveOutcome, StoreError>;

    /// Replaces the part materials; `updated_at` moves, and media that show them are made anew.
    /// Nothing is done if the file is no longer at the revision `expected_revision`.
    ///
    /// # Errors
    /// If the database does not answer.
    async fn save_part_materials(
        &self,
        id: CadFileId,
        materials: MaterialMap,
        expected_revision: Option<Revision>,
    ) -> Result<SaveOutcome, StoreError>;

    /// Replaces the manual overrides; `updated_at` moves, and media that show them are made anew.
    /// Nothing is done if the file is no longer at the revision `expected_revision`.
    ///
    /// # Errors
    /// If the database does not answer.
    async fn save_manual_material_overrides(
        &self,
        id: CadFileId,
        materials: MaterialMap,
        expected_revision: Option<Revision>,
    ) -> Result<SaveOutcome, StoreError>;
}
