//! The words of Cadmill, shared by every crate: media kinds, recipes, materials, the failure
//! catalogue, and the ports that the outside world implements. No I/O happens here.

mod access_token;
mod blob_loss;
mod blob_refs;
mod cad_file;
mod clock;
#[cfg(feature = "test-support")]
pub mod contract;
mod cursor;
mod external;
mod failure;
#[cfg(feature = "test-support")]
pub mod fakes;
mod hash;
mod id;
mod input;
mod kinds;
mod ledger;
mod materials;
mod media_asset;
mod media_plan;
mod media_report;
mod overview;
mod ports;
pub mod provenance;
mod recipe;
mod revision;
mod step_facts;
mod task;
mod tessellator;
mod webhook;

#[cfg(feature = "mock")]
pub use access_token::MockAccessTokens;
pub use access_token::{
    AccessToken, AccessTokens, NewAccessToken, ParseRoleError, ParseTokenError, Role, TokenHash,
    TokenSecret,
};
pub use blob_loss::{BlobExamination, BlobLoss, BlobState, examine_blob, report_blob_loss};
#[cfg(feature = "mock")]
pub use blob_refs::MockBlobRefs;
pub use blob_refs::{
    BlobCopy, BlobIntent, BlobRefs, INTENT_HOURS, KeptBlob, Removal, RemovalRow, StoredBlob,
    Unreferenced, keep_bytes, keep_file, keep_intended, keep_upload,
};
pub use cad_file::{Blob, CadFile, NewCadFile, Subject};
#[cfg(feature = "mock")]
pub use clock::MockClock;
pub use clock::{Clock, Moment, SystemClock};
pub use cursor::{
    CadFileCursor, CadFileOrder, CursorError, Direction, SortKey, SortValue, WorkCursor, WorkPart,
};
pub use external::{ExternalReferences, MissingGeometry};
pub use failure::{Failure, FailureCode, Retry, sentence};
pub use hash::{ContentHash, ParseHashError};
pub use id::{
    AccessTokenId, BlobIntentId, CadFileId, DeploymentId, MediaAssetId, ParseIdError, SweepId,
    WebhookId,
};
pub use input::{FormatRevision, Input, ParseInputError, SceneInput};
pub use kinds::{MediaKind, MediaSource, ParseKindError, Production};
#[cfg(feature = "mock")]
pub use ledger::MockLedger;
pub use ledger::{
    CONVERTER, Claim, Confirmed, Count, FailedFilter, Fence, FileRows, HandBack, Lane, Ledger,
    MAX_CRASHES, MAX_DUE_RETRIES, Missing, MissingFilter, MissingReason, MissingRequest, NextTask,
    Priority, Progress, Published, QueueDepth, QueuedWork, Recovered, Recovery, Request,
    RequestKey, Requested, Requester, ResultSummary, Row, RowState, TaskOutput, Turns, WorkItem,
    WorkQuery, WorkerName, first_in_queue,
};
pub use materials::{
    Color, MaterialKey, MaterialMap, MaterialMaps, MaterialSpec, MaterialsError, Specificity,
};
pub use media_asset::{MediaAsset, NewMediaAsset};
pub use media_plan::{InputPattern, MediaPlan};
pub use media_report::{ConversionReport, MediaReport, ReportSource};
pub use overview::{CadFileOverview, CadFilePage, CadFileQuery, MediaState, MediaStatus, Period};
pub use ports::{
    BlobUpload, Blobs, ByteStream, CadFiles, EventId, HealthCheck, MediaAssets, NewPipelineEvent,
    PipelineEvent, PipelineLog, StepEvent, StoreError, WorkNotifier,
};
#[cfg(feature = "mock")]
pub use ports::{
    MockBlobUpload, MockBlobs, MockCadFiles, MockHealthCheck, MockMediaAssets, MockPipelineLog,
};
pub use recipe::{Deflection, ParseFingerprintError, Recipe, RecipeError, RecipeFingerprint};
pub use revision::{FileChange, ParseRevisionError, Revision, SaveOutcome};
pub use step_facts::{
    GeometryFacts, HeaderFacts, LengthUnitFacts, OccurrenceFacts, ProductFacts, ProductKind,
    SchemaFacts, StepFacts, TreeFacts,
};
pub use task::{ParseTaskError, TaskKind, TaskOutcome, Work};
#[cfg(feature = "mock")]
pub use tessellator::MockTessellator;
pub use tessellator::{
    Bounds, Cancelled, Conditions, FaceCount, NoProgress, PartReport, Phase, ProgressSink, Retried,
    Tessellation, TessellationReport, TessellationRequest, Tessellator, Timings,
};
#[cfg(feature = "mock")]
pub use webhook::MockWebhooks;
pub use webhook::{
    Delivery, DeliveryClaim, DeliveryContent, DeliveryFailure, DeliveryId, DeliveryRoom,
    DeliveryState, EventFilter, NewWebhook, Webhook, WebhookChange, WebhookSecret, Webhooks,
};
