//! Why a medium was made.

use crate::{Input, MediaAsset, NewMediaAsset, blobs::KeptBlob};

/// Why a medium was made: what differs from the previous one of the same file and kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// It is the first one.
    First,
    /// The STEP file differs.
    Source,
    /// The recipe differs.
    Recipe,
    /// The materials differ.
    Materials,
    /// The revision of the format differs.
    Revision,
    /// Nothing differs: it was made by force.
    Forced,
}

impl MediaAsset {
    /// Why it was made, given all media of its file.
    #[must_use]
    pub fn cause(&self, of_file: &[Self]) -> Cause {
        let earlier = of_file.iter().filter(|other| {
            other.kind == self.kind
                && other.cad_file_id == self.cad_file_id
                && other.fence < self.fence
        });
        match earlier.max_by_key(|other| other.fence) {
            _ if self.report.force => Cause::Forced,
            Some(before) => self.input.cause_after(&before.input),
            None => Cause::First,
        }
    }
}

impl Input {
    /// What differs from an earlier input of the same kind.
    fn cause_after(&self, earlier: &Self) -> Cause {
        if self.source() != earlier.source() {
            return Cause::Source;
        }
        if let (Some(now), Some(before)) = (self.scene(), earlier.scene())
            && (&now.recipe, &now.coarser) != (&before.recipe, &before.coarser)
        {
            return Cause::Recipe;
        }
        let materials = |input: &Self| match input {
            Self::Derived { materials, .. } => Some(*materials),
            Self::Reading { .. } | Self::Scene(_) => None,
        };
        let scene_revision = |input: &Self| input.scene().map(|scene| scene.revision.clone());
        if scene_revision(self) != scene_revision(earlier) {
            Cause::Revision
        } else if materials(self) != materials(earlier) {
            Cause::Materials
        } else if self != earlier {
            Cause::Revision
        } else {
            Cause::Forced
        }
    }
}

impl NewMediaAsset {
    /// A copy, for another file with the same input, of a medium that was found. The copy itself was
    /// not forced. The row of `found` stays locked until that of the copy is written, so that a row
    /// refers to the blob at any time.
    #[must_use]
    pub fn copy_of(found: &MediaAsset) -> Self {
        let mut report = found.report.clone();
        report.force = false;
        Self {
            blob: KeptBlob::of_locked_row(found.blob),
            report,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        ContentHash, ConversionReport, MediaKind, MediaPlan, MediaReport, Recipe, TaskKind,
        cad_file::Subject,
    };

    fn subject() -> Subject {
        Subject {
            id: crate::CadFileId::generate(&crate::SystemClock),
            source: ContentHash::of(b"A"),
            materials: ContentHash::of(b"red"),
        }
    }

    #[test]
    fn the_cause_is_the_part_that_differs() {
        let usd = TaskKind::Make(MediaKind::UsdMaster);
        let standard = MediaPlan::new(Recipe::STANDARD, []);
        let fine = MediaPlan::new(Recipe::FINE, []);
        let subject = subject();
        let before = standard.input(usd, &subject);
        let cause = |input: Input| input.cause_after(&before);
        let source = Subject {
            source: ContentHash::of(b"B"),
            ..subject
        };
        let materials = Subject {
            materials: ContentHash::of(b"blue"),
            ..subject
        };
        assert_eq!(cause(standard.input(usd, &source)), Cause::Source);
        assert_eq!(cause(fine.input(usd, &subject)), Cause::Recipe);
        assert_eq!(cause(standard.input(usd, &materials)), Cause::Materials);
        for (old, new) in [("usd1", "usd2"), ("glb1", "glb2")] {
            let newer = before.to_string().replace(old, new);
            assert_eq!(cause(newer.parse().unwrap()), Cause::Revision);
        }
        assert_eq!(cause(before.clone()), Cause::Forced);
    }

    #[test]
    fn a_copy_was_not_forced() {
        let report = MediaReport {
            force: true,
            ..ConversionReport::default().into()
        };
        let found = MediaAsset {
            id: crate::MediaAssetId::generate(&crate::SystemClock),
            cad_file_id: crate::CadFileId::generate(&crate::SystemClock),
            kind: MediaKind::UsdMaster,
            input: MediaPlan::new(Recipe::STANDARD, [])
                .input(TaskKind::Make(MediaKind::UsdMaster), &subject()),
            blob: crate::Blob::of(b"usd"),
            report,
            fence: crate::ledger::Fence(2),
            created_at: crate::Moment::default(),
        };
        assert_eq!(found.cause(&[]), Cause::Forced);
        let copy = NewMediaAsset::copy_of(&found);
        assert_eq!(copy.blob, found.blob.into());
        assert_eq!(copy.report, ConversionReport::default().into());
    }
}
