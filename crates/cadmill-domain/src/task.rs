//! The kinds of tasks, their names, and how a task ends.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{CadFileId, FailureCode, MediaAsset, MediaAssetId, MediaKind, MediaSource};

/// A kind of task: to read a CAD file, or to make a medium of it.
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
#[error("`{0}` is no kind of task")]
pub struct ParseTaskError(String);

impl TaskKind {
    /// The task that makes the canonical scene.
    pub const SCENE: Self = Self::Make(MediaKind::GltfGeometry);

    /// Every kind, in the order in which they run.
    pub const ALL: [Self; MediaKind::ALL.len() + 1] = {
        let mut all = [Self::ProcessStep; MediaKind::ALL.len() + 1];
        let mut position = 0;
        while position < MediaKind::ALL.len() {
            all[position + 1] = Self::Make(MediaKind::ALL[position]);
            position += 1;
        }
        all
    };

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
            Self::Make(kind) => kind.facts().task_name,
        }
    }

    /// The name of its step in the pipeline log.
    #[must_use]
    pub const fn step_name(self) -> &'static str {
        match self {
            Self::ProcessStep => "process_step",
            Self::Make(kind) => kind.facts().step_name,
        }
    }

    /// What its lock keys begin with.
    #[must_use]
    pub const fn lock_name(self) -> &'static str {
        match self {
            Self::ProcessStep => "step_processing_lock",
            Self::Make(kind) => kind.facts().lock_name,
        }
    }

    /// The revision of what the task writes. It is raised when its result changes for the same
    /// input; results of an earlier revision are stale.
    #[must_use]
    pub const fn revision(self) -> &'static str {
        match self {
            Self::ProcessStep => "step1",
            Self::Make(kind) => kind.facts().revision,
        }
    }

    /// The task whose result this one uses.
    #[must_use]
    pub const fn upstream(self) -> Option<Self> {
        match self {
            Self::ProcessStep => None,
            Self::Make(kind) => match kind.facts().source {
                MediaSource::File => Some(Self::ProcessStep),
                MediaSource::Scene => Some(Self::SCENE),
            },
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
    /// Another worker is running it; nothing was touched.
    Skipped,
    /// There is no such file.
    Unknown,
    /// The result that it uses is missing. That result was requested, and this task follows it.
    Waiting,
    /// The file was read.
    Processed,
    /// The medium was made.
    Made(MediaAssetId),
    /// The medium was there already, for this file or for another with the same bytes.
    Cached(MediaAssetId),
    /// It failed. With `retry`, it is in the queue again.
    Failed {
        /// The entry of the failure catalogue.
        code: FailureCode,
        /// Whether it is retried automatically.
        retry: bool,
    },
    /// The lease was lost or the claim was revoked, so nothing was published.
    Lost,
    /// It went back to the queue because the worker stops.
    HandedBack,
    /// It went back to the queue because its input has changed.
    Superseded,
    /// It stays in the queue until the tessellation of another file with the same bytes ends.
    PutOff,
}

impl TaskOutcome {
    /// The return value of the task, as JSON.
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

/// A task for one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Work {
    /// The file.
    pub cad_file_id: CadFileId,
    /// The task.
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

    /// The key of the lock under which it is done. Workers of other versions use the same keys, so
    /// they never change.
    #[must_use]
    pub fn lock_key(self) -> String {
        format!("{}:{}", self.kind.lock_name(), self.cad_file_id)
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
    fn keys_and_task_names_never_change() {
        let cad_file_id: CadFileId = "0192f3a4-0000-7000-8000-000000000001".parse().unwrap();
        let found = TaskKind::ALL.map(|kind| {
            let key = Work { cad_file_id, kind }.lock_key();
            let (lock, id) = key.split_once(':').unwrap();
            assert_eq!(id, cad_file_id.to_string());
            (
                kind.as_str(),
                kind.task_name(),
                kind.step_name(),
                lock.to_owned(),
            )
        });
        let rows = found.map(|(name, task, step, lock)| format!("{name} {task} {step} {lock}"));
        assert_eq!(
            rows,
            [
                "process_step process_step_file process_step step_processing_lock",
                "gltf_geometry generate_gltf_geometry export_glb_geometry glb_geometry_lock",
                "usd_master generate_usd_master usd_master usd_master_lock",
                "web_glb generate_web_glb web_glb web_glb_lock",
                "thumbnail generate_thumbnail thumbnail thumbnail_lock",
            ]
        );
    }

    #[test]
    fn outcomes_have_stable_json() {
        assert_eq!(TaskOutcome::Skipped.to_json(), json!({"skipped": true}));
        let id: MediaAssetId = "0192f3a4-0000-7000-8000-000000000001".parse().unwrap();
        assert_eq!(
            TaskOutcome::Cached(id).to_json(),
            json!({"cached": true, "asset_id": "0192f3a4-0000-7000-8000-000000000001"})
        );
    }
}
