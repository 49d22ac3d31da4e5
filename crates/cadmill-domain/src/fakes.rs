//! In-memory stand-ins for the ports. They keep state as the real ones do, and pass the same
//! contract suites.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use chrono::TimeDelta;

use crate::{
    Blob, Blobs, Book, CadFile, CadFileId, CadFiles, Claim, Clock, ContentHash, Count, Failure,
    FailureCode, Input, Ledger, Making, MaterialMap, MediaAsset, MediaAssetId, MediaAssets,
    MediaKind, Missing, MissingRequest, Moment, NewCadFile, NewMediaAsset, NewPipelineEvent,
    PipelineEvent, PipelineLog, Product, Progress, Published, Recovered, Request, Requested, Row,
    RowState, StoreError, TaskKind, TaskPayload, WorkerName,
};

/// A clock that stands still until it is moved.
#[derive(Debug)]
pub struct ManualClock(Mutex<Moment>);

impl ManualClock {
    /// A clock that shows noon of the first day of 2026.
    #[must_use]
    pub fn new() -> Self {
        let noon = "2026-01-01T12:00:00Z".parse();
        Self(Mutex::new(noon.unwrap_or_default()))
    }

    /// Moves it forward.
    pub fn advance(&self, by: TimeDelta) {
        *locked(&self.0) += by;
    }
}

impl Default for ManualClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Moment {
        *locked(&self.0)
    }
}

/// All rows of a deployment, in memory. Clones share them.
#[derive(Debug, Clone)]
pub struct MemoryStore {
    making: Making,
    clock: Arc<dyn Clock>,
    tables: Arc<Mutex<Tables>>,
}

#[derive(Debug, Clone, Default)]
struct Tables {
    files: BTreeMap<CadFileId, CadFile>,
    rows: BTreeMap<TaskPayload, Row>,
    assets: BTreeMap<MediaAssetId, MediaAsset>,
    events: Vec<PipelineEvent>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new(making: Making, clock: Arc<dyn Clock>) -> Self {
        Self {
            making,
            clock,
            tables: Arc::default(),
        }
    }

    /// The same rows, as a deployment sees them that makes something else of them.
    #[must_use]
    pub fn shared_with(&self, making: Making) -> Self {
        Self {
            making,
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

    fn tables(&self) -> MutexGuard<'_, Tables> {
        locked(&self.tables)
    }

    /// Lets `work` run on the book of a file and stores what it changed.
    fn with_book<T>(&self, id: CadFileId, work: impl FnOnce(&mut Book<'_>) -> T) -> Option<T> {
        self.tables()
            .with_book(&self.making, id, self.clock.now(), work)
    }

    /// Changes a file, moves its `updated_at`, and lets `follow` run on its book.
    fn change_file(
        &self,
        id: CadFileId,
        change: impl FnOnce(&mut CadFile),
        follow: impl FnOnce(&mut Book<'_>),
    ) -> Option<CadFile> {
        let now = self.clock.now();
        let mut tables = self.tables();
        let file = tables.files.get_mut(&id)?;
        change(file);
        file.updated_at = now;
        let file = file.clone();
        tables.with_book(&self.making, id, now, follow);
        Some(file)
    }
}

impl Tables {
    fn with_book<T>(
        &mut self,
        making: &Making,
        id: CadFileId,
        now: Moment,
        work: impl FnOnce(&mut Book<'_>) -> T,
    ) -> Option<T> {
        let file = self.files.get(&id)?.subject();
        let mut book = Book::open(making, file, self.rows_of(id), now);
        let done = work(&mut book);
        let changes = book.changes();
        let changes = changes.map(|(kind, row)| (kind, row.clone())).collect();
        self.write(id, changes);
        Some(done)
    }

    fn write(&mut self, cad_file_id: CadFileId, rows: Vec<(TaskKind, Row)>) {
        let rows = rows.into_iter();
        let rows = rows.map(|(kind, row)| (TaskPayload { cad_file_id, kind }, row));
        self.rows.extend(rows);
    }

    fn rows_of(&self, id: CadFileId) -> Vec<(TaskKind, Row)> {
        let rows = self.rows.iter().filter(|(work, _)| work.cad_file_id == id);
        rows.map(|(work, row)| (work.kind, row.clone())).collect()
    }

    /// Stores a product; an asset of the same input is replaced.
    fn store(
        &mut self,
        claim: &Claim,
        product: Product,
        new_id: MediaAssetId,
        now: Moment,
    ) -> Result<Option<MediaAssetId>, StoreError> {
        let TaskPayload { cad_file_id, kind } = claim.work;
        let same = |asset: &&MediaAsset| {
            TaskPayload::of(asset) == claim.work && asset.input == claim.input
        };
        let mine = self.assets.values().find(same).map(|asset| asset.id);
        let NewMediaAsset { blob, report } = match product {
            Product::Step(found) => {
                if let Some(file) = self.files.get_mut(&cad_file_id) {
                    file.step = Some(found);
                }
                return Ok(None);
            }
            Product::Asset(new) => new,
            Product::Cached(id) if mine == Some(id) => return Ok(mine),
            Product::Cached(id) => {
                let found = self.assets.get(&id);
                let found = found
                    .filter(|found| kind.medium() == Some(found.kind) && found.input == claim.input)
                    .ok_or_else(|| {
                        let text = format!("the asset {id} is not there, or of something else");
                        StoreError::Refused(text.into())
                    })?;
                NewMediaAsset {
                    blob: found.blob,
                    report: found.report.clone(),
                }
            }
        };
        let Some(medium) = kind.medium() else {
            return Ok(None);
        };
        let id = mine.unwrap_or(new_id);
        let asset = MediaAsset {
            id,
            cad_file_id,
            kind: medium,
            input: claim.input.clone(),
            blob,
            report,
            fence: claim.fence,
            created_at: now,
        };
        self.assets.insert(id, asset);
        Ok(Some(id))
    }
}

#[async_trait]
impl CadFiles for MemoryStore {
    async fn add(&self, file: NewCadFile, request: Option<Request>) -> Result<CadFile, StoreError> {
        let now = self.clock.now();
        let file = CadFile {
            id: CadFileId::generate(&*self.clock),
            name: file.name,
            source: file.source,
            step: None,
            materials: crate::MaterialMaps::default(),
            created_at: now,
            updated_at: now,
        };
        let mut tables = self.tables();
        tables.files.insert(file.id, file.clone());
        if let Some(request) = request {
            tables.with_book(&self.making, file.id, now, |book| {
                book.request(TaskKind::ProcessStep, request)
            });
        }
        Ok(file)
    }

    async fn get(&self, id: CadFileId) -> Result<Option<CadFile>, StoreError> {
        Ok(self.tables().files.get(&id).cloned())
    }

    async fn named(&self, name: &str) -> Result<Option<CadFile>, StoreError> {
        let tables = self.tables();
        let newest = tables.files.values().rev().find(|file| file.name == name);
        Ok(newest.cloned())
    }

    async fn page(
        &self,
        after: Option<CadFileId>,
        limit: usize,
    ) -> Result<Vec<CadFile>, StoreError> {
        let tables = self.tables();
        let files = tables.files.values();
        let files = files.filter(|file| after.is_none_or(|after| file.id > after));
        Ok(files.take(limit).cloned().collect())
    }

    async fn replace_source(
        &self,
        id: CadFileId,
        source: Blob,
        request: Request,
    ) -> Result<Option<CadFile>, StoreError> {
        let change = |file: &mut CadFile| file.source = source;
        Ok(self.change_file(id, change, |book| book.source_changed(request)))
    }

    async fn save_part_materials(
        &self,
        id: CadFileId,
        materials: MaterialMap,
    ) -> Result<Option<CadFile>, StoreError> {
        let change = |file: &mut CadFile| file.materials.part_materials = materials;
        Ok(self.change_file(id, change, dress_anew))
    }

    async fn save_manual_material_overrides(
        &self,
        id: CadFileId,
        materials: MaterialMap,
    ) -> Result<Option<CadFile>, StoreError> {
        let change = |file: &mut CadFile| file.materials.manual_overrides = materials;
        Ok(self.change_file(id, change, dress_anew))
    }
}

#[async_trait]
impl MediaAssets for MemoryStore {
    async fn get(&self, id: MediaAssetId) -> Result<Option<MediaAsset>, StoreError> {
        Ok(self.tables().assets.get(&id).cloned())
    }

    async fn made_of(
        &self,
        kind: MediaKind,
        input: &Input,
    ) -> Result<Option<MediaAsset>, StoreError> {
        let tables = self.tables();
        let mut assets = tables.assets.values();
        let found = assets.find(|asset| asset.kind == kind && asset.input == *input);
        Ok(found.cloned())
    }

    async fn of_file(&self, file: CadFileId) -> Result<Vec<MediaAsset>, StoreError> {
        let tables = self.tables();
        let assets = tables.assets.values().rev();
        Ok(assets
            .filter(|asset| asset.cad_file_id == file)
            .cloned()
            .collect())
    }

    async fn orphans(&self, blobs: Vec<ContentHash>) -> Result<Vec<ContentHash>, StoreError> {
        let tables = self.tables();
        let sources = tables.files.values().map(|file| file.source.sha256);
        let media = tables.assets.values().map(|asset| asset.blob.sha256);
        let known: BTreeSet<_> = sources.chain(media).collect();
        Ok(blobs
            .into_iter()
            .filter(|blob| !known.contains(blob))
            .collect())
    }
}

#[async_trait]
impl PipelineLog for MemoryStore {
    async fn append(&self, event: NewPipelineEvent) -> Result<(), StoreError> {
        let at = self.clock.now();
        let mut tables = self.tables();
        let id = tables.events.len() as u64 + 1;
        tables.events.push(PipelineEvent { id, at, event });
        Ok(())
    }

    async fn timeline(&self, file: CadFileId) -> Result<Vec<PipelineEvent>, StoreError> {
        let tables = self.tables();
        let events = tables.events.iter();
        Ok(events
            .filter(|event| event.event.cad_file_id == file)
            .cloned()
            .collect())
    }
}

#[async_trait]
impl Ledger for MemoryStore {
    async fn request(
        &self,
        work: TaskPayload,
        request: Request,
    ) -> Result<Option<Requested>, StoreError> {
        let asked = |book: &mut Book<'_>| book.request(work.kind, request);
        Ok(self.with_book(work.cad_file_id, asked))
    }

    async fn request_missing(&self, request: &MissingRequest) -> Result<Missing, StoreError> {
        let now = self.clock.now();
        let mut tables = self.tables();
        let wanted = request.filter.name_contains.as_ref();
        let wanted = wanted.map(|part| part.to_ascii_lowercase());
        let is_meant = |file: &&CadFile| {
            let name = file.name.to_ascii_lowercase();
            wanted.as_ref().is_none_or(|part| name.contains(part))
        };
        let files: Vec<_> = tables
            .files
            .values()
            .filter(is_meant)
            .map(|file| file.id)
            .collect();
        let asked = Request {
            priority: crate::Priority::Bulk,
            retry_failed: request.include_failed,
        };
        let mut missing = Missing::default();
        for id in files {
            let kept = tables.rows_of(id);
            let became = tables.with_book(&self.making, id, now, |book| {
                book.request(request.kind, asked)
            });
            match became {
                Some(Requested::Queued) => missing.queued += 1,
                Some(Requested::InFlight) => missing.in_flight += 1,
                Some(Requested::Present) => missing.present += 1,
                Some(Requested::Failed) => missing.failed += 1,
                None => {}
            }
            if request.dry_run {
                tables.rows.retain(|work, _| work.cad_file_id != id);
                tables.write(id, kept);
            }
        }
        Ok(missing)
    }

    async fn next(&self, limit: usize) -> Result<Vec<TaskPayload>, StoreError> {
        let now = self.clock.now();
        let tables = self.tables();
        let rows = tables.rows.iter();
        let mut due: Vec<_> = rows
            .filter(|(work, row)| row.is_due(now) && self.making.does(work.kind))
            .collect();
        due.sort_by_key(|(work, row)| (-row.priority.rank(), row.requested_at, **work));
        Ok(due.into_iter().take(limit).map(|(work, _)| *work).collect())
    }

    async fn claim(
        &self,
        work: TaskPayload,
        worker: &WorkerName,
    ) -> Result<Option<Claim>, StoreError> {
        let now = self.clock.now();
        let mut tables = self.tables();
        let row = tables.rows.get_mut(&work);
        Ok(row.and_then(|row| row.claim(work, worker, now)))
    }

    async fn progress(&self, claim: &Claim, progress: &Progress) -> Result<bool, StoreError> {
        let mut tables = self.tables();
        let row = tables.rows.get_mut(&claim.work);
        let held = row.filter(|row| row.is_held_under(claim.fence));
        Ok(held
            .map(|row| row.progress = Some(progress.clone()))
            .is_some())
    }

    async fn publish(&self, claim: &Claim, product: Product) -> Result<Published, StoreError> {
        let now = self.clock.now();
        let mut tables = self.tables();
        let row = tables.rows.get(&claim.work);
        if !row.is_some_and(|row| row.is_held_under(claim.fence)) {
            return Ok(Published::Refused);
        }
        let TaskPayload { cad_file_id, kind } = claim.work;
        let new_id = MediaAssetId::generate(&*self.clock);
        let asset = tables.store(claim, product, new_id, now)?;
        let published = tables.with_book(&self.making, cad_file_id, now, |book| {
            book.publish(kind, claim.fence, asset)
        });
        let done = published.flatten().map(|(again, chained)| Published::Done {
            asset,
            again,
            chained,
        });
        Ok(done.unwrap_or(Published::Refused))
    }

    async fn fail(
        &self,
        claim: &Claim,
        failure: &Failure,
        retry_at: Option<Moment>,
    ) -> Result<bool, StoreError> {
        let TaskPayload { cad_file_id, kind } = claim.work;
        let failed = |book: &mut Book<'_>| book.fail(kind, claim.fence, failure, retry_at);
        Ok(self.with_book(cad_file_id, failed).unwrap_or(false))
    }

    async fn hand_back(&self, claim: &Claim) -> Result<bool, StoreError> {
        let TaskPayload { cad_file_id, kind } = claim.work;
        let back = |book: &mut Book<'_>| book.hand_back(kind, claim.fence);
        Ok(self.with_book(cad_file_id, back).unwrap_or(false))
    }

    async fn running(&self) -> Result<Vec<Claim>, StoreError> {
        let tables = self.tables();
        let rows = tables.rows.iter();
        Ok(rows
            .filter_map(|(work, row)| row.open_claim(*work))
            .collect())
    }

    async fn recover(&self, claim: &Claim) -> Result<Recovered, StoreError> {
        let TaskPayload { cad_file_id, kind } = claim.work;
        let recovered = |book: &mut Book<'_>| book.recover(kind, claim.fence);
        let recovered = self.with_book(cad_file_id, recovered);
        Ok(recovered.unwrap_or(Recovered::NoLonger))
    }

    async fn cancel(&self, work: TaskPayload) -> Result<bool, StoreError> {
        let cancelled = |book: &mut Book<'_>| book.cancel(work.kind);
        let cancelled = self.with_book(work.cad_file_id, cancelled);
        Ok(cancelled.unwrap_or(false))
    }

    async fn rows(&self, file: CadFileId) -> Result<Vec<(TaskKind, Row)>, StoreError> {
        Ok(self.tables().rows_of(file))
    }

    async fn failures(
        &self,
        after: Option<TaskPayload>,
        limit: usize,
    ) -> Result<Vec<(TaskPayload, Failure)>, StoreError> {
        let tables = self.tables();
        let rows = tables.rows.iter();
        let failed = rows.filter(|(work, row)| {
            row.state == RowState::Failed && after.is_none_or(|after| **work > after)
        });
        let failures = failed.filter_map(|(work, row)| Some((*work, row.failure.clone()?)));
        Ok(failures.take(limit).collect())
    }

    async fn stats(&self) -> Result<Vec<Count>, StoreError> {
        let tables = self.tables();
        let mut counts: BTreeMap<(TaskKind, RowState), Count> = BTreeMap::new();
        for (work, row) in &tables.rows {
            let (kind, state) = (work.kind, row.state);
            let count = counts.entry((kind, state)).or_insert(Count {
                kind,
                state,
                rows: 0,
                oldest: row.requested_at,
            });
            count.rows += 1;
            count.oldest = count.oldest.min(row.requested_at);
        }
        Ok(counts.into_values().collect())
    }
}

/// Blobs in memory. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct MemoryBlobs(Arc<Mutex<BTreeMap<ContentHash, Vec<u8>>>>);

#[async_trait]
impl Blobs for MemoryBlobs {
    async fn put(&self, bytes: Vec<u8>) -> Result<Blob, Failure> {
        let blob = Blob::of(&bytes);
        locked(&self.0).insert(blob.sha256, bytes);
        Ok(blob)
    }

    async fn put_file(&self, path: &Path) -> Result<Blob, Failure> {
        let bytes = std::fs::read(path).map_err(|error| {
            Failure::new(
                FailureCode::Unreadable,
                format!("Reading it failed: {error}."),
            )
        })?;
        self.put(bytes).await
    }

    async fn get(&self, blob: &Blob) -> Result<Vec<u8>, Failure> {
        let found = locked(&self.0).get(&blob.sha256).cloned();
        found.ok_or_else(|| {
            let detail = format!("The blob {} is not there.", blob.sha256);
            Failure::new(FailureCode::Storage, detail)
        })
    }

    async fn fetch(&self, blob: &Blob, folder: &Path) -> Result<PathBuf, Failure> {
        let path = folder.join(blob.sha256.to_string());
        let bytes = self.get(blob).await?;
        std::fs::write(&path, bytes)
            .map_err(|error| Failure::writing(&format!("`{}`", path.display()), &error))?;
        Ok(path)
    }
}

fn dress_anew(book: &mut Book<'_>) {
    book.materials_changed();
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
