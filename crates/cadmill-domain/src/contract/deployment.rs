//! A deployment under test, and the words in which the scenarios are told.

use std::sync::Arc;

use chrono::TimeDelta;

use crate::{
    Blob, CadFile, CadFileId, CadFiles, Clock as _, ConversionReport, Failure, FailureCode,
    MaterialKey, MaterialMap, MaterialSpec, MediaAsset, MediaAssetId, MediaAssets, MediaKind,
    MediaPlan, MediaReport, NewCadFile, NewMediaAsset, Recipe, TaskKind, Work,
    access_token::AccessTokens,
    blobs::BlobRefs,
    cad_file::{CadFileQuery, FileChange, SaveOutcome},
    fakes::{ManualClock, step_facts},
    ledger::{
        Claim, HandBack, Ledger, Missing, MissingRequest, Published, Request, Requested, Row,
        RowState, TaskOutput, WorkQuery, WorkerName,
    },
    pipeline_log::PipelineLog,
    webhook::Webhooks,
};

/// A new, empty deployment that makes what [`plan`] says, by this clock.
#[derive(Debug, Clone)]
pub struct Deployment {
    /// The CAD files.
    pub files: Arc<dyn CadFiles>,
    /// The media.
    pub assets: Arc<dyn MediaAssets>,
    /// The ledger.
    pub ledger: Arc<dyn Ledger>,
    /// The pipeline log.
    pub log: Arc<dyn PipelineLog>,
    /// The access tokens.
    pub tokens: Arc<dyn AccessTokens>,
    /// Which blobs are referred to.
    pub refs: Arc<dyn BlobRefs>,
    /// The webhooks.
    pub webhooks: Arc<dyn Webhooks>,
    /// The clock of all of them.
    pub clock: Arc<ManualClock>,
}

/// What every deployment under test makes: all kinds, by the standard recipe.
#[must_use]
pub fn plan() -> MediaPlan {
    MediaPlan::new(Recipe::STANDARD, MediaKind::ALL)
}

/// All files, in the order of their ids.
///
/// # Panics
/// If the database does not answer.
pub async fn all_files(files: &dyn CadFiles) -> Vec<CadFile> {
    let mut query = CadFileQuery::first(1000);
    let mut all = Vec::new();
    loop {
        let page = files.list(&query).await.unwrap();
        all.extend(page.files.into_iter().map(|overview| overview.file));
        query.after = page.next;
        if query.after.is_none() {
            all.sort_by_key(|file| file.id);
            return all;
        }
    }
}

pub(super) const STEP: TaskKind = TaskKind::ProcessStep;
pub(super) const GLB: TaskKind = TaskKind::Make(MediaKind::GltfGeometry);
pub(super) const USD: TaskKind = TaskKind::Make(MediaKind::UsdMaster);
pub(super) const WEB: TaskKind = TaskKind::Make(MediaKind::WebGlb);
pub(super) const PNG: TaskKind = TaskKind::Make(MediaKind::Thumbnail);

/// All that is stored, to see whether anything has changed.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Everything {
    files: Vec<CadFile>,
    rows: Vec<(TaskKind, Row)>,
    assets: Vec<MediaAsset>,
}

/// Something that happens to a file.
#[derive(Debug, Clone, Copy)]
pub(super) enum Do {
    /// It is claimed and published.
    Make(TaskKind),
    /// It is claimed and published, and before that all that it is made of.
    MakeAllFor(TaskKind),
    /// It is claimed.
    Claim(TaskKind),
    /// It is claimed and fails for good.
    Fail(TaskKind),
    /// It is claimed and is to be tried again in an hour.
    Delay(TaskKind),
    /// It is cancelled.
    Cancel(TaskKind),
    /// Its parts get this colour.
    Paint(&'static str),
    /// It gets other bytes; the first ones are "A".
    Bytes(&'static str),
}

impl Deployment {
    /// Adds a file, a second after the last one.
    pub(super) async fn add(&self, name: &str) -> CadFileId {
        self.later(1);
        let file = NewCadFile {
            name: name.to_owned(),
            source: bytes_of(name, "A").into(),
        };
        self.files.add(file, Some(Request::BULK)).await.unwrap().id
    }

    /// Adds a file of which nothing is asked.
    pub(super) async fn add_quietly(&self, name: &str) -> CadFileId {
        let file = NewCadFile {
            name: name.to_owned(),
            source: bytes_of(name, "A").into(),
        };
        self.files.add(file, None).await.unwrap().id
    }

    /// Adds a file and lets `story` happen to it.
    pub(super) async fn add_with(&self, name: &str, story: &[Do]) -> CadFileId {
        let file = self.add(name).await;
        self.happen(file, story).await;
        file
    }

    pub(super) async fn happen(&self, id: CadFileId, story: &[Do]) {
        for step in story {
            match *step {
                Do::Make(kind) => {
                    self.make(id, kind).await;
                }
                Do::MakeAllFor(kind) => {
                    let upstream = [
                        kind.upstream().and_then(TaskKind::upstream),
                        kind.upstream(),
                    ];
                    for kind in upstream.into_iter().flatten().chain([kind]) {
                        self.make(id, kind).await;
                    }
                }
                Do::Claim(kind) => {
                    self.claim(id, kind).await;
                }
                Do::Fail(kind) => {
                    let claim = self.claim(id, kind).await;
                    self.fail(&claim, None).await;
                }
                Do::Delay(kind) => {
                    let claim = self.claim(id, kind).await;
                    self.fail(&claim, Some(TimeDelta::hours(1))).await;
                }
                Do::Cancel(kind) => {
                    assert!(
                        self.cancel(id, kind).await,
                        "{kind} is cancelled: {story:?}"
                    );
                }
                Do::Paint(color) => {
                    let painted = self
                        .files
                        .change(id, FileChange::PartMaterials(paint(color)), None)
                        .await;
                    assert!(
                        matches!(painted.unwrap(), SaveOutcome::Saved(_)),
                        "the file that is painted is there"
                    );
                }
                Do::Bytes(version) => {
                    let source = bytes_of(&self.file(id).await.name, version);
                    let replaced = self
                        .files
                        .change(id, FileChange::Source(source.into(), Request::BULK), None)
                        .await;
                    assert!(
                        matches!(replaced.unwrap(), SaveOutcome::Saved(_)),
                        "the file that is replaced is there"
                    );
                }
            }
        }
    }

    /// Waits until the events of a file that are committed are shown to those who follow by number.
    /// PostgreSQL shows them when the transactions that began before have ended, even those of other
    /// databases of the server.
    pub(super) async fn followers_see(&self, file: CadFileId) {
        let timeline = self.log.timeline(file).await.unwrap();
        let newest = timeline.last().expect("the file has events").id;
        while self.log.last_event_id().await.unwrap() < newest {}
    }

    pub(super) fn later(&self, seconds: i64) {
        self.clock.advance(TimeDelta::seconds(seconds));
    }

    pub(super) async fn file(&self, id: CadFileId) -> CadFile {
        self.files
            .get(id)
            .await
            .unwrap()
            .expect("the file is there")
    }

    pub(super) async fn request(&self, id: CadFileId, kind: TaskKind, how: Request) -> Requested {
        let requested = self.ledger.request(work(id, kind), how).await.unwrap();
        requested.expect("a file that is there can be asked for")
    }

    pub(super) async fn try_claim(&self, id: CadFileId, kind: TaskKind) -> Option<Claim> {
        self.ledger.claim(work(id, kind), &worker()).await.unwrap()
    }

    pub(super) async fn claim(&self, id: CadFileId, kind: TaskKind) -> Claim {
        let claim = self.try_claim(id, kind).await;
        claim.unwrap_or_else(|| panic!("{kind} is queued and due, so it can be claimed"))
    }

    /// Publishes something that is different for each claim.
    pub(super) async fn publish(&self, claim: &Claim) -> Published {
        self.ledger.publish(claim, product(claim)).await.unwrap()
    }

    /// Claims and publishes; gives the asset.
    pub(super) async fn make(&self, id: CadFileId, kind: TaskKind) -> Option<MediaAssetId> {
        let claim = self.claim(id, kind).await;
        match self.publish(&claim).await {
            Published::Done { asset, .. } => asset,
            Published::Refused => panic!("{kind} was just claimed, but its result is refused"),
        }
    }

    pub(super) async fn fail(&self, claim: &Claim, retry_in: Option<TimeDelta>) -> bool {
        let retry_at = retry_in.map(|delay| self.clock.now() + delay);
        let failure = failure();
        self.ledger.fail(claim, &failure, retry_at).await.unwrap()
    }

    /// Gives a claim back as a worker does that stops.
    pub(super) async fn hand_back(&self, claim: &Claim) -> bool {
        let back = self.ledger.hand_back(claim, HandBack::Stopping);
        back.await.unwrap()
    }

    pub(super) async fn cancel(&self, id: CadFileId, kind: TaskKind) -> bool {
        self.ledger.cancel(work(id, kind)).await.unwrap()
    }

    pub(super) async fn request_missing(&self, request: &MissingRequest) -> Missing {
        self.ledger.request_missing(request).await.unwrap()
    }

    pub(super) async fn rows(&self, id: CadFileId) -> Vec<(TaskKind, Row)> {
        self.ledger.rows(id).await.unwrap()
    }

    /// The row, or that of nothing.
    pub(super) async fn row(&self, id: CadFileId, kind: TaskKind) -> Row {
        let mut rows = self.rows(id).await.into_iter();
        rows.find(|row| row.0 == kind)
            .map_or_else(Row::default, |(_, row)| row)
    }

    pub(super) async fn states(&self, id: CadFileId) -> Vec<(TaskKind, RowState)> {
        let rows = self.rows(id).await.into_iter();
        rows.map(|(kind, row)| (kind, row.state)).collect()
    }

    pub(super) async fn asset(&self, id: MediaAssetId) -> MediaAsset {
        self.assets
            .get(id)
            .await
            .unwrap()
            .expect("the asset is there")
    }

    pub(super) async fn next(&self) -> Vec<Work> {
        self.next_of(&WorkQuery::first(usize::from(u16::MAX))).await
    }

    pub(super) async fn next_of(&self, query: &WorkQuery) -> Vec<Work> {
        let next = self.ledger.next(query).await.unwrap();
        next.into_iter().map(|queued| queued.work).collect()
    }

    pub(super) async fn everything(&self) -> Everything {
        let mut all = Everything::default();
        for file in all_files(&*self.files).await {
            all.rows.extend(self.rows(file.id).await);
            all.assets
                .extend(self.assets.of_file(file.id).await.unwrap());
            all.files.push(file);
        }
        all.assets.sort_by_key(|asset| asset.id);
        all
    }
}

pub(super) fn work(cad_file_id: CadFileId, kind: TaskKind) -> Work {
    Work { cad_file_id, kind }
}

pub(super) fn worker() -> WorkerName {
    WorkerName::new("mill-1:4711")
}

pub(super) fn failure() -> Failure {
    Failure::new(
        FailureCode::KernelError,
        "It says `no`; 100 % of the \"faces\" are 'ü'.",
    )
}

pub(super) fn product(claim: &Claim) -> TaskOutput {
    let label = format!("{}, {}", claim.input, claim.fence);
    if claim.work.kind == STEP {
        return TaskOutput::Step(step_facts(label.as_bytes()).into());
    }
    let report = report(&label);
    let blob = Blob::of(format!("{}, {}", claim.work, claim.fence).as_bytes()).into();
    TaskOutput::Asset(NewMediaAsset { blob, report })
}

/// A report that differs for each `converter`.
pub(super) fn report(converter: &str) -> MediaReport {
    let report = ConversionReport {
        converter: converter.to_owned(),
        unmatched_materials: vec![MaterialKey::new("it's \"ü\"")],
    };
    report.into()
}

pub(super) fn paint(color: &str) -> MaterialMap {
    let spec = MaterialSpec {
        name: Some(format!("lack'd \"{color}\"")),
        color: color.parse().unwrap(),
        metallic: 0.25,
        roughness: 0.1,
        opacity: 1.0,
    };
    MaterialMap::from([(MaterialKey::new("bolt-*"), spec)])
}

pub(super) fn bytes_of(name: &str, version: &str) -> Blob {
    Blob::of(format!("{name}, version {version}").as_bytes())
}
