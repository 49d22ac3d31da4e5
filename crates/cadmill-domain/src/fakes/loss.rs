//! Bytes that are lost or found again, in memory.

use std::collections::{BTreeMap, BTreeSet};

use super::{MemoryStore, Tables};
use crate::{
    Blob, CadFileId, ContentHash, Failure, MediaAssetId, MediaPlan, Moment, blobs::BlobLoss,
    ledger::WorkerName,
};

impl MemoryStore {
    pub(super) fn lose_blob(&self, sha256: ContentHash, finder: &WorkerName) -> BlobLoss {
        let now = self.clock.now();
        let mut tables = self.tables();
        let mut loss = BlobLoss::default();
        let mut lost: BTreeMap<CadFileId, BTreeSet<MediaAssetId>> = BTreeMap::new();
        for asset in tables
            .assets
            .values()
            .filter(|asset| asset.blob.sha256 == sha256)
        {
            lost.entry(asset.cad_file_id).or_default().insert(asset.id);
        }
        for (file, assets) in lost {
            tables.assets.retain(|id, _| !assets.contains(id));
            tables.released.insert(sha256);
            tables.with_book(&self.plan, file, now, |file_rows| {
                file_rows.assets_lost(|asset| assets.contains(&asset));
            });
            loss.media += assets.len() as u64;
        }
        let failure = Failure::source_lost(sha256);
        for file in tables.files_of(sha256) {
            tables.with_book(&self.plan, file, now, |file_rows| {
                file_rows.source_lost(&failure, finder);
            });
            loss.sources += 1;
        }
        loss
    }
}

impl Tables {
    /// Lets files that had lost these bytes be read again; how many those are.
    pub(super) fn source_found(
        &mut self,
        plan: &MediaPlan,
        sha256: ContentHash,
        now: Moment,
    ) -> u64 {
        let files = self.files_of(sha256).into_iter();
        let found = files.filter(|file| {
            #[expect(
                clippy::redundant_closure_for_method_calls,
                reason = "the method itself is of one lifetime"
            )]
            let found = self.with_book(plan, *file, now, |file_rows| file_rows.source_found());
            found == Some(true)
        });
        found.count() as u64
    }

    /// All blobs behind `after` that files and media refer to.
    pub(super) fn blobs_after(&self, after: Option<ContentHash>) -> Vec<Blob> {
        let sources = self.files.values().map(|file| file.source);
        let media = self.assets.values().map(|asset| asset.blob);
        let all = sources.chain(media);
        let mut all: Vec<_> = all
            .filter(|blob| after.is_none_or(|after| blob.sha256 > after))
            .collect();
        all.sort_by_key(|blob| blob.sha256);
        all.dedup();
        all
    }

    fn files_of(&self, source: ContentHash) -> Vec<CadFileId> {
        let files = self.files.values();
        let files = files.filter(|file| file.source.sha256 == source);
        files.map(|file| file.id).collect()
    }
}
