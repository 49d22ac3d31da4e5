//! What every [`Blobs`] must do.

use std::{fs, path::Path};

use bytes::Bytes;
use futures_util::{TryStreamExt as _, future::join_all};
use tempfile::tempdir;

use crate::{
    Blob, Blobs, FailureCode,
    blobs::{BlobState, examine_blob},
};

suite! { $ blobs, blobs_contract:
    bytes_are_read_back
    a_file_is_read_back
    the_same_again_is_fine
    the_same_at_once_is_fine
    what_is_not_there_is_told
    an_unreadable_file_is_told
    pieces_are_put_together
    an_upload_that_is_not_finished_leaves_nothing
    uploads_at_once_do_not_mix
    ranges_are_read
    a_range_of_what_is_not_there_is_told_at_once
    a_probe_leaves_nothing
    what_is_there_with_its_length_is_whole
}

/// Whole, under the hash of what they are; empty or large.
pub async fn bytes_are_read_back(blobs: &dyn Blobs) {
    for bytes in samples() {
        let blob = blobs.put(bytes.clone()).await.unwrap();
        assert_eq!(blob, Blob::of(&bytes), "it is stored under its hash");
        check(blobs, &bytes).await;
    }
    for bytes in samples() {
        check(blobs, &bytes).await;
    }
}

/// As if its bytes had been put; the file stays where it is.
pub async fn a_file_is_read_back(blobs: &dyn Blobs) {
    let folder = tempdir().unwrap();
    for (number, bytes) in samples().into_iter().enumerate() {
        let path = folder.path().join(format!("{number} Größe.glb"));
        fs::write(&path, &bytes).unwrap();
        let blob = blobs.put_file(&path).await.unwrap();
        assert_eq!(blob, Blob::of(&bytes), "it is stored under its hash");
        assert!(fs::read(&path).unwrap() == bytes, "the file stays as it is");
        fs::write(&path, "something else").unwrap();
        check(blobs, &bytes).await;
    }
}

/// In either way.
pub async fn the_same_again_is_fine(blobs: &dyn Blobs) {
    let folder = tempdir().unwrap();
    let path = folder.path().join("a.glb");
    for bytes in samples() {
        fs::write(&path, &bytes).unwrap();
        for _ in 0..2 {
            assert_eq!(blobs.put(bytes.clone()).await.unwrap(), Blob::of(&bytes));
            assert_eq!(blobs.put_file(&path).await.unwrap(), Blob::of(&bytes));
        }
        check(blobs, &bytes).await;
    }
}

/// Whoever reads meanwhile gets all of it or none.
pub async fn the_same_at_once_is_fine(blobs: &dyn Blobs) {
    let bytes = &samples()[3];
    let blob = Blob::of(bytes);
    let read_and_put = (0..10).map(async |number| {
        if number % 2 == 0 {
            assert_eq!(blobs.put(bytes.clone()).await.unwrap(), blob);
        } else if let Ok(found) = blobs.get(&blob).await {
            assert!(found == *bytes, "half a blob was read");
        }
    });
    join_all(read_and_put).await;
    check(blobs, bytes).await;
}

/// `blob_missing`, and no file is left behind.
pub async fn what_is_not_there_is_told(blobs: &dyn Blobs) {
    blobs.put(b"something".to_vec()).await.unwrap();
    check_missing(blobs, &Blob::of(b"something else")).await;
    check_missing(blobs, &Blob::of(b"")).await;
}

/// `unreadable`.
pub async fn an_unreadable_file_is_told(blobs: &dyn Blobs) {
    let folder = tempdir().unwrap();
    let missing = folder.path().join("missing.glb");
    for path in [missing.as_path(), folder.path()] {
        let failure = blobs.put_file(path).await.unwrap_err();
        assert_eq!(failure.code, FailureCode::Unreadable, "{}", path.display());
    }
}

/// Whatever their sizes.
pub async fn pieces_are_put_together(blobs: &dyn Blobs) {
    for bytes in samples() {
        for size in [1 + bytes.len() / 3, 64 << 10, 8 << 20] {
            let mut upload = blobs.begin().await.unwrap();
            upload.write(Bytes::new()).await.unwrap();
            for piece in bytes.chunks(size) {
                upload.write(Bytes::copy_from_slice(piece)).await.unwrap();
            }
            assert_eq!(upload.finish().await.unwrap(), Blob::of(&bytes));
            check(blobs, &bytes).await;
        }
    }
}

/// Be it dropped or aborted, early or late.
pub async fn an_upload_that_is_not_finished_leaves_nothing(blobs: &dyn Blobs) {
    let bytes = &samples()[3];
    for pieces in [0, 1, 5] {
        for is_aborted in [false, true] {
            let mut upload = blobs.begin().await.unwrap();
            for piece in bytes.chunks(1 << 20).take(pieces) {
                upload.write(Bytes::copy_from_slice(piece)).await.unwrap();
            }
            if is_aborted {
                upload.abort().await;
            } else {
                drop(upload);
            }
        }
    }
    check_missing(blobs, &Blob::of(bytes)).await;
    check_missing(blobs, &Blob::of(b"")).await;
}

/// Of the same bytes and of others.
pub async fn uploads_at_once_do_not_mix(blobs: &dyn Blobs) {
    let bytes = &samples()[3];
    let uploads = (0..8_usize).map(async |number| {
        let mine = &bytes[number / 2..];
        let mut upload = blobs.begin().await.unwrap();
        for piece in mine.chunks(100_000) {
            upload.write(Bytes::copy_from_slice(piece)).await.unwrap();
        }
        assert_eq!(upload.finish().await.unwrap(), Blob::of(mine));
    });
    join_all(uploads).await;
    for number in 0..4 {
        check(blobs, &bytes[number..]).await;
    }
}

/// From anywhere to anywhere; what lies behind the end is left out.
pub async fn ranges_are_read(blobs: &dyn Blobs) {
    for bytes in samples() {
        let blob = blobs.put(bytes.clone()).await.unwrap();
        let end = blob.bytes;
        let ranges = [
            (0, end),
            (0, 1),
            (end / 2, end),
            (end / 3, end / 2 + 1),
            (end.saturating_sub(1), end + 10),
            (end, end + 1),
            (end + 5, u64::MAX),
            (0, u64::MAX),
            (0, 0),
        ];
        for (from, to) in ranges {
            let read = blobs.read(&blob, from..to).await.unwrap();
            let pieces: Vec<Bytes> = read.try_collect().await.unwrap();
            let last = to.min(end) as usize;
            let expected = &bytes[(from as usize).min(last)..last];
            assert!(pieces.concat() == expected, "{from}..{to} of {end} bytes");
        }
    }
}

/// Before anything is sent.
pub async fn a_range_of_what_is_not_there_is_told_at_once(blobs: &dyn Blobs) {
    for bytes in [&b"missing"[..], b""] {
        for range in [0..3, 0..0, 2..100] {
            let read = blobs.read(&Blob::of(bytes), range).await;
            let failure = read.err().expect("nothing can be read");
            assert_eq!(failure.code, FailureCode::BlobMissing);
        }
    }
}

/// Also many at once.
pub async fn a_probe_leaves_nothing(blobs: &dyn Blobs) {
    for probed in join_all((0..5).map(|_| blobs.probe())).await {
        probed.unwrap();
    }
    check_missing(blobs, &Blob::of(b"cadmill")).await;
}

/// Missing, or of another length, it is not.
pub async fn what_is_there_with_its_length_is_whole(blobs: &dyn Blobs) {
    for bytes in samples() {
        let blob = Blob::of(&bytes);
        assert!(!blobs.is_whole(&blob).await.unwrap(), "it is not there");
        blobs.put(bytes).await.unwrap();
        assert!(blobs.is_whole(&blob).await.unwrap());
        let longer = Blob {
            bytes: blob.bytes + 1,
            ..blob
        };
        assert!(!blobs.is_whole(&longer).await.unwrap());
    }
}

/// Not in the list, since only the implementation knows how to damage what it keeps: `blob` was put,
/// and then its bytes were changed or cut off.
pub async fn what_is_damaged_is_told(blobs: &dyn Blobs, blob: &Blob) {
    check_refused(blobs, blob, FailureCode::BlobDamaged).await;
    let examined = examine_blob(blobs, blob).await.unwrap();
    assert_eq!(examined, BlobState::Damaged);
}

/// Not in the list either: `blob` was put, and then bytes were added or cut off. No range of it is
/// read.
pub async fn another_length_is_told_at_once(blobs: &dyn Blobs, blob: &Blob) {
    what_is_damaged_is_told(blobs, blob).await;
    for range in [0..1, 0..blob.bytes, 0..0] {
        let failure = blobs.read(blob, range).await.err();
        let code = failure.map(|failure| failure.code);
        assert_eq!(code, Some(FailureCode::BlobDamaged));
    }
}

async fn check(blobs: &dyn Blobs, bytes: &[u8]) {
    let blob = Blob::of(bytes);
    let examined = examine_blob(blobs, &blob).await.unwrap();
    assert_eq!(examined, BlobState::Whole);
    let found = blobs.get(&blob).await.unwrap();
    assert!(found == bytes, "{} bytes are read back", blob.bytes);
    let folder = tempdir().unwrap();
    for time in ["first", "second"] {
        let path = blobs.fetch(&blob, folder.path()).await.unwrap();
        let found = fs::read(&path).unwrap();
        assert!(
            found == bytes,
            "{} bytes are fetched a {time} time",
            blob.bytes
        );
    }
}

async fn check_missing(blobs: &dyn Blobs, blob: &Blob) {
    check_refused(blobs, blob, FailureCode::BlobMissing).await;
    let examined = examine_blob(blobs, blob).await.unwrap();
    assert_eq!(examined, BlobState::Missing);
}

async fn check_refused(blobs: &dyn Blobs, blob: &Blob, code: FailureCode) {
    let failure = blobs.get(blob).await.unwrap_err();
    assert_eq!(failure.code, code, "get: {failure:?}");
    let folder = tempdir().unwrap();
    let failure = blobs.fetch(blob, folder.path()).await.unwrap_err();
    assert_eq!(failure.code, code, "fetch: {failure:?}");
    assert_eq!(files_in(folder.path()), 0, "fetch leaves nothing behind");
}

fn files_in(folder: &Path) -> usize {
    fs::read_dir(folder).unwrap().count()
}

/// Nothing, a byte, some text, 5 MB that do not repeat.
fn samples() -> [Vec<u8>; 4] {
    let large = (0..1_250_000_u32).map(|number| number.wrapping_mul(2_654_435_761));
    let large = large.flat_map(u32::to_le_bytes).collect();
    [Vec::new(), vec![0], b"ISO-10303-21;\r\n".to_vec(), large]
}
