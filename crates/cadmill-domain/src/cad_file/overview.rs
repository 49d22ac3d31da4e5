//! What people see of files: each with the state of its media, and pages of them.

use serde::{Deserialize, Serialize};

use crate::{
    CadFile, CadFileCursor, CadFileOrder, Failure, Input, MediaAssetId, MediaKind, MediaPlan,
    Moment, TaskKind,
    ledger::{Fence, Priority, Progress, Row, RowState, WorkerName},
};

/// How it stands with a medium.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MediaState {
    /// There is none, and none is on its way.
    Missing,
    /// It waits for a worker.
    Queued,
    /// A worker is at it.
    Running,
    /// That of the newest file is there.
    Ready,
    /// One is there, but of an earlier file, recipe or version, or coarser than the recipe.
    Stale,
    /// Making it has failed for good.
    Failed,
    /// Somebody took it out of the queue.
    Cancelled,
}

impl MediaState {
    /// Every state.
    pub const ALL: [Self; 7] = [
        Self::Missing,
        Self::Queued,
        Self::Running,
        Self::Ready,
        Self::Stale,
        Self::Failed,
        Self::Cancelled,
    ];

    /// The stable name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Ready => "ready",
            Self::Stale => "stale",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// The state of a medium whose row is this, and of which `wanted` is wanted. What failed or was
    /// cancelled before the file changed is told as if it had not been tried.
    #[must_use]
    pub fn of(row: &Row, wanted: &Input) -> Self {
        let is_for_wanted = row
            .desired
            .as_ref()
            .is_some_and(|desired| desired == wanted || desired.is_coarser_than(wanted));
        match row.state {
            RowState::Queued => Self::Queued,
            RowState::Running => Self::Running,
            _ if row.has(wanted) => Self::Ready,
            RowState::Failed if is_for_wanted => Self::Failed,
            RowState::Cancelled if is_for_wanted => Self::Cancelled,
            _ if row.asset.is_some() => Self::Stale,
            _ => Self::Missing,
        }
    }
}

impl std::fmt::Display for MediaState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How it stands with a medium of a file, in full.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MediaStatus {
    /// What it is.
    pub kind: MediaKind,
    /// How it stands.
    pub state: MediaState,
    /// The asset that is there; unless the medium is ready, an older one.
    pub asset: Option<MediaAssetId>,
    /// Whether what is there was made coarser than the recipe, since that could not be made.
    pub coarser: bool,
    /// How far the worker is.
    pub progress: Option<Progress>,
    /// How it failed last, until it succeeds or is asked for again.
    pub failure: Option<Failure>,
    /// The number of the newest claim.
    pub fence: Fence,
    /// How urgent it was when it was last asked for.
    pub priority: Priority,
    /// How often it was tried for this input before.
    pub tries: u32,
    /// Whether it is made though it was there.
    pub force: bool,
    /// Since when it is wanted.
    pub requested_at: Option<Moment>,
    /// Not to be claimed before.
    pub not_before: Option<Moment>,
    /// When it was last claimed.
    pub claimed_at: Option<Moment>,
    /// Who claimed it last.
    pub worker: Option<WorkerName>,
}

impl MediaStatus {
    /// Whether what is there is not what is wanted, be the newer one on its way or not.
    #[must_use]
    pub fn is_stale(&self) -> bool {
        self.asset.is_some() && self.state != MediaState::Ready
    }

    /// That of a medium whose row is this, and of which `wanted` is wanted.
    #[must_use]
    pub fn of(kind: MediaKind, row: Row, wanted: &Input) -> Self {
        Self {
            kind,
            state: MediaState::of(&row, wanted),
            coarser: row
                .ready
                .as_ref()
                .is_some_and(|ready| ready.is_coarser_than(wanted)),
            tries: row.tries(),
            asset: row.asset,
            progress: row.progress,
            failure: row.failure,
            fence: row.fence,
            priority: row.priority,
            force: row.force,
            requested_at: row.requested_at,
            not_before: row.not_before,
            claimed_at: row.claimed_at,
            worker: row.worker,
        }
    }
}

/// A file and its media.
#[derive(Debug, Clone, PartialEq)]
pub struct CadFileOverview {
    /// The file.
    pub file: CadFile,
    /// Each medium that is made here, in the order of the chain.
    pub media: Vec<MediaStatus>,
}

impl CadFileOverview {
    /// That of a file with these rows, where `plan` says what is made.
    pub fn of(
        plan: &MediaPlan,
        file: CadFile,
        rows: impl IntoIterator<Item = (TaskKind, Row)>,
    ) -> Self {
        let subject = file.subject();
        let mut rows: std::collections::BTreeMap<_, _> = rows.into_iter().collect();
        let media = plan.media().map(|medium| {
            let kind = TaskKind::Make(medium);
            let row = rows.remove(&kind).unwrap_or_default();
            MediaStatus::of(medium, row, &plan.input(kind, &subject))
        });
        let media = media.collect();
        Self { file, media }
    }
}

/// Which files a page shows, and in which order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CadFileQuery {
    /// Only files whose name contains this, in upper or lower case (of ASCII letters).
    pub name_contains: Option<String>,
    /// Only files whose media stand so, all of them. A kind that is not made here is missing, or
    /// what is left of earlier times.
    pub media: Vec<(MediaKind, MediaState)>,
    /// Only files that were brought in then.
    pub created: Period,
    /// Only files that last changed then.
    pub updated: Period,
    /// How they are sorted.
    pub order: CadFileOrder,
    /// Where the page begins; the list, if nothing is said.
    pub after: Option<CadFileCursor>,
    /// At most so many files.
    pub limit: usize,
}

impl CadFileQuery {
    /// The first files of all, in the order in which they were brought in.
    #[must_use]
    pub fn first(limit: usize) -> Self {
        Self {
            name_contains: None,
            media: Vec::new(),
            created: Period::default(),
            updated: Period::default(),
            order: CadFileOrder::default(),
            after: None,
            limit,
        }
    }
}

/// A time, open on the sides that are not given.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Period {
    /// Then or later.
    pub from: Option<Moment>,
    /// Earlier than that.
    pub until: Option<Moment>,
}

impl Period {
    /// Whether a moment lies in it.
    #[must_use]
    pub fn contains(&self, moment: Moment) -> bool {
        self.from.is_none_or(|from| from <= moment) && self.until.is_none_or(|until| moment < until)
    }
}

/// Some of the files that were asked for.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CadFilePage {
    /// The files.
    pub files: Vec<CadFileOverview>,
    /// Where the next page begins, if there is one.
    pub next: Option<CadFileCursor>,
}
