//! The pipeline log, in memory.

use async_trait::async_trait;

use super::MemoryStore;
use crate::{
    CadFileId, StoreError,
    pipeline_log::{EventId, NewPipelineEvent, PipelineEvent, PipelineLog},
};

#[async_trait]
impl PipelineLog for MemoryStore {
    async fn append(&self, event: NewPipelineEvent) -> Result<(), StoreError> {
        let at = self.clock.now();
        let mut tables = self.tables();
        if !tables.files.contains_key(&event.cad_file_id) {
            return Err(StoreError::Refused("there is no such file".into()));
        }
        tables.add_event(event, at);
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

    async fn events_after(
        &self,
        after: EventId,
        file: Option<CadFileId>,
        limit: usize,
    ) -> Result<Vec<PipelineEvent>, StoreError> {
        let tables = self.tables();
        let events = tables.events.iter().filter(|event| {
            event.id > after && file.is_none_or(|file| event.event.cad_file_id == file)
        });
        Ok(events.take(limit).cloned().collect())
    }

    async fn last_event_id(&self) -> Result<EventId, StoreError> {
        let tables = self.tables();
        let last = tables.events.last();
        Ok(last.map_or(EventId::default(), |event| event.id))
    }
}
