//! Counts and lists of the rows, in memory.

use std::collections::BTreeMap;

use async_trait::async_trait;

use crate::fakes::MemoryStore;
use crate::{
    CadFileId, Failure, Input, MediaKind, StoreError, TaskKind, Work, WorkCursor,
    ledger::{Count, LedgerView, Priority, QueueDepth, Row, RowState, WorkItem},
};

#[async_trait]
impl LedgerView for MemoryStore {
    async fn rows(&self, file: CadFileId) -> Result<Vec<(TaskKind, Row)>, StoreError> {
        Ok(self.tables().rows_of(file))
    }

    async fn failures(
        &self,
        after: Option<Work>,
        limit: usize,
    ) -> Result<Vec<(Work, Failure)>, StoreError> {
        let tables = self.tables();
        let rows = tables.rows.iter();
        let failed = rows.filter(|(work, row)| {
            row.state == RowState::Failed && after.is_none_or(|after| **work > after)
        });
        let failures = failed.filter_map(|(work, row)| Some((*work, row.failure.clone()?)));
        Ok(failures.take(limit).collect())
    }

    async fn coarser(&self) -> Result<Vec<(Work, Input)>, StoreError> {
        let tables = self.tables();
        let rows = tables.rows.iter();
        let coarser = rows.filter_map(|(work, row)| {
            let ready = row.ready.as_ref().filter(|ready| ready.is_coarser())?;
            let is_scene = work.kind == TaskKind::Make(MediaKind::GltfGeometry);
            (is_scene && !row.is_in_flight()).then(|| (*work, ready.clone()))
        });
        Ok(coarser.collect())
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

    async fn queue_depths(&self) -> Result<Vec<QueueDepth>, StoreError> {
        let tables = self.tables();
        let mut depths: BTreeMap<(TaskKind, Priority), QueueDepth> = BTreeMap::new();
        let rows = tables.rows.iter();
        for (work, row) in rows.filter(|(_, row)| row.state == RowState::Queued) {
            let (kind, priority) = (work.kind, row.priority);
            let depth = depths.entry((kind, priority)).or_insert(QueueDepth {
                kind,
                priority,
                rows: 0,
                oldest: row.requested_at,
            });
            depth.rows += 1;
            depth.oldest = depth.oldest.min(row.requested_at);
        }
        Ok(depths.into_values().collect())
    }

    async fn work(
        &self,
        after: Option<WorkCursor>,
        limit: usize,
    ) -> Result<Vec<WorkItem>, StoreError> {
        let tables = self.tables();
        let rows = tables.rows.iter().filter(|(_, row)| row.is_in_flight());
        let items = rows.filter_map(|(work, row)| {
            Some(WorkItem {
                work: *work,
                file_name: tables.files.get(&work.cad_file_id)?.name.clone(),
                row: row.clone(),
            })
        });
        let is_behind =
            |item: &WorkItem| after.is_none_or(|after| item.cursor().place() > after.place());
        let mut items: Vec<_> = items.filter(is_behind).collect();
        items.sort_by_key(|item| item.cursor().place());
        items.truncate(limit);
        Ok(items)
    }
}
