//! The words that several resources share, as JSON has them.

use cadmill_domain::{
    Failure, MediaKind, TaskKind,
    access_token::Role,
    cad_file::{MediaState, MediaStatus},
    ledger::{Priority, Progress},
    provenance::Cause,
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        KnownFormat, RefOr, Schema, SchemaFormat,
        schema::{ObjectBuilder, SchemaType, Type},
    },
};
use uuid::Uuid;

macro_rules! words {
    ($(#[$doc:meta])* $name:ident as $schema:ident of $domain:ty { $($(#[$variant_doc:meta])* $variant:ident : $value:pat => $back:expr,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
        #[schema(as = $schema)]
        #[serde(rename_all = "snake_case")]
        pub(crate) enum $name {
            $($(#[$variant_doc])* $variant,)+
        }

        impl From<$domain> for $name {
            fn from(value: $domain) -> Self {
                match value { $($value => Self::$variant,)+ }
            }
        }

        impl From<$name> for $domain {
            fn from(value: $name) -> Self {
                match value { $($name::$variant => $back,)+ }
            }
        }
    };
}

words! {
    /// A kind of medium.
    KindDto as MediaKind of MediaKind {
        /// The canonical scene, a GLB.
        GltfGeometry: MediaKind::GltfGeometry => MediaKind::GltfGeometry,
        /// The USD master, a USDZ.
        UsdMaster: MediaKind::UsdMaster => MediaKind::UsdMaster,
        /// The scene for the web, a compressed GLB.
        WebGlb: MediaKind::WebGlb => MediaKind::WebGlb,
        /// A picture, a PNG.
        Thumbnail: MediaKind::Thumbnail => MediaKind::Thumbnail,
    }
}

words! {
    /// How it stands with a medium.
    StateDto as MediaState of MediaState {
        /// There is none, and none is on its way.
        Missing: MediaState::Missing => MediaState::Missing,
        /// It waits for a worker.
        Queued: MediaState::Queued => MediaState::Queued,
        /// A worker is at it.
        Running: MediaState::Running => MediaState::Running,
        /// That of the newest file is there.
        Ready: MediaState::Ready => MediaState::Ready,
        /// One is there, but of an earlier file, recipe or version.
        Stale: MediaState::Stale => MediaState::Stale,
        /// Making it has failed for good.
        Failed: MediaState::Failed => MediaState::Failed,
        /// Somebody took it out of the queue.
        Cancelled: MediaState::Cancelled => MediaState::Cancelled,
    }
}

words! {
    /// A kind of work.
    TaskDto as Task of TaskKind {
        /// Reading the file.
        ProcessStep: TaskKind::ProcessStep => TaskKind::ProcessStep,
        /// Making the canonical scene.
        GltfGeometry: TaskKind::Make(MediaKind::GltfGeometry) => TaskKind::Make(MediaKind::GltfGeometry),
        /// Making the USD master.
        UsdMaster: TaskKind::Make(MediaKind::UsdMaster) => TaskKind::Make(MediaKind::UsdMaster),
        /// Making the scene for the web.
        WebGlb: TaskKind::Make(MediaKind::WebGlb) => TaskKind::Make(MediaKind::WebGlb),
        /// Drawing the picture.
        Thumbnail: TaskKind::Make(MediaKind::Thumbnail) => TaskKind::Make(MediaKind::Thumbnail),
    }
}

words! {
    /// Why a medium was made.
    CauseDto as Cause of Cause {
        /// There was none before.
        First: Cause::First => Cause::First,
        /// The STEP file is another.
        Source: Cause::Source => Cause::Source,
        /// The recipe is another.
        Recipe: Cause::Recipe => Cause::Recipe,
        /// The materials are others.
        Materials: Cause::Materials => Cause::Materials,
        /// Media of this kind are written differently since.
        Revision: Cause::Revision => Cause::Revision,
        /// Nothing differs: somebody insisted.
        Forced: Cause::Forced => Cause::Forced,
    }
}

words! {
    /// How urgent work is.
    PriorityDto as Priority of Priority {
        /// Asked for by the thousand.
        Bulk: Priority::Bulk => Priority::Bulk,
        /// Somebody asked for this one.
        Asked: Priority::Asked => Priority::Asked,
        /// Somebody has just brought the file in.
        Upload: Priority::Upload => Priority::Upload,
    }
}

words! {
    /// What the bearer of a token may do; each role may do what the lower ones may.
    RoleDto as Role of Role {
        /// Looks.
        Viewer: Role::Viewer => Role::Viewer,
        /// Brings files in, changes them and asks for media.
        Editor: Role::Editor => Role::Editor,
        /// Does everything, tokens included.
        Admin: Role::Admin => Role::Admin,
    }
}

/// Bytes, as documented.
pub(crate) struct BinaryDto;

impl PartialSchema for BinaryDto {
    fn schema() -> RefOr<Schema> {
        let format = SchemaFormat::KnownFormat(KnownFormat::Binary);
        let text = SchemaType::new(Type::String);
        ObjectBuilder::new()
            .schema_type(text)
            .format(Some(format))
            .into()
    }
}

impl ToSchema for BinaryDto {
    fn name() -> std::borrow::Cow<'static, str> {
        "Bytes".into()
    }
}

/// How far a worker is.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Progress)]
pub(crate) struct ProgressDto {
    /// What is being done, in one word.
    phase: String,
    /// How much of that is done.
    #[schema(minimum = 0, maximum = 1)]
    fraction: f64,
}

impl From<Progress> for ProgressDto {
    fn from(progress: Progress) -> Self {
        Self {
            phase: progress.phase,
            fraction: progress.fraction.clamp(0.0, 1.0),
        }
    }
}

/// How work ended badly.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Failure)]
pub(crate) struct FailureDto {
    /// The code of the catalogue of failures.
    code: &'static str,
    /// What happened, in one plain sentence.
    sentence: &'static str,
    /// What is particular to this case.
    detail: String,
    /// What can be done about it.
    remedy: &'static str,
}

impl From<Failure> for FailureDto {
    fn from(failure: Failure) -> Self {
        Self {
            code: failure.code.as_str(),
            sentence: failure.code.sentence(),
            detail: failure.detail,
            remedy: failure.code.remedy(),
        }
    }
}

/// How it stands with a medium, in full.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Medium)]
pub(crate) struct MediumDto {
    /// What it is.
    pub(crate) kind: KindDto,
    /// How it stands.
    pub(crate) state: StateDto,
    /// The asset that is there; unless the medium is ready, an older one.
    asset_id: Option<Uuid>,
    /// Whether that asset was made of something older, or is being made again.
    stale: bool,
    /// Whether the asset is coarser than the recipe, since that could not be made; it counts as there,
    /// and the recipe is tried again only by `regenerate-stale` or with `force`.
    coarser: bool,
    /// How far the worker is.
    progress: Option<ProgressDto>,
    /// How it failed last, until it succeeds or is asked for again.
    failure: Option<FailureDto>,
    /// The number of the newest run; later ones have higher numbers.
    #[schema(minimum = 0)]
    fence: u64,
    /// How urgent it was when it was last asked for.
    priority: PriorityDto,
    /// How often it was tried before.
    #[schema(minimum = 0)]
    tries: u32,
    /// Whether it is made though it was there.
    forced: bool,
    /// Since when it is wanted.
    requested_at: Option<DateTime<Utc>>,
    /// Not to be begun before.
    not_before: Option<DateTime<Utc>>,
    /// When it was last begun.
    started_at: Option<DateTime<Utc>>,
    /// Who began it last.
    worker: Option<String>,
}

impl From<MediaStatus> for MediumDto {
    fn from(status: MediaStatus) -> Self {
        Self {
            kind: status.kind.into(),
            stale: status.is_stale(),
            coarser: status.coarser,
            state: status.state.into(),
            asset_id: status.asset.map(|id| id.as_uuid()),
            progress: status.progress.map(Into::into),
            failure: status.failure.map(Into::into),
            fence: status.fence.0,
            priority: status.priority.into(),
            tries: status.tries,
            forced: status.force,
            requested_at: status.requested_at,
            not_before: status.not_before,
            started_at: status.claimed_at,
            worker: status.worker.map(|worker| worker.to_string()),
        }
    }
}
