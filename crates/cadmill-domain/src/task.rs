//! The kinds of tasks, their names, and how a task ends.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{CadFileId, FailureCode, MediaAsset, MediaAssetId, MediaKind};

/// What can be done with a CAD file: read it, or make a medium of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "&'static str", try_from = "String")]
pub enum TaskKind {
    /// Reads header, units and product structure, without the kernel.
    ProcessStep,
    /// Makes a medium.
    Make(MediaKind),
}

/// The text names no task.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no kind of work")]
pub struct ParseTaskError(String);

impl TaskKind {
    /// Every kind, in the order of the chain.
    pub const ALL: [Self; 5] = [
        Self::ProcessStep,
        Self::Make(MediaKind::GltfGeometry),
        Self::Make(MediaKind::UsdMaster),
        Self::Make(MediaKind::WebGlb),
        Self::Make(MediaKind::Thumbnail),
    ];

    /// The stable name, as stored in the ledger.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ProcessStep => "process_step",
            Self::Make(kind) => kind.as_str(),
        }
    }

    /// The name of the task, as logged.
    #[must_use]
    pub const fn task_name(self) -> &'static str {
        match self {
            Self::ProcessStep => "process_step_file",
            Self::Make(MediaKind::GltfGeometry) => "generate_gltf_geometry",
            Self::Make(MediaKind::UsdMaster) => "generate_usd_master",
            Self::Make(MediaKind::WebGlb) => "generate_web_glb",
            Self::Make(MediaKind::Thumbnail) => "generate_thumbnail",
        }
    }

    /// The name of its step in the pipeline log.
    #[must_use]
    pub const fn step_name(self) -> &'static str {
        match self {
            Self::Make(MediaKind::GltfGeometry) => "export_glb_geometry",
            other => other.as_str(),
        }
    }

    /// The task whose result this one works on.
    #[must_use]
    pub const fn upstream(self) -> Option<Self> {
        match self {
            Self::ProcessStep => None,
            Self::Make(MediaKind::GltfGeometry) => Some(Self::ProcessStep),
            Self::Make(_) => Some(Self::Make(MediaKind::GltfGeometry)),
        }
    }

    /// The medium it makes.
    #[must_use]
    pub const fn medium(self) -> Option<MediaKind> {
        match self {
            Self::ProcessStep => None,
            Self::Make(kind) => Some(kind),
        }
    }
}

impl fmt::Display for TaskKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for TaskKind {
    type Err = ParseTaskError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|kind| kind.as_str() == text);
        found.ok_or_else(|| ParseTaskError(text.to_owned()))
    }
}

impl From<TaskKind> for &'static str {
    fn from(kind: TaskKind) -> Self {
        kind.as_str()
    }
}

impl TryFrom<String> for TaskKind {
    type Error = ParseTaskError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<MediaKind> for TaskKind {
    fn from(kind: MediaKind) -> Self {
        Self::Make(kind)
    }
}

/// How a task ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TaskOutcome {
    /// Somebody else is at it; nothing was touched.
    Skipped,
    /// There is no such file.
    Unknown,
    /// What it is made of is not there; that was asked for, and the rest follows by itself.
    Waiting,
    /// The file was read.
    Processed,
    /// The medium was made.
    Made(MediaAssetId),
    /// The medium was there already, or that of a file with the same bytes.
    Cached(MediaAssetId),
    /// It failed. With `retry`, it is in the queue again.
    Failed {
        /// Which entry of the catalogue this is.
        code: FailureCode,
        /// Whether it will be tried again by itself.
        retry: bool,
    },
    /// The lease was lost or the claim was taken away, so nothing was published.
    Lost,
    /// It went back to the queue, since the worker stops.
    HandedBack,
    /// It went back to the queue, since something else is wanted by now.
    Superseded,
    /// It stays in the queue: another file with the same bytes is being tessellated, and what comes
    /// of that ends its wait.
    PutOff,
}

impl TaskOutcome {
    /// What the task returns, as JSON.
    #[must_use]
    pub fn to_json(self) -> Value {
        match self {
            Self::Skipped => json!({"skipped": true}),
            Self::Unknown => json!({"unknown": true}),
            Self::Waiting => json!({"waiting": true}),
            Self::Processed => json!({"processed": true}),
            Self::Made(id) => json!({"cached": false, "asset_id": id}),
            Self::Cached(id) => json!({"cached": true, "asset_id": id}),
            Self::Failed { code, retry } => json!({"failed": code, "retry": retry}),
            Self::Lost => json!({"lost": true}),
            Self::HandedBack => json!({"handed_back": true}),
            Self::Superseded => json!({"superseded": true}),
            Self::PutOff => json!({"put_off": true}),
        }
    }
}

/// One piece of work: which file, and what is to be done with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Work {
    /// The file.
    pub cad_file_id: CadFileId,
    /// What is to be done.
    pub kind: TaskKind,
}

impl Work {
    /// The work that made `asset`.
    #[must_use]
    pub const fn of(asset: &MediaAsset) -> Self {
        Self {
            cad_file_id: asset.cad_file_id,
            kind: TaskKind::Make(asset.kind),
        }
    }
}

impl fmt::Display for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.kind, self.cad_file_id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_read_back_from_its_name() {
        for kind in TaskKind::ALL {
            assert_eq!(kind.as_str().parse(), Ok(kind));
            let json = serde_json::to_string(&kind).unwrap();
            assert_eq!(serde_json::from_str::<TaskKind>(&json).unwrap(), kind);
        }
        assert!("usd".parse::<TaskKind>().is_err());
    }

    #[test]
    fn outcomes_are_told_in_the_words_of_the_mission() {
        assert_eq!(TaskOutcome::Skipped.to_json(), json!({"skipped": true}));
        let id: MediaAssetId = "0192f3a4-0000-7000-8000-000000000001".parse().unwrap();
        assert_eq!(
            TaskOutcome::Cached(id).to_json(),
            json!({"cached": true, "asset_id": "0192f3a4-0000-7000-8000-000000000001"})
        );
    }
}
