//! A deployment whose files are known by number: the database, or the fake.

use std::{collections::BTreeMap, fmt, sync::Arc};

use cadmill_domain::{
    Blob, CadFile, CadFileId, ContentHash, Failure, FailureCode, MaterialKey, MaterialMap,
    MaterialSpec, MediaAsset, MediaAssetId, MediaKind, Moment, NewCadFile, NewMediaAsset, Recipe,
    StoreError, TaskKind, Work,
    cad_file::FileChange,
    cad_file::{CadFileQuery, MediaState},
    contract::{Deployment, all_files},
    fakes::{ManualClock, MemoryStore},
    ledger::{
        Claim, Count, HandBack, Priority, Progress, Published, QueueDepth, QueuedWork, Request,
        Requester, Row, RowState, TaskOutput, WorkQuery, WorkerName,
    },
    tessellator::Conditions,
};

use super::act::{Act, Answer, AssetKey, Made, Ticket};

/// One of the two that are compared.
#[derive(Clone)]
pub(crate) struct Side {
    pub(crate) deployment: Deployment,
    fake: Option<MemoryStore>,
    ids: Vec<CadFileId>,
}

/// A file without its id.
pub(crate) type File = (usize, CadFile);

/// All that is stored, without ids.
#[derive(Debug, PartialEq)]
pub(crate) struct Snapshot {
    files: Vec<File>,
    rows: Vec<(usize, TaskKind, Row, Option<AssetKey>)>,
    assets: BTreeMap<AssetKey, MediaAsset>,
}

/// What is found by looking at all rows.
#[derive(Debug, PartialEq)]
pub(crate) struct Overview {
    running: Vec<Ticket>,
    next: Vec<(usize, TaskKind, Priority, Requester)>,
    stats: Vec<Count>,
    depths: Vec<QueueDepth>,
    work: Vec<(usize, TaskKind, Row)>,
    /// How the media of each file stand.
    media: Vec<Vec<MediaState>>,
}

impl Side {
    pub(crate) fn of_database(deployment: Deployment) -> Self {
        let (fake, ids) = (None, Vec::new());
        Self {
            deployment,
            fake,
            ids,
        }
    }

    pub(crate) fn of_fake(fake: MemoryStore, clock: &Arc<ManualClock>) -> Self {
        let store = Arc::new(fake.clone());
        let deployment = Deployment {
            files: store.clone(),
            assets: store.clone(),
            ledger: store.clone(),
            log: store.clone(),
            tokens: store.clone(),
            refs: store.clone(),
            webhooks: store,
            clock: clock.clone(),
        };
        Self {
            fake: Some(fake),
            ..Self::of_database(deployment)
        }
    }

    /// A copy of the fake.
    pub(crate) fn fork(&self, clock: &Arc<ManualClock>) -> Self {
        let fake = self.fake.as_ref().expect("only the fake is forked");
        Self {
            ids: self.ids.clone(),
            ..Self::of_fake(fake.fork(), clock)
        }
    }

    pub(crate) fn files(&self) -> usize {
        self.ids.len()
    }

    pub(crate) async fn add(&mut self, name: &str) {
        let file = NewCadFile {
            name: name.to_owned(),
            source: bytes(0).into(),
        };
        let added = self.deployment.files.add(file, Some(Request::BULK)).await;
        self.ids.push(added.unwrap().id);
    }

    pub(crate) async fn apply(&self, act: &Act) -> Answer {
        let Deployment { files, ledger, .. } = &self.deployment;
        match act {
            Act::Request(file, kind, request) => {
                let requested = ledger.request(self.work(*file, *kind), *request).await;
                Answer::Requested(requested.unwrap())
            }
            Act::RequestMissing(request) => {
                Answer::Missing(ledger.request_missing(request).await.unwrap())
            }
            Act::Next(query) => Answer::Next(self.next(query).await),
            Act::Claim(file, kind, worker) => {
                let claimed = ledger.claim(self.work(*file, *kind), worker).await;
                Answer::Claimed(claimed.unwrap().map(|claim| self.ticket(&claim)))
            }
            Act::Progress(ticket, fraction) => {
                let progress = Progress {
                    phase: "mesh".to_owned(),
                    fraction: *fraction,
                };
                let held = ledger.progress(&self.claim(ticket), &progress).await;
                Answer::Held(held.unwrap())
            }
            Act::Publish(ticket, made) => self.publish(ticket, made).await,
            Act::Fail(ticket, retry_at) => {
                let failure = Failure::new(FailureCode::KernelError, "It cannot.");
                let held = ledger.fail(&self.claim(ticket), &failure, *retry_at).await;
                Answer::Held(held.unwrap())
            }
            Act::HandBack(ticket) => {
                let claim = self.claim(ticket);
                let back = ledger.hand_back(&claim, HandBack::Stopping).await;
                Answer::Held(back.unwrap())
            }
            Act::Confirm(ticket) => {
                let claim = self.claim(ticket);
                let confirmed = ledger.confirm(&claim).await.unwrap();
                let standing = ledger.standing(&[claim]).await.unwrap();
                // At once with others it may have been superseded in between.
                assert_eq!(standing.len(), 1);
                Answer::Confirmed(confirmed)
            }
            Act::Recover(ticket, recovery) => {
                let recovered = ledger.recover(&self.claim(ticket), *recovery).await;
                Answer::Recovered(recovered.unwrap())
            }
            Act::Cancel(file, kind) => {
                Answer::Held(ledger.cancel(self.work(*file, *kind)).await.unwrap())
            }
            Act::Paint {
                file,
                tone,
                by_hand,
            } => {
                let (id, paint) = (self.ids[*file], paint(*tone));
                let saved = if *by_hand {
                    files
                        .change(id, FileChange::ManualOverrides(paint), None)
                        .await
                } else {
                    files
                        .change(id, FileChange::PartMaterials(paint), None)
                        .await
                };
                Answer::File(saved.unwrap().saved().map(|file| Box::new(self.file(file))))
            }
            Act::Lose(blob) => {
                let finder = WorkerName::new("verify");
                Answer::Lost(ledger.blob_lost(*blob, &finder).await.unwrap())
            }
            Act::Find(blob) => Answer::Found(ledger.blob_found(*blob).await.unwrap()),
            Act::Bytes(file, version, request) => {
                let (id, source) = (self.ids[*file], bytes(*version));
                let replaced = files
                    .change(id, FileChange::Source(source.into(), *request), None)
                    .await;
                Answer::File(
                    replaced
                        .unwrap()
                        .saved()
                        .map(|file| Box::new(self.file(file))),
                )
            }
        }
    }

    /// The blobs of all assets, or of all sources.
    pub(crate) async fn blobs(&self, of_sources: bool) -> Vec<ContentHash> {
        let snapshot = self.snapshot().await;
        let mut blobs: Vec<_> = if of_sources {
            let files = snapshot.files.iter();
            files.map(|(_, file)| file.source.sha256).collect()
        } else {
            let assets = snapshot.assets.values();
            assets.map(|asset| asset.blob.sha256).collect()
        };
        blobs.sort();
        blobs.dedup();
        blobs
    }

    async fn publish(&self, ticket: &Ticket, made: &Made) -> Answer {
        let product = match made {
            Made::New(number) => product(ticket, *number),
            Made::Coarser(number) => coarser(ticket, product(ticket, *number)),
            Made::Cached(key) => TaskOutput::Cached(self.asset_id(key).await),
        };
        let input = match (&product, made) {
            (TaskOutput::Coarser { input, .. }, _) => input.clone(),
            (_, Made::Cached(key)) => key.input.clone(),
            _ => ticket.input.clone(),
        };
        let ledger = &self.deployment.ledger;
        match ledger.publish(&self.claim(ticket), product).await {
            Ok(Published::Done {
                asset,
                requeued,
                chained,
            }) => Answer::Published {
                // An asset stays under its id, so it can be looked up later.
                asset: match asset {
                    Some(id) => {
                        let key = self.key_of(id).await;
                        // At once with others it may have been lost again.
                        Some(key.unwrap_or(AssetKey {
                            file: ticket.file,
                            kind: ticket.kind.medium().expect("only media have assets"),
                            input,
                        }))
                    }
                    None => None,
                },
                requeued,
                chained,
            },
            Ok(Published::Refused) => Answer::Stale,
            Err(StoreError::Refused(_)) => Answer::Refused,
            Err(error) => panic!("{error:?}"),
        }
    }

    pub(crate) async fn next(
        &self,
        query: &WorkQuery,
    ) -> Vec<(usize, TaskKind, Priority, Requester)> {
        let next = self.deployment.ledger.next(query).await.unwrap();
        let next = next.into_iter();
        next.map(|queued| {
            let QueuedWork {
                work,
                priority,
                requester,
            } = queued;
            let file = self.number(work.cad_file_id);
            (file, work.kind, priority, requester)
        })
        .collect()
    }

    pub(crate) async fn snapshot(&self) -> Snapshot {
        let Deployment {
            files,
            assets,
            ledger,
            ..
        } = &self.deployment;
        let page = all_files(&**files).await;
        let mut snapshot = Snapshot {
            files: page.into_iter().map(|file| self.file(file)).collect(),
            rows: Vec::new(),
            assets: BTreeMap::new(),
        };
        for (number, id) in self.ids.iter().enumerate() {
            let mut keys = BTreeMap::new();
            for mut asset in assets.of_file(*id).await.unwrap() {
                keys.insert(asset.id, self.key(&asset));
                asset.id = MediaAssetId::from_uuid(CadFileId::from_uuid(NONE).as_uuid());
                let key = self.key(&asset);
                asset.cad_file_id = CadFileId::from_uuid(NONE);
                snapshot.assets.insert(key, asset);
            }
            for (kind, mut row) in ledger.rows(*id).await.unwrap() {
                let asset = row.asset.take().map(|id| keys[&id].clone());
                snapshot.rows.push((number, kind, row, asset));
            }
        }
        snapshot
    }

    pub(crate) async fn overview(&self) -> Overview {
        let running = self.deployment.ledger.running().await.unwrap();
        let mut running: Vec<_> = running.iter().map(|claim| self.ticket(claim)).collect();
        running.sort_by_key(|ticket| (ticket.file, ticket.kind));
        Overview {
            running,
            next: self.next(&WorkQuery::first(100)).await,
            stats: self.deployment.ledger.stats().await.unwrap(),
            depths: self.deployment.ledger.queue_depths().await.unwrap(),
            work: self.under_way().await,
            media: self.media().await,
        }
    }

    async fn under_way(&self) -> Vec<(usize, TaskKind, Row)> {
        let items = self.deployment.ledger.work(None, 100).await.unwrap();
        let items = items.into_iter().map(|item| {
            // Ids differ.
            let row = Row {
                asset: None,
                ..item.row
            };
            (self.number(item.work.cad_file_id), item.work.kind, row)
        });
        items.collect()
    }

    async fn media(&self) -> Vec<Vec<MediaState>> {
        let page = self.deployment.files.list(&CadFileQuery::first(100)).await;
        let files = page.unwrap().files.into_iter();
        let states = files.map(|file| file.media.iter().map(|medium| medium.state).collect());
        states.collect()
    }

    /// Lets rows wait that waited before and still do in the database.
    pub(crate) async fn keep_waits(&self, before: &Snapshot, after: &Snapshot) {
        let waited = before.waits();
        for (work, until) in after.waits() {
            if waited.contains(&(work, until)) {
                let work = self.work(work.0, work.1);
                self.deployment
                    .ledger
                    .put_off(&[work], until)
                    .await
                    .unwrap();
            }
        }
    }

    /// All claims that are open.
    pub(crate) async fn open_tickets(&self) -> Vec<Ticket> {
        self.overview().await.running
    }

    /// All assets.
    pub(crate) async fn assets(&self) -> Vec<AssetKey> {
        self.snapshot().await.assets.into_keys().collect()
    }

    fn work(&self, file: usize, kind: TaskKind) -> Work {
        Work {
            cad_file_id: self.ids[file],
            kind,
        }
    }

    fn number(&self, id: CadFileId) -> usize {
        let number = self.ids.iter().position(|known| *known == id);
        number.expect("every file was added here")
    }

    fn file(&self, mut file: CadFile) -> File {
        let number = self.number(file.id);
        file.id = CadFileId::from_uuid(NONE);
        (number, file)
    }

    fn claim(&self, ticket: &Ticket) -> Claim {
        Claim {
            work: self.work(ticket.file, ticket.kind),
            fence: ticket.fence,
            input: ticket.input.clone(),
            worker: ticket.worker.clone(),
            tries: ticket.tries,
            force: ticket.force,
        }
    }

    fn ticket(&self, claim: &Claim) -> Ticket {
        Ticket {
            file: self.number(claim.work.cad_file_id),
            kind: claim.work.kind,
            fence: claim.fence,
            input: claim.input.clone(),
            worker: claim.worker.clone(),
            tries: claim.tries,
            force: claim.force,
        }
    }

    fn key(&self, asset: &MediaAsset) -> AssetKey {
        AssetKey {
            file: self.number(asset.cad_file_id),
            kind: asset.kind,
            input: asset.input.clone(),
        }
    }

    async fn key_of(&self, id: MediaAssetId) -> Option<AssetKey> {
        let asset = self.deployment.assets.get(id).await.unwrap();
        asset.map(|asset| self.key(&asset))
    }

    async fn asset_id(&self, key: &AssetKey) -> MediaAssetId {
        let assets = self.deployment.assets.of_file(self.ids[key.file]).await;
        let found = assets
            .unwrap()
            .into_iter()
            .find(|asset| self.key(asset) == *key);
        // At once with others it may have been lost.
        found.map_or_else(
            || MediaAssetId::from_uuid(uuid::Uuid::max()),
            |asset| asset.id,
        )
    }
}

impl Snapshot {
    /// The rows that are in the queue and wait, and until when.
    fn waits(&self) -> Vec<((usize, TaskKind), Moment)> {
        let rows = self.rows.iter();
        let queued = rows.filter(|(_, _, row, _)| row.state == RowState::Queued);
        queued
            .filter_map(|(file, kind, row, _)| Some(((*file, *kind), row.not_before?)))
            .collect()
    }
}

impl fmt::Display for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, file) in &self.files {
            writeln!(f, "\n  {number}: {:?} {:?}", file.source, file.materials)?;
            for (_, kind, row, asset) in self.rows.iter().filter(|row| row.0 == *number) {
                writeln!(f, "    {kind}: {row:?}\n      {asset:?}")?;
            }
        }
        writeln!(f, "  {:?}", self.assets.values())
    }
}

const NONE: sea_orm::prelude::Uuid = sea_orm::prelude::Uuid::nil();

/// All files have the same versions, so that they share assets.
fn bytes(version: u8) -> Blob {
    Blob::of(&[version])
}

fn paint(tone: u8) -> MaterialMap {
    let spec = MaterialSpec {
        name: None,
        color: format!("#{tone:02x}8040").parse().unwrap(),
        metallic: 0.25,
        roughness: 0.5,
        opacity: 1.0,
    };
    MaterialMap::from([(MaterialKey::new("bolt-*"), spec)])
}

/// The same, as a coarser scene if it is one: there are two kernels.
fn coarser(ticket: &Ticket, product: TaskOutput) -> TaskOutput {
    match product {
        TaskOutput::Asset(made) if ticket.kind == TaskKind::Make(MediaKind::GltfGeometry) => {
            let kernel = format!("kernel {}", ticket.fence.0 % 2);
            let conditions = Conditions::new(kernel, 1, std::time::Duration::from_secs(1));
            let input = ticket.input.coarser(Recipe::STANDARD, &conditions);
            TaskOutput::Coarser { made, input }
        }
        product => product,
    }
}

fn product(ticket: &Ticket, number: u32) -> TaskOutput {
    if ticket.kind == TaskKind::ProcessStep {
        return TaskOutput::Step(cadmill_domain::fakes::step_facts(&number.to_le_bytes()).into());
    }
    let blob = Blob::of(&number.to_le_bytes()).into();
    let report = cadmill_domain::ConversionReport {
        converter: number.to_string(),
        unmatched_materials: Vec::new(),
    };
    let report = report.into();
    TaskOutput::Asset(NewMediaAsset { blob, report })
}
