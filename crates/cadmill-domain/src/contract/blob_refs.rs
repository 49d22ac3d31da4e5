//! What every [`BlobRefs`](crate::blobs::BlobRefs) must do, with the other ports of the same rows.

use chrono::TimeDelta;
use futures_util::future::{join, join_all};

use crate::{
    Blob, ContentHash, MaterialMap, MediaAsset, NewCadFile, NewMediaAsset, StoreError, SweepId,
    blobs::{BlobCopy, INTENT_HOURS, KeptBlob, Removal, StoredBlob, keep_bytes},
    cad_file::FileChange,
    cad_file::SaveOutcome,
    contract::deployment::{
        Deployment,
        Do::{Bytes, Make, MakeAllFor, Paint},
        GLB, STEP, USD, bytes_of, report,
    },
    fakes::MemoryBlobs,
    ledger::{Request, TaskOutput},
};

suite! { $ blob_refs, blob_refs_contract:
    what_has_a_reference_is_found
    references_are_found_among_very_many
    what_is_intended_is_not_removed
    a_reference_ends_the_intent
    what_was_intended_too_long_ago_is_refused
    what_is_stored_meanwhile_is_another_copy
    a_removal_that_was_taken_over_never_frees_its_copies
    what_was_deleted_or_changed_is_released
    an_intent_or_a_removal_comes_first
}

/// Sources and media have one, be they stale; what was replaced has none.
pub async fn what_has_a_reference_is_found(deployment: &Deployment) {
    let file = deployment
        .add_with("bracket.step", &[MakeAllFor(GLB)])
        .await;
    let first = deployment.make(file, USD).await;
    let first = deployment
        .asset(first.expect("a medium has an asset"))
        .await;
    deployment
        .happen(file, &[Paint("#ff0000"), Make(USD)])
        .await;
    let known = async || {
        let media = deployment.assets.of_file(file).await.unwrap();
        let media = media.iter().map(|asset: &MediaAsset| asset.blob.sha256);
        let source = deployment.file(file).await.source.sha256;
        media.chain([source]).collect::<Vec<_>>()
    };
    let before = known().await;
    assert_eq!(before.len(), 4, "a scene, two masters and the source");
    assert_eq!(
        unreferenced(deployment, &before).await,
        [],
        "all are referred to"
    );
    let mut strangers = [hash("a stranger"), hash("")];
    strangers.sort();
    let all = [&before[..2], &strangers, &before[2..]].concat();
    assert_eq!(unreferenced(deployment, &all).await, strangers);
    assert_eq!(removed(deployment, &all).await, strangers);

    // The first materials again, made again; and other bytes.
    let unpainted =
        deployment
            .files
            .change(file, FileChange::PartMaterials(MaterialMap::new()), None);
    unpainted.await.unwrap();
    deployment.happen(file, &[Make(USD), Bytes("B")]).await;
    let mut expected = [first.blob.sha256, bytes_of("bracket.step", "A").sha256];
    expected.sort();
    assert_eq!(
        unreferenced(deployment, &before).await,
        expected,
        "what was replaced"
    );
    assert_eq!(unreferenced(deployment, &known().await).await, []);
    assert_eq!(removed(deployment, &known().await).await, []);
}

/// More than a statement takes parameters.
pub async fn references_are_found_among_very_many(deployment: &Deployment) {
    let file = deployment.add("bracket.step").await;
    let source = deployment.file(file).await.source.sha256;
    let strangers = (0..70_000_u32).map(|number| ContentHash::of(&number.to_le_bytes()));
    let mut expected: Vec<_> = strangers.collect();
    let mut all = expected.clone();
    all.insert(35_000, source);
    expected.sort();
    let found = unreferenced(deployment, &all).await;
    assert!(found == expected, "{} are found", found.len());
    let few = removed(deployment, &all[34_000..36_000]).await;
    assert_eq!(few.len(), 1999, "all but the source");
}

/// Neither offered for removal nor removed, until the intent is withdrawn.
pub async fn what_is_intended_is_not_removed(deployment: &Deployment) {
    let blob = hash("a blob");
    let intent = deployment.refs.intend(blob).await.unwrap();
    assert_eq!((intent.sha256, intent.copy), (blob, BlobCopy::FIRST));
    let second = deployment.refs.intend(blob).await.unwrap();
    assert_ne!(intent.id, second.id, "each has its own");
    for intent in [intent, second] {
        assert_eq!(unreferenced(deployment, &[blob]).await, []);
        assert_eq!(removed(deployment, &[blob]).await, []);
        deployment.refs.withdraw(intent.id).await.unwrap();
        deployment.refs.withdraw(intent.id).await.unwrap();
    }
    assert_eq!(removed(deployment, &[blob]).await, [blob]);
}

/// As a source, as a new source and as a medium; what is referred to is not removed either.
pub async fn a_reference_ends_the_intent(deployment: &Deployment) {
    let [first, second, scene] = ["first", "second", "scene"].map(|text| keep(deployment, text));
    let (first, second, scene) = (first.await, second.await, scene.await);
    let file = deployment.files.add(new(first), Some(Request::BULK)).await;
    let file = file.unwrap().id;
    let again = deployment.files.add(new(first), None).await;
    assert!(is_refused(&again, first), "an intent is for one reference");
    let replaced = deployment
        .files
        .change(file, FileChange::Source(second, Request::BULK), None);
    assert!(matches!(replaced.await.unwrap(), SaveOutcome::Saved(_)));
    deployment.make(file, STEP).await;
    let claim = deployment.claim(file, GLB).await;
    let product = medium(scene);
    let published = deployment.ledger.publish(&claim, product).await.unwrap();
    assert!(matches!(published, crate::ledger::Published::Done { .. }));
    let all = [first, second, scene].map(|kept| kept.blob().sha256);
    assert_eq!(removed(deployment, &all).await, [all[0]]);
}

/// Nothing comes of the row that would refer to it, so it can be stored again.
pub async fn what_was_intended_too_long_ago_is_refused(deployment: &Deployment) {
    let file = deployment.add_with("bracket.step", &[Make(STEP)]).await;
    let claim = deployment.claim(file, GLB).await;
    let late = keep(deployment, "late").await;
    let hash = late.blob().sha256;
    deployment.clock.advance(TimeDelta::hours(INTENT_HOURS - 1));
    assert_eq!(removed(deployment, &[hash]).await, []);
    deployment.clock.advance(TimeDelta::hours(2));
    assert_eq!(removed(deployment, &[hash]).await, [hash]);
    let before = deployment.everything().await;
    let added = deployment.files.add(new(late), Some(Request::BULK)).await;
    assert!(is_refused(&added, late), "{added:?}");
    let request = Request::BULK;
    let replaced = deployment
        .files
        .change(file, FileChange::Source(late, request), None)
        .await;
    assert!(is_refused(&replaced, late), "{replaced:?}");
    let published = deployment.ledger.publish(&claim, medium(late)).await;
    assert!(is_refused(&published, late), "{published:?}");
    assert_eq!(deployment.everything().await, before, "nothing was written");

    let kept = keep(deployment, "late").await;
    let published = deployment.ledger.publish(&claim, medium(kept)).await;
    published.expect("what was stored again can be published");
    assert_eq!(removed(deployment, &[hash]).await, []);
}

/// One that the removal does not concern; when it has ended, it is the first again.
pub async fn what_is_stored_meanwhile_is_another_copy(deployment: &Deployment) {
    let blob = hash("a blob");
    let refs = &deployment.refs;
    for listed in [1, 4] {
        let sweep = SweepId::generate(&*deployment.clock);
        let stored = StoredBlob {
            sha256: blob,
            copies: listed,
        };
        let removals = refs.begin_removal(sweep, vec![stored]).await.unwrap();
        let removal = Removal {
            sha256: blob,
            copies: listed,
        };
        assert_eq!(removals, [removal]);
        assert_eq!(refs.take_over_removals(sweep).await.unwrap(), []);
        let intent = refs.intend(blob).await.unwrap();
        assert_eq!(intent.copy, BlobCopy(listed), "none that may be deleted");
        refs.end_removal(sweep, removals).await.unwrap();
        let later = refs.intend(blob).await.unwrap();
        assert_eq!(later.copy, BlobCopy::FIRST, "nothing is deleted any more");
        for intent in [intent, later] {
            refs.withdraw(intent.id).await.unwrap();
        }
    }
}

/// The first sweep may be frozen, and delete its copies at any time.
pub async fn a_removal_that_was_taken_over_never_frees_its_copies(deployment: &Deployment) {
    let refs = &deployment.refs;
    let blob = hash("a blob");
    let stored = || {
        vec![StoredBlob {
            sha256: blob,
            copies: 1,
        }]
    };
    let [first, second, third] = [(); 3].map(|()| SweepId::generate(&*deployment.clock));
    let begun = refs.begin_removal(first, stored()).await.unwrap();
    let taken = refs.take_over_removals(second).await.unwrap();
    assert_eq!(taken, begun);
    for (sweep, removals) in [(second, taken), (first, begun)] {
        refs.end_removal(sweep, removals).await.unwrap();
        let intent = refs.intend(blob).await.unwrap();
        assert_eq!(intent.copy, BlobCopy(1), "the first sweep may be late");
        refs.withdraw(intent.id).await.unwrap();
        let open = refs.take_over_removals(third).await.unwrap();
        assert_eq!(open, [], "all copies were deleted");
    }
    let again = refs.begin_removal(third, stored()).await.unwrap();
    assert_eq!(again[0].copies, 2, "beyond what anyone may delete");
    refs.end_removal(third, again).await.unwrap();
    assert_eq!(refs.intend(blob).await.unwrap().copy, BlobCopy(2));
}

/// In the transaction that does so.
pub async fn what_was_deleted_or_changed_is_released(deployment: &Deployment) {
    let story = [MakeAllFor(USD)];
    let deleted = deployment.add_with("deleted.step", &story).await;
    let kept = deployment.add_with("kept.step", &story).await;
    let lost = hash("lost");
    let mut expected = vec![bytes_of("kept.step", "A").sha256];
    expected.push(deployment.file(deleted).await.source.sha256);
    let media = deployment.assets.of_file(deleted).await.unwrap();
    expected.extend(media.iter().map(|asset| asset.blob.sha256));
    expected.sort();
    let all = [&expected[..], &[lost]].concat();
    assert_eq!(unreferenced(deployment, &all).await, [lost]);

    assert!(deployment.files.remove(deleted).await.unwrap());
    deployment.happen(kept, &[Bytes("B")]).await;
    let found = deployment.refs.unreferenced(all.clone()).await.unwrap();
    let released = found.iter().filter(|found| found.is_released);
    let mut released: Vec<_> = released.map(|found| found.sha256).collect();
    released.sort();
    assert_eq!(released, expected);
    assert_eq!(
        found.len(),
        expected.len() + 1,
        "and one that was not released"
    );

    removed(deployment, &all).await;
    let found = deployment.refs.unreferenced(all).await.unwrap();
    let is_done = found.iter().all(|found| !found.is_released);
    assert!(is_done, "what was removed is forgotten");
}

/// Never both at once: either nothing is removed, or what is stored is another copy.
pub async fn an_intent_or_a_removal_comes_first(deployment: &Deployment) {
    let rounds = (0..200_u32).map(async |round| {
        let blob = ContentHash::of(&round.to_le_bytes());
        let (removed, intent) =
            join(removed(deployment, &[blob]), deployment.refs.intend(blob)).await;
        let copy = intent.unwrap().copy;
        let is_safe = removed.is_empty() == (copy == BlobCopy::FIRST);
        assert!(is_safe, "removed {removed:?}, stored as {copy:?}");
    });
    join_all(rounds).await;
}

async fn unreferenced(deployment: &Deployment, blobs: &[ContentHash]) -> Vec<ContentHash> {
    let found = deployment.refs.unreferenced(blobs.to_vec()).await.unwrap();
    let mut found: Vec<_> = found.iter().map(|found| found.sha256).collect();
    found.sort();
    found
}

/// Decides the removal of these blobs, each of one copy; which of them are removed.
async fn removed(deployment: &Deployment, blobs: &[ContentHash]) -> Vec<ContentHash> {
    let sweep = SweepId::generate(&*deployment.clock);
    let stored = blobs.iter().map(|sha256| StoredBlob {
        sha256: *sha256,
        copies: 1,
    });
    let removals = deployment.refs.begin_removal(sweep, stored.collect());
    let removals = removals.await.unwrap();
    let mut removed: Vec<_> = removals.iter().map(|removal| removal.sha256).collect();
    removed.sort();
    removed
}

async fn keep(deployment: &Deployment, text: &str) -> KeptBlob {
    let bytes = text.as_bytes().to_vec().into();
    let blobs = MemoryBlobs::default();
    let kept = keep_bytes(&blobs, &*deployment.refs, bytes);
    kept.await.unwrap()
}

fn new(source: KeptBlob) -> NewCadFile {
    let name = "bracket.step".to_owned();
    NewCadFile { name, source }
}

fn medium(blob: KeptBlob) -> TaskOutput {
    let report = report("cadmill 1");
    TaskOutput::Asset(NewMediaAsset { blob, report })
}

fn is_refused<T>(answer: &Result<T, StoreError>, kept: KeptBlob) -> bool {
    matches!(answer, Err(StoreError::BlobNotKept(blob)) if *blob == kept.blob().sha256)
}

fn hash(text: &str) -> ContentHash {
    Blob::of(text.as_bytes()).sha256
}
