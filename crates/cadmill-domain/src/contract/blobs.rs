//! What every [`Blobs`] must do.

use std::{fs, path::Path};

use futures_util::future::join_all;
use tempfile::tempdir;

use crate::{Blob, Blobs, FailureCode};

suite! { $ blobs, blobs_contract:
    bytes_are_read_back
    a_file_is_read_back
    the_same_again_is_fine
    the_same_at_once_is_fine
    what_is_not_there_is_told
    an_unreadable_file_is_told
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

/// `storage`, and no file is left behind.
pub async fn what_is_not_there_is_told(blobs: &dyn Blobs) {
    blobs.put(b"something".to_vec()).await.unwrap();
    check_refused(blobs, &Blob::of(b"something else")).await;
    check_refused(blobs, &Blob::of(b"")).await;
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

/// Not in the list, since only the implementation knows how to damage what it keeps: `blob` was put,
/// and then its bytes were changed or cut off.
pub async fn what_is_damaged_is_told(blobs: &dyn Blobs, blob: &Blob) {
    check_refused(blobs, blob).await;
}

async fn check(blobs: &dyn Blobs, bytes: &[u8]) {
    let blob = Blob::of(bytes);
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

async fn check_refused(blobs: &dyn Blobs, blob: &Blob) {
    let failure = blobs.get(blob).await.unwrap_err();
    assert_eq!(failure.code, FailureCode::Storage, "get: {failure:?}");
    let folder = tempdir().unwrap();
    let failure = blobs.fetch(blob, folder.path()).await.unwrap_err();
    assert_eq!(failure.code, FailureCode::Storage, "fetch: {failure:?}");
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
