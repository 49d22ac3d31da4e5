//! The words of Cadmill, shared by every crate: media kinds, recipes, materials, the failure
//! catalogue, and the ports that the outside world implements. No I/O happens here.

mod access_token;
mod cad_file;
mod clock;
#[cfg(feature = "test-support")]
pub mod contract;
mod cursor;
mod failure;
#[cfg(feature = "test-support")]
pub mod fakes;
mod hash;
mod id;
mod input;
mod ledger;
mod materials;
mod media;
mod media_asset;
mod overview;
mod ports;
pub mod provenance;
mod recipe;
mod revision;
mod task;
mod tessellator;
mod webhook;

#[cfg(feature = "mock")]
pub use access_token::MockAccessTokens;
pub use access_token::{
    AccessToken, AccessTokens, NewAccessToken, ParseRoleError, ParseTokenError, Role, TokenHash,
    TokenSecret,
};
pub use cad_file::{Blob, CadFile, NewCadFile, Subject};
#[cfg(feature = "mock")]
pub use clock::MockClock;
pub use clock::{Clock, Moment, SystemClock};
pub use cursor::{
    CadFileCursor, CadFileOrder, CursorError, Direction, SortKey, SortValue, WorkCursor,
};
pub use failure::{Failure, FailureCode, Retry, sentence};
pub use hash::{ContentHash, ParseHashError};
pub use id::{AccessTokenId, CadFileId, MediaAssetId, ParseIdError, WebhookId};
pub use input::{Input, InputPattern, Making};
#[cfg(feature = "mock")]
pub use ledger::MockLedger;
pub use ledger::{
    Book, Claim, Count, FailedFilter, Fence, Ledger, MOST_CRASHES, Missing, MissingFilter,
    MissingRequest, Priority, Product, Progress, Published, QueueDepth, Recovered, Remnant,
    Request, RequestKey, Requested, Row, RowState, Stage, WorkItem, WorkerName,
};
pub use materials::{
    Color, MaterialKey, MaterialMap, MaterialMaps, MaterialSpec, MaterialsError, Specificity,
};
pub use media::MediaKind;
pub use media_asset::{MediaAsset, NewMediaAsset};
pub use overview::{CadFileOverview, CadFilePage, CadFileQuery, MediaState, MediaStatus, Period};
pub use ports::{
    BlobUpload, Blobs, ByteStream, CadFiles, Doorbell, EventId, HealthCheck, MediaAssets,
    NewPipelineEvent, PipelineEvent, PipelineLog, StepEvent, StoreError,
};
#[cfg(feature = "mock")]
pub use ports::{
    MockBlobUpload, MockBlobs, MockCadFiles, MockHealthCheck, MockMediaAssets, MockPipelineLog,
};
pub use recipe::{Deflection, Recipe, RecipeError, RecipeFingerprint};
pub use revision::{FileChange, ParseRevisionError, Revision, SaveOutcome};
pub use task::{ParseTaskError, TaskKind, TaskOutcome, TaskPayload};
#[cfg(feature = "mock")]
pub use tessellator::MockTessellator;
pub use tessellator::{
    Bounds, Cancelled, FaceCount, NoProgress, PartReport, Phase, ProgressSink, Retried,
    Tessellation, TessellationReport, TessellationRequest, Tessellator, Timings,
};
#[cfg(feature = "mock")]
pub use webhook::MockWebhooks;
pub use webhook::{
    Delivery, DeliveryClaim, DeliveryContent, DeliveryFailure, DeliveryId, DeliveryRoom,
    DeliveryState, EventFilter, NewWebhook, Webhook, WebhookChange, WebhookSecret, Webhooks,
};
