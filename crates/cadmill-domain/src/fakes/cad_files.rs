//! The CAD files, in memory.

use std::collections::BTreeSet;

use async_trait::async_trait;

use super::{MemoryStore, Tables};
use crate::{
    CadFile, CadFileCursor, CadFileId, CadFiles, CursorError, Direction, MediaKind, NewCadFile,
    StoreError, TaskKind, Work,
    cad_file::{
        CadFileOverview, CadFilePage, CadFileQuery, FileChange, MediaState, Revision, SaveOutcome,
    },
    ledger::Request,
    pipeline_log::EventId,
};

#[async_trait]
impl CadFiles for MemoryStore {
    async fn add(&self, new: NewCadFile, request: Option<Request>) -> Result<CadFile, StoreError> {
        let now = self.clock.now();
        let file = CadFile {
            id: CadFileId::generate(&*self.clock),
            name: new.name,
            source: new.source.blob(),
            step: None,
            materials: crate::MaterialMaps::default(),
            created_at: now,
            updated_at: now,
        };
        let mut tables = self.tables();
        tables.end_intent(new.source)?;
        tables.files.insert(file.id, file.clone());
        tables.source_found(&self.plan, file.source.sha256, now);
        if let Some(request) = request {
            tables.with_book(&self.plan, file.id, now, |file_rows| {
                file_rows.request(TaskKind::ProcessStep, request)
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

    async fn list(&self, query: &CadFileQuery) -> Result<CadFilePage, StoreError> {
        let order = query.order;
        let after = query.after.as_ref();
        if after.is_some_and(|after| after.order() != order) {
            return Err(StoreError::Refused(CursorError::OtherOrder.into()));
        }
        let tables = self.tables();
        let place = |file: &CadFile| (order.value(file), file.id);
        let after = after.map(|after| (after.value().clone(), after.id()));
        let mut files: Vec<_> = tables
            .files
            .values()
            .filter(|file| {
                is_named(file, query.name_contains.as_deref())
                    && query.created.contains(file.created_at)
                    && query.updated.contains(file.updated_at)
                    && self.stand_so(&tables, file, &query.media)
            })
            .filter(|file| {
                after.as_ref().is_none_or(|after| match order.direction {
                    Direction::Ascending => place(file) > *after,
                    Direction::Descending => place(file) < *after,
                })
            })
            .collect();
        files.sort_by_key(|file| place(file));
        if order.direction == Direction::Descending {
            files.reverse();
        }
        let has_more = files.len() > query.limit;
        files.truncate(query.limit);
        let last = files.last().filter(|_| has_more);
        Ok(CadFilePage {
            next: last.map(|file| CadFileCursor::behind(file, order)),
            files: files
                .into_iter()
                .map(|file| self.overview_of(&tables, file))
                .collect(),
        })
    }

    async fn overview(&self, id: CadFileId) -> Result<Option<CadFileOverview>, StoreError> {
        let tables = self.tables();
        let file = tables.files.get(&id);
        Ok(file.map(|file| self.overview_of(&tables, file)))
    }

    async fn remove(&self, id: CadFileId) -> Result<bool, StoreError> {
        let mut tables = self.tables();
        let tables = &mut *tables;
        tables.rows.retain(|work, _| work.cad_file_id != id);
        let assets = tables.assets.values();
        let assets = assets.filter(|asset| asset.cad_file_id == id);
        let sources = tables.files.get(&id).map(|file| file.source.sha256);
        let released = assets.map(|asset| asset.blob.sha256).chain(sources);
        tables.released.extend(released);
        tables.assets.retain(|_, asset| asset.cad_file_id != id);
        tables.keys.retain(|(work, _), _| work.cad_file_id != id);
        tables.events.retain(|event| event.event.cad_file_id != id);
        let events: BTreeSet<_> = tables.events.iter().map(|event| event.id).collect();
        let is_there = |event: EventId| events.contains(&event);
        tables
            .deliveries
            .retain(|_, kept| kept.delivery.event.is_none_or(is_there));
        Ok(tables.files.remove(&id).is_some())
    }

    async fn change(
        &self,
        id: CadFileId,
        change: FileChange,
        expected_revision: Option<Revision>,
    ) -> Result<SaveOutcome, StoreError> {
        let now = self.clock.now();
        let mut tables = self.tables();
        let Some(mut file) = tables.files.get(&id).cloned() else {
            return Ok(SaveOutcome::NotThere);
        };
        if expected_revision.is_some_and(|expected| expected != file.revision()) {
            return Ok(SaveOutcome::Changed(file));
        }
        if let FileChange::Source(source, _) = change {
            tables.end_intent(source)?;
        }
        let before = file.source;
        change.apply(&mut file, now);
        if file.source != before {
            tables.released.insert(before.sha256);
        }
        tables.files.insert(id, file.clone());
        tables.with_book(&self.plan, id, now, |file_rows| change.follow(file_rows));
        if matches!(change, FileChange::Source(..)) {
            tables.source_found(&self.plan, file.source.sha256, now);
        }
        Ok(SaveOutcome::Saved(file))
    }
}

impl MemoryStore {
    fn overview_of(&self, tables: &Tables, file: &CadFile) -> CadFileOverview {
        CadFileOverview::of(&self.plan, file.clone(), tables.rows_of(file.id))
    }

    fn stand_so(&self, tables: &Tables, file: &CadFile, media: &[(MediaKind, MediaState)]) -> bool {
        media.iter().all(|(medium, state)| {
            let kind = TaskKind::Make(*medium);
            let work = Work {
                cad_file_id: file.id,
                kind,
            };
            let row = tables.rows.get(&work).cloned().unwrap_or_default();
            MediaState::of(&row, &self.plan.input(kind, &file.subject())) == *state
        })
    }
}

/// Whether the name of a file contains a text, in upper or lower case.
pub(super) fn is_named(file: &CadFile, part: Option<&str>) -> bool {
    let name = file.name.to_ascii_lowercase();
    part.is_none_or(|part| name.contains(&part.to_ascii_lowercase()))
}
