//! The domain of Cadmill, shared by every crate: media kinds, recipes, materials, the failure
//! catalogue, the ledger, and the ports behind which rows and bytes are stored. No I/O happens here.
//!
//! The crate root has what nearly every crate needs; the rest is in the module of its subject, such
//! as [`ledger::Claim`] or [`webhook::Delivery`]. A port is beside the types that it serves.

pub mod access_token;
pub mod blobs;
pub mod cad_file;
mod clock;
#[cfg(feature = "test-support")]
pub mod contract;
mod cursor;
mod external;
mod failure;
#[cfg(feature = "test-support")]
pub mod fakes;
mod hash;
mod health_check;
mod id;
mod input;
mod kinds;
pub mod ledger;
mod materials;
mod media_asset;
mod media_plan;
mod media_report;
pub mod pipeline_log;
pub mod provenance;
mod recipe;
mod step_facts;
mod store_error;
mod task;
pub mod tessellator;
pub mod webhook;
mod work_notifier;

#[cfg(feature = "mock")]
pub use blobs::MockBlobs;
pub use blobs::{Blob, Blobs};
#[cfg(feature = "mock")]
pub use cad_file::MockCadFiles;
pub use cad_file::{CadFile, CadFiles, NewCadFile};
#[cfg(feature = "mock")]
pub use clock::MockClock;
pub use clock::{Clock, Moment, SystemClock};
pub use cursor::{
    CadFileCursor, CadFileOrder, CursorError, Direction, SortKey, SortValue, WorkCursor, WorkPart,
};
pub use external::{ExternalReferences, MissingGeometry};
pub use failure::{Failure, FailureCode, Retry, sentence};
pub use hash::{ContentHash, ParseHashError};
pub use health_check::HealthCheck;
#[cfg(feature = "mock")]
pub use health_check::MockHealthCheck;
pub use id::{
    AccessTokenId, BlobIntentId, CadFileId, DeploymentId, MediaAssetId, ParseIdError, SweepId,
    WebhookId,
};
pub use input::{FormatRevision, Input, ParseInputError, SceneInput};
pub use kinds::{MediaKind, MediaSource, ParseKindError, Production};
pub use materials::{
    Color, MaterialKey, MaterialMap, MaterialMaps, MaterialSpec, MaterialsError, Specificity,
};
#[cfg(feature = "mock")]
pub use media_asset::MockMediaAssets;
pub use media_asset::{MediaAsset, MediaAssets, NewMediaAsset};
pub use media_plan::{InputPattern, MediaPlan};
pub use media_report::{ConversionReport, MediaReport, ReportSource};
pub use recipe::{Deflection, ParseFingerprintError, Recipe, RecipeError, RecipeFingerprint};
pub use step_facts::{
    GeometryFacts, HeaderFacts, LengthUnitFacts, OccurrenceFacts, ProductFacts, ProductKind,
    SchemaFacts, StepFacts, TreeFacts,
};
pub use store_error::StoreError;
pub use task::{ParseTaskError, TaskKind, TaskOutcome, Work};
pub use work_notifier::WorkNotifier;
