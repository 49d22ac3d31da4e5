//! In-memory stand-ins for the ports. They keep state as the real ones do, and pass the same
//! contract suites.

mod access_tokens;
mod blob_refs;
mod blobs;
mod cad_files;
mod clock;
mod ledger;
mod loss;
mod media_assets;
mod pipeline_log;
mod reports;
mod webhooks;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

pub use self::{
    blobs::MemoryBlobs,
    clock::ManualClock,
    reports::{reading_input, step_facts, tessellation_report},
};
use crate::{
    AccessTokenId, BlobIntentId, CadFile, CadFileId, Clock, ContentHash, Input, MediaAsset,
    MediaAssetId, MediaPlan, Moment, NewMediaAsset, StoreError, TaskKind, WebhookId, Work,
    access_token::{AccessToken, TokenHash},
    blobs::RemovalRow,
    ledger::{Claim, FileRows, RequestKey, Row, TaskOutput},
    pipeline_log::{EventId, NewPipelineEvent, PipelineEvent},
    webhook::{DeliveryId, Webhook},
};

/// All rows of a deployment, in memory. Clones share them.
#[derive(Debug, Clone)]
pub struct MemoryStore {
    plan: MediaPlan,
    clock: Arc<dyn Clock>,
    tables: Arc<Mutex<Tables>>,
}

#[derive(Debug, Clone, Default)]
struct Tables {
    files: BTreeMap<CadFileId, CadFile>,
    rows: BTreeMap<Work, Row>,
    assets: BTreeMap<MediaAssetId, MediaAsset>,
    events: Vec<PipelineEvent>,
    /// The number of the newest event that ever was.
    last_event: EventId,
    observers: Observers,
    /// When each key was used.
    keys: BTreeMap<(Work, RequestKey), Moment>,
    tokens: BTreeMap<AccessTokenId, (TokenHash, AccessToken)>,
    webhooks: BTreeMap<WebhookId, (Webhook, EventId)>,
    deliveries: BTreeMap<DeliveryId, webhooks::Kept>,
    last_delivery: u64,
    /// Which blob each intent is about, and when it was recorded.
    intents: BTreeMap<BlobIntentId, (ContentHash, Moment)>,
    removals: BTreeMap<ContentHash, RemovalRow>,
    /// The blobs to which a row referred that was deleted or changed.
    released: BTreeSet<ContentHash>,
}

/// What is called with each event that is written.
#[derive(Clone, Default)]
struct Observers(Vec<Observer>);

type Observer = Arc<dyn Fn(&NewPipelineEvent) + Send + Sync>;

impl fmt::Debug for Observers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Observers").field(&self.0.len()).finish()
    }
}

impl MemoryStore {
    /// An empty store.
    pub fn new(plan: MediaPlan, clock: Arc<dyn Clock>) -> Self {
        Self {
            plan,
            clock,
            tables: Arc::default(),
        }
    }

    /// The same rows, as a deployment sees them that makes something else of them.
    #[must_use]
    pub fn shared_with(&self, plan: MediaPlan) -> Self {
        Self {
            plan,
            ..self.clone()
        }
    }

    /// A copy of all rows, which goes its own way from now on.
    #[must_use]
    pub fn fork(&self) -> Self {
        Self {
            tables: Arc::new(Mutex::new(self.tables().clone())),
            ..self.clone()
        }
    }

    /// Calls `observer` with each event from now on, as soon as it is written. It must not use the
    /// store.
    pub fn observe_events(&self, observer: impl Fn(&NewPipelineEvent) + Send + Sync + 'static) {
        self.tables().observers.0.push(Arc::new(observer));
    }

    fn tables(&self) -> MutexGuard<'_, Tables> {
        locked(&self.tables)
    }

    /// Lets `work` run on the book of a file and stores what it changed.
    fn with_book<T>(&self, id: CadFileId, work: impl FnOnce(&mut FileRows<'_>) -> T) -> Option<T> {
        self.tables()
            .with_book(&self.plan, id, self.clock.now(), work)
    }
}

impl Tables {
    fn with_book<T>(
        &mut self,
        plan: &MediaPlan,
        id: CadFileId,
        now: Moment,
        work: impl FnOnce(&mut FileRows<'_>) -> T,
    ) -> Option<T> {
        let file = self.files.get(&id)?.subject();
        let mut file_rows = FileRows::open(plan, file, self.rows_of(id), now);
        let done = work(&mut file_rows);
        let changes = file_rows.changes();
        let changes = changes.map(|(kind, row)| (kind, row.clone())).collect();
        let events = file_rows.events().to_vec();
        self.write(id, changes);
        for event in events {
            self.add_event(event, now);
        }
        Some(done)
    }

    /// Adds an event under the next number.
    fn add_event(&mut self, event: NewPipelineEvent, at: Moment) {
        let id = EventId(self.last_event.0 + 1);
        self.last_event = id;
        for observer in &self.observers.0 {
            observer(&event);
        }
        self.events.push(PipelineEvent { id, at, event });
    }

    fn write(&mut self, cad_file_id: CadFileId, rows: Vec<(TaskKind, Row)>) {
        let rows = rows.into_iter();
        let rows = rows.map(|(kind, row)| (Work { cad_file_id, kind }, row));
        self.rows.extend(rows);
    }

    fn rows_of(&self, id: CadFileId) -> Vec<(TaskKind, Row)> {
        let rows = self.rows.iter().filter(|(work, _)| work.cad_file_id == id);
        rows.map(|(work, row)| (work.kind, row.clone())).collect()
    }

    /// Stores a product; an asset of the same input is replaced. The input of a coarser scene.
    fn store(
        &mut self,
        claim: &Claim,
        product: TaskOutput,
        new_id: MediaAssetId,
        now: Moment,
    ) -> Result<(Option<MediaAssetId>, Option<Input>), StoreError> {
        let Work { cad_file_id, kind } = claim.work;
        let coarser = self.coarser_input(claim, &product)?;
        let input = coarser.as_ref().unwrap_or(&claim.input).clone();
        let same = |asset: &&MediaAsset| Work::of(asset) == claim.work && asset.input == input;
        let replaced = self.assets.values().find(same);
        let replaced = replaced.map(|asset| (asset.id, asset.blob));
        let mine = replaced.map(|(id, _)| id);
        let NewMediaAsset { blob, report } = match product {
            TaskOutput::Step(found) => {
                if let Some(file) = self.files.get_mut(&cad_file_id) {
                    file.step = Some(*found);
                }
                return Ok((None, None));
            }
            TaskOutput::Asset(new) => new,
            TaskOutput::Coarser { made, .. } => made,
            TaskOutput::Cached(id) if mine == Some(id) => return Ok((mine, coarser)),
            TaskOutput::Cached(id) => {
                let found = self.assets.get(&id);
                let found = found
                    .filter(|found| kind.medium() == Some(found.kind) && found.input == input)
                    .ok_or_else(|| {
                        let text = format!("the asset {id} is not there, or of something else");
                        StoreError::Refused(text.into())
                    })?;
                NewMediaAsset::copy_of(found)
            }
        };
        let Some(medium) = kind.medium() else {
            return Ok((None, None));
        };
        self.end_intent(blob)?;
        let blob = blob.blob();
        // What has an id never changes, so other bytes have another.
        let id = match replaced {
            Some((id, kept)) if kept.sha256 == blob.sha256 => id,
            Some((id, kept)) => {
                self.assets.remove(&id);
                self.released.insert(kept.sha256);
                new_id
            }
            None => new_id,
        };
        let asset = MediaAsset {
            id,
            cad_file_id,
            kind: medium,
            input,
            blob,
            report,
            fence: claim.fence,
            created_at: now,
        };
        self.assets.insert(id, asset);
        Ok((Some(id), coarser))
    }

    /// The input of a product that is coarser than what was claimed.
    fn coarser_input(
        &self,
        claim: &Claim,
        product: &TaskOutput,
    ) -> Result<Option<Input>, StoreError> {
        match product {
            TaskOutput::Coarser { input, .. } => claim.coarser(input).map(Some),
            TaskOutput::Cached(id) => {
                let found = self.assets.get(id);
                let found = found.filter(|found| Work::of(found) == claim.work);
                let input = found.map(|found| &found.input);
                Ok(input.and_then(|input| claim.coarser(input).ok()))
            }
            _ => Ok(None),
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
