//! Which blobs are referred to, in memory.

use std::collections::BTreeSet;

use async_trait::async_trait;
use chrono::TimeDelta;

use super::{MemoryStore, Tables};
use crate::{
    BlobIntentId, ContentHash, Moment, StoreError, SweepId,
    blobs::{
        BlobCopy, BlobIntent, BlobRefs, INTENT_HOURS, KeptBlob, Removal, RemovalRow, StoredBlob,
        Unreferenced,
    },
};

#[async_trait]
impl BlobRefs for MemoryStore {
    async fn intend(&self, sha256: ContentHash) -> Result<BlobIntent, StoreError> {
        let id = BlobIntentId::generate(&*self.clock);
        let mut tables = self.tables();
        tables.intents.insert(id, (sha256, self.clock.now()));
        let removal = tables.removals.get(&sha256);
        Ok(BlobIntent {
            id,
            sha256,
            copy: BlobCopy(removal.map_or(0, |removal| removal.copies)),
        })
    }

    async fn withdraw(&self, intent: BlobIntentId) -> Result<(), StoreError> {
        self.tables().intents.remove(&intent);
        Ok(())
    }

    async fn unreferenced(&self, blobs: Vec<ContentHash>) -> Result<Vec<Unreferenced>, StoreError> {
        let tables = self.tables();
        let known = tables.known_blobs(self.clock.now());
        let found = blobs.into_iter().filter(|blob| !known.contains(blob));
        let found = found.map(|sha256| Unreferenced {
            sha256,
            is_released: tables.released.contains(&sha256),
        });
        Ok(found.collect())
    }

    async fn begin_removal(
        &self,
        sweep: SweepId,
        stored: Vec<StoredBlob>,
    ) -> Result<Vec<Removal>, StoreError> {
        let now = self.clock.now();
        let mut tables = self.tables();
        tables
            .intents
            .retain(|_, (_, since)| *since >= eldest_intent(now));
        let known = tables.known_blobs(now);
        let stored = stored.into_iter();
        let begun = stored.filter(|stored| !known.contains(&stored.sha256));
        let begun = begun.map(|StoredBlob { sha256, copies }| {
            tables.released.remove(&sha256);
            let found = tables.removals.get(&sha256).copied();
            let row = RemovalRow::begin(found, copies, sweep);
            tables.removals.insert(sha256, row);
            let copies = row.copies;
            Removal { sha256, copies }
        });
        Ok(begun.collect())
    }

    async fn take_over_removals(&self, sweep: SweepId) -> Result<Vec<Removal>, StoreError> {
        let mut tables = self.tables();
        let open = tables.removals.iter_mut();
        let open = open.filter(|(_, row)| !row.is_done && row.sweep != Some(sweep));
        let taken = open.map(|(sha256, row)| {
            *row = row.take_over();
            Removal {
                sha256: *sha256,
                copies: row.copies,
            }
        });
        Ok(taken.collect())
    }

    async fn end_removal(&self, sweep: SweepId, removed: Vec<Removal>) -> Result<(), StoreError> {
        let mut tables = self.tables();
        for Removal { sha256, copies } in removed {
            let Some(row) = tables.removals.remove(&sha256) else {
                continue;
            };
            if let Some(row) = row.end(sweep, copies) {
                tables.removals.insert(sha256, row);
            }
        }
        Ok(())
    }
}

impl Tables {
    /// Ends the intent of a blob as the row comes that refers to it.
    pub(super) fn end_intent(&mut self, kept: KeptBlob) -> Result<(), StoreError> {
        let Some(intent) = kept.intent() else {
            return Ok(());
        };
        let sha256 = kept.blob().sha256;
        match self.intents.remove(&intent) {
            Some((intended, _)) if intended == sha256 => Ok(()),
            _ => Err(StoreError::BlobNotKept(sha256)),
        }
    }

    fn known_blobs(&self, now: Moment) -> BTreeSet<ContentHash> {
        let intents = self.intents.values();
        let intents = intents.filter(|(_, since)| *since >= eldest_intent(now));
        let intents = intents.map(|(sha256, _)| *sha256);
        let sources = self.files.values().map(|file| file.source.sha256);
        let media = self.assets.values().map(|asset| asset.blob.sha256);
        intents.chain(sources).chain(media).collect()
    }
}

/// When the eldest intent was recorded that still counts.
fn eldest_intent(now: Moment) -> Moment {
    now - TimeDelta::hours(INTENT_HOURS)
}
