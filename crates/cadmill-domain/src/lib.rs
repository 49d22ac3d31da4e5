//! The words of Cadmill, shared by every crate: media kinds, recipes, materials, the failure
//! catalogue, and the ports that the outside world implements. No I/O happens here.

mod cad_file;
mod clock;
#[cfg(feature = "test-support")]
pub mod contract;
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
mod ports;
mod recipe;
mod task;
mod tessellator;

pub use cad_file::{Blob, CadFile, NewCadFile, Subject};
#[cfg(feature = "mock")]
pub use clock::MockClock;
pub use clock::{Clock, Moment, SystemClock};
pub use failure::{Failure, FailureCode, Retry, sentence};
pub use hash::{ContentHash, ParseHashError};
pub use id::{CadFileId, MediaAssetId, ParseIdError};
pub use input::{Input, InputPattern, Making};
#[cfg(feature = "mock")]
pub use ledger::MockLedger;
pub use ledger::{
    Book, Claim, Count, Fence, Ledger, MOST_CRASHES, Missing, MissingFilter, MissingRequest,
    Priority, Product, Progress, Published, Recovered, Request, Requested, Row, RowState, Stage,
    WorkerName,
};
pub use materials::{
    Color, MaterialKey, MaterialMap, MaterialMaps, MaterialSpec, MaterialsError, Specificity,
};
pub use media::MediaKind;
pub use media_asset::{MediaAsset, NewMediaAsset};
pub use ports::{
    Blobs, CadFiles, Doorbell, MediaAssets, NewPipelineEvent, PipelineEvent, PipelineLog,
    StepEvent, StoreError,
};
#[cfg(feature = "mock")]
pub use ports::{MockBlobs, MockCadFiles, MockMediaAssets, MockPipelineLog};
pub use recipe::{Deflection, Recipe, RecipeError, RecipeFingerprint};
pub use task::{ParseTaskError, TaskKind, TaskOutcome, TaskPayload};
#[cfg(feature = "mock")]
pub use tessellator::MockTessellator;
pub use tessellator::{
    Bounds, Cancelled, FaceCount, NoProgress, PartReport, Phase, ProgressSink, Retried,
    Tessellation, TessellationReport, TessellationRequest, Tessellator, Timings,
};
