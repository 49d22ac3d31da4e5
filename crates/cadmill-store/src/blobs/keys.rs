//! The names of blobs in the object store, and which copy of a blob is read.
//!
//! The first copy of a blob lies under `sha256/ab/<hash>`. Bytes that were stored while a removal of
//! the blob could still delete the first copy are another copy, `sha256-copies/<hash>/<number>`.

use std::cmp::Reverse;

use cadmill_domain::{Blob, ContentHash, blobs::BlobCopy};
use futures_util::TryStreamExt as _;
use object_store::{
    Error, GetOptions, GetResult, ObjectMeta, ObjectStore, ObjectStoreExt as _, path::Path as Key,
};

/// What the first copies of all blobs lie under.
pub(super) const PREFIX: &str = "sha256";
/// What all other copies lie under.
pub(super) const COPIES: &str = "sha256-copies";

/// Where a copy of a blob lies.
pub(super) fn key_of(hash: ContentHash, copy: BlobCopy) -> Key {
    let hash = hash.to_string();
    match copy {
        // A folder with a hundred thousand files is slow.
        BlobCopy::FIRST => Key::from(format!("{PREFIX}/{}/{hash}", &hash[..2])),
        BlobCopy(number) => Key::from(format!("{COPIES}/{hash}/{number}")),
    }
}

/// Which copy of which blob lies under a key.
pub(super) fn copy_at(key: &Key) -> Option<(ContentHash, BlobCopy)> {
    let parts: Vec<_> = key.parts().collect();
    let parts: Vec<&str> = parts.iter().map(AsRef::as_ref).collect();
    let (hash, number) = match parts[..] {
        [PREFIX, _, hash] => (hash, 0),
        [COPIES, hash, number] => (hash, number.parse().ok()?),
        _ => return None,
    };
    let found = (hash.parse().ok()?, BlobCopy(number));
    (key_of(found.0, found.1) == *key).then_some(found)
}

/// The copies of a blob besides the first. The last one comes first: the others may just be removed.
pub(super) async fn other_copies(
    store: &dyn ObjectStore,
    hash: ContentHash,
) -> Result<Vec<ObjectMeta>, Error> {
    let folder = Key::from(format!("{COPIES}/{hash}"));
    let mut copies: Vec<_> = store.list(Some(&folder)).try_collect().await?;
    copies.retain(|meta| copy_at(&meta.location).is_some());
    copies.sort_by_key(|meta| Reverse(copy_at(&meta.location)));
    Ok(copies)
}

/// A copy of a blob that has the right length: the first, else any other. Where none has it, any copy.
pub(super) async fn head(store: &dyn ObjectStore, blob: &Blob) -> Result<ObjectMeta, Error> {
    let first = match store.head(&key_of(blob.sha256, BlobCopy::FIRST)).await {
        Ok(found) if found.size == blob.bytes => return Ok(found),
        Err(error) if !is_missing(&error) => return Err(error),
        first => first,
    };
    let copies = other_copies(store, blob.sha256).await?;
    let whole = copies.iter().find(|copy| copy.size == blob.bytes).cloned();
    match whole {
        Some(whole) => Ok(whole),
        None => first.or_else(|missing| copies.into_iter().next().ok_or(missing)),
    }
}

/// Whether any copy of a blob has the right length.
pub(super) async fn is_whole(store: &dyn ObjectStore, blob: &Blob) -> Result<bool, Error> {
    match head(store, blob).await {
        Ok(found) => Ok(found.size == blob.bytes),
        Err(error) if is_missing(&error) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Reads a copy of a blob, as [`head`] finds it.
pub(super) async fn get(
    store: &dyn ObjectStore,
    blob: &Blob,
    options: GetOptions,
) -> Result<GetResult, Error> {
    let key = key_of(blob.sha256, BlobCopy::FIRST);
    let first = store.get_opts(&key, options.clone()).await;
    if first
        .as_ref()
        .is_ok_and(|found| found.meta.size == blob.bytes)
    {
        return first;
    }
    // It is missing or has another length, which a range may lie outside of.
    match head(store, blob).await {
        Ok(found) if found.location != key => store.get_opts(&found.location, options).await,
        _ => first,
    }
}

const fn is_missing(error: &Error) -> bool {
    matches!(error, Error::NotFound { .. })
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use object_store::memory::InMemory;

    use super::*;

    #[tokio::test]
    async fn a_copy_that_is_whole_is_read_before_one_that_is_not() {
        let store = InMemory::new();
        let blob = Blob::of(b"glTF");
        let put = async |copy, bytes: &'static [u8]| {
            let key = key_of(blob.sha256, BlobCopy(copy));
            let bytes = Bytes::from_static(bytes);
            store.put(&key, bytes.into()).await.unwrap();
        };
        let read = async || {
            let found = get(&store, &blob, GetOptions::default()).await.unwrap();
            assert_eq!(head(&store, &blob).await.unwrap(), found.meta);
            found.bytes().await.unwrap()
        };
        let missing = head(&store, &blob).await.unwrap_err();
        assert!(is_missing(&missing), "{missing}");
        assert!(!is_whole(&store, &blob).await.unwrap());
        put(1, b"gl").await;
        assert_eq!(read().await, "gl", "what is there is what is damaged");
        assert!(!is_whole(&store, &blob).await.unwrap());
        put(0, b"").await;
        put(2, b"glTF").await;
        assert_eq!(read().await, "glTF");
        assert!(is_whole(&store, &blob).await.unwrap());
        put(10, b"glTF").await;
        assert_eq!(read().await, "glTF");
        let last = head(&store, &blob).await.unwrap().location;
        assert_eq!(copy_at(&last), Some((blob.sha256, BlobCopy(10))));
        put(0, b"glTF").await;
        put(10, b"g").await;
        assert_eq!(read().await, "glTF");
    }

    #[test]
    fn a_copy_is_known_by_its_key() {
        let hash = ContentHash::of(b"glTF");
        for copy in [0, 1, 7, u32::MAX].map(BlobCopy) {
            assert_eq!(copy_at(&key_of(hash, copy)), Some((hash, copy)));
        }
        for other in [
            format!("{PREFIX}/00/{hash}"),
            format!("{COPIES}/{hash}/0"),
            format!("{COPIES}/{hash}/x"),
            format!("{COPIES}/{hash}"),
            format!("incoming/{hash}"),
        ] {
            assert_eq!(copy_at(&Key::from(other.as_str())), None, "{other}");
        }
    }
}
