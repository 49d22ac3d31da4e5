//! Claims of work, and the results and reasons with which they end.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Requested;
use crate::{
    FailureCode, Input, MediaAssetId, MediaKind, NewMediaAsset, StepFacts, StoreError, TaskKind,
    Work,
};

/// The fencing token of a claim: it grows by one with each claim of a row, and only the newest can
/// publish.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Fence(pub u64);

impl fmt::Display for Fence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The name of a worker, for display: `host:pid` or the like.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WorkerName(String);

impl WorkerName {
    /// A worker with this name.
    pub fn new(name: impl Into<String>) -> Self {
        Self(name.into())
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for WorkerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The right to publish a result, valid while its fence is the newest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The claimed work.
    pub work: Work,
    /// The fence of the claim.
    pub fence: Fence,
    /// The input from which the result is made.
    pub input: Input,
    /// The worker that claimed it.
    pub worker: WorkerName,
    /// The number of earlier tries for this input, whether they failed or their worker died.
    pub tries: u32,
    /// Whether the result is made even if it is present.
    pub force: bool,
}

impl Claim {
    /// Returns `input` if it is that of a coarser scene that may be published in place of the claimed one.
    ///
    /// # Errors
    /// If `input` is anything else.
    pub fn coarser(&self, input: &Input) -> Result<Input, StoreError> {
        let is_scene = self.work.kind == TaskKind::Make(MediaKind::GltfGeometry);
        if is_scene && input.is_coarser_than(&self.input) {
            return Ok(input.clone());
        }
        let text = format!(
            "`{input}` is not a coarser scene in place of `{}`",
            self.input
        );
        Err(StoreError::Refused(text.into()))
    }
}

/// Why a claim is handed back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HandBack {
    /// The worker stops.
    Stopping,
    /// The lease was lost.
    LeaseLost,
    /// Another input is wanted by now.
    Outdated,
    /// The bytes of the input are lost.
    InputLost,
}

impl HandBack {
    /// The code in the `step_failed` event of the claim.
    #[must_use]
    pub const fn code(self) -> FailureCode {
        match self {
            Self::LeaseLost => FailureCode::LockLost,
            Self::InputLost => FailureCode::BlobDamaged,
            Self::Stopping | Self::Outdated => FailureCode::Cancelled,
        }
    }
}

/// The result of a task.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum TaskOutput {
    /// What `process_step_file` found in the file.
    Step(Box<StepFacts>),
    /// A medium that was made.
    Asset(NewMediaAsset),
    /// A canonical scene that is coarser than the recipe, because the wanted one could not be made. It
    /// counts as present but stale.
    Coarser {
        /// The scene.
        made: NewMediaAsset,
        /// Its input, made by [`Input::coarser`].
        input: Input,
    },
    /// An existing asset with the same input, possibly of another file with the same bytes. A coarser
    /// scene always belongs to the same file.
    Cached(MediaAssetId),
}

/// The outcome of a publication.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Published {
    /// The result is stored.
    Done {
        /// The asset, if the result is a medium.
        asset: Option<MediaAssetId>,
        /// Whether the work is queued again because another input is wanted by now.
        requeued: bool,
        /// The downstream requests of the same transaction, and their outcomes.
        chained: Vec<(TaskKind, Requested)>,
    },
    /// The claim no longer holds; nothing was stored.
    Refused,
}

/// The progress of a running task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// The current phase, in one word.
    pub phase: String,
    /// The finished fraction of the phase, from 0 to 1.
    pub fraction: f64,
}
