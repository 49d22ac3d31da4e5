//! Bytes under their hash, in a folder, in memory or in S3, by `object_store`.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use async_trait::async_trait;
use cadmill_domain::{
    Blob, Blobs, ContentHash, Failure, FailureCode, MediaAssets, Moment, sentence,
};
use futures_util::{StreamExt as _, TryStreamExt as _};
use object_store::{
    Error, ObjectMeta, ObjectStore, ObjectStoreExt as _, WriteMultipart, local::LocalFileSystem,
    memory::InMemory, path::Path as Key,
};
use sha2::{Digest as _, Sha256};
use tempfile::NamedTempFile;
use tokio::{
    fs::File,
    io::{AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    task::spawn_blocking,
};
use tracing::warn;

/// What all blobs lie under.
const PREFIX: &str = "sha256";
/// How much of a file is read at once.
const CHUNK: usize = 1 << 20;
/// How many blobs are swept at once.
const BATCH: usize = 1000;

/// Blobs in an object store.
#[derive(Debug, Clone)]
pub struct ObjectBlobs {
    store: Arc<dyn ObjectStore>,
    folder: Option<PathBuf>,
}

/// What a sweep did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sweep {
    /// Blobs that were looked at.
    pub seen: u64,
    /// Blobs that nothing refers to any more, and that were removed.
    pub removed: u64,
}

impl ObjectBlobs {
    /// Blobs in a folder; it is made if it is not there.
    ///
    /// # Errors
    /// `storage` if it cannot be made.
    pub fn in_folder(folder: &Path) -> Result<Self, Failure> {
        let writing = |error| Failure::writing(&format!("`{}`", folder.display()), &error);
        std::fs::create_dir_all(folder).map_err(writing)?;
        let store = LocalFileSystem::new_with_prefix(folder);
        let store = store.map_err(|error| failure("Opening the folder of blobs", &error))?;
        Ok(Self {
            folder: Some(folder.to_owned()),
            ..Self::new(Arc::new(store.with_automatic_cleanup(true)))
        })
    }

    /// Blobs in the memory of this process.
    #[must_use]
    pub fn in_memory() -> Self {
        Self::new(Arc::new(InMemory::new()))
    }

    /// Blobs in any object store.
    pub fn new(store: Arc<dyn ObjectStore>) -> Self {
        let folder = None;
        Self { store, folder }
    }

    /// Blobs in an S3 bucket, named by `s3://bucket/prefix`; keys, region and endpoint come from
    /// the usual `AWS_…` variables.
    ///
    /// # Errors
    /// `storage` if the URL or a variable cannot be used.
    #[cfg(feature = "s3")]
    pub fn in_s3(url: &str) -> Result<Self, Failure> {
        use object_store::{aws::AmazonS3Builder, prefix::PrefixStore};
        let store = AmazonS3Builder::from_env().with_url(url).build();
        let store = store.map_err(|error| failure("Opening the bucket of blobs", &error))?;
        let path = url.splitn(4, '/').nth(3).unwrap_or_default();
        Ok(Self::new(Arc::new(PrefixStore::new(store, path))))
    }

    /// Checks that the store answers.
    ///
    /// # Errors
    /// `storage` if it does not.
    pub async fn ping(&self) -> Result<(), Failure> {
        match self.store.head(&key(ContentHash::of(b""))).await {
            Ok(_) | Err(Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(failure("Asking the blob store", &error)),
        }
    }

    /// Removes blobs that nothing in `assets` refers to and that were written before `older_than`:
    /// those of a worker that died before it published, and of files that are gone. What is being
    /// made now is younger than that.
    ///
    /// # Errors
    /// If the store or the database does not answer; then some orphans are left.
    pub async fn sweep(
        &self,
        assets: &dyn MediaAssets,
        older_than: Moment,
    ) -> Result<Sweep, Failure> {
        if let Some(folder) = self.folder.clone() {
            let swept = spawn_blocking(move || remove_torn(&folder, older_than)).await;
            swept.map_err(|error| Failure::new(FailureCode::Storage, error.to_string()))?;
        }
        let mut swept = Sweep::default();
        let prefix = Key::from(PREFIX);
        let mut blobs = self.store.list(Some(&prefix)).try_chunks(BATCH);
        loop {
            let chunk = blobs.try_next().await;
            let chunk = chunk.map_err(|error| failure("Listing the blobs", &error.1))?;
            let Some(chunk) = chunk else {
                return Ok(swept);
            };
            swept.seen += chunk.len() as u64;
            let old = chunk.iter().filter(|meta| meta.last_modified < older_than);
            let old = old.filter_map(hash_of).collect();
            for orphan in assets.orphans(old).await? {
                let deleted = self.store.delete(&key(orphan)).await;
                deleted.map_err(|error| failure("Removing an orphan", &error))?;
                swept.removed += 1;
            }
        }
    }

    /// Copies a blob; it is damaged if its bytes do not have its hash.
    async fn copy(
        &self,
        blob: &Blob,
        target: &mut (dyn AsyncWrite + Unpin + Send),
    ) -> Result<(), Failure> {
        let what = format!("Reading the blob {}", blob.sha256);
        let found = self.store.get(&key(blob.sha256)).await;
        let mut bytes = found.map_err(|error| failure(&what, &error))?.into_stream();
        let mut hasher = Sha256::new();
        let writing = |error| Failure::writing("a copy of a blob", &error);
        while let Some(chunk) = bytes.next().await {
            let chunk = chunk.map_err(|error| failure(&what, &error))?;
            hasher.update(&chunk);
            target.write_all(&chunk).await.map_err(writing)?;
        }
        target.flush().await.map_err(writing)?;
        if ContentHash::from_digest(hasher.finalize().into()) == blob.sha256 {
            return Ok(());
        }
        let detail = format!("The blob {} is damaged.", blob.sha256);
        Err(Failure::new(FailureCode::Storage, detail))
    }
}

#[async_trait]
impl Blobs for ObjectBlobs {
    async fn put(&self, bytes: Vec<u8>) -> Result<Blob, Failure> {
        let blob = Blob::of(&bytes);
        let put = self.store.put(&key(blob.sha256), bytes.into()).await;
        put.map_err(|error| failure(&format!("Writing the blob {}", blob.sha256), &error))?;
        Ok(blob)
    }

    async fn put_file(&self, path: &Path) -> Result<Blob, Failure> {
        let unreadable = |error: std::io::Error| {
            Failure::new(
                FailureCode::Unreadable,
                format!("Reading it failed: {error}."),
            )
        };
        // Its name is its hash, so it is read once for that and once to be written.
        let blob = hash_file(path).await.map_err(unreadable)?;
        let what = format!("Writing the blob {}", blob.sha256);
        let key = key(blob.sha256);
        let upload = self.store.put_multipart(&key).await;
        let upload = upload.map_err(|error| failure(&what, &error))?;
        let mut writer = WriteMultipart::new(upload);
        let mut file = File::open(path).await.map_err(unreadable)?;
        let mut hasher = Sha256::new();
        loop {
            let mut chunk = Vec::with_capacity(CHUNK);
            let read = (&mut file).take(CHUNK as u64).read_to_end(&mut chunk).await;
            if read.map_err(unreadable)? == 0 {
                break;
            }
            hasher.update(&chunk);
            // A store that is slower than the disk shall not make us hold the whole file.
            writer
                .wait_for_capacity(2)
                .await
                .map_err(|error| failure(&what, &error))?;
            writer.put(chunk.into());
        }
        if ContentHash::from_digest(hasher.finalize().into()) != blob.sha256 {
            // What was begun is of no use; that it is left behind is no new failure.
            drop(writer.abort().await);
            let detail = "It was changed while it was being read.";
            return Err(Failure::new(FailureCode::Unreadable, detail));
        }
        let finished = writer.finish().await;
        finished.map_err(|error| failure(&what, &error))?;
        Ok(blob)
    }

    async fn get(&self, blob: &Blob) -> Result<Vec<u8>, Failure> {
        let mut all = Vec::with_capacity(blob.bytes as usize);
        self.copy(blob, &mut all).await?;
        Ok(all)
    }

    async fn fetch(&self, blob: &Blob, folder: &Path) -> Result<PathBuf, Failure> {
        let writing = |error: std::io::Error| Failure::writing("a copy of a blob", &error);
        let temporary = NamedTempFile::new_in(folder).map_err(writing)?;
        let (file, path) = temporary.into_parts();
        self.copy(blob, &mut File::from_std(file)).await?;
        path.keep().map_err(|error| writing(error.error))
    }
}

fn key(hash: ContentHash) -> Key {
    let hash = hash.to_string();
    // No folder shall have a hundred thousand files.
    Key::from(format!("{PREFIX}/{}/{hash}", &hash[..2]))
}

fn hash_of(meta: &ObjectMeta) -> Option<ContentHash> {
    meta.location.filename()?.parse().ok()
}

/// Removes what was being written when a process died: the store gives such a file the name of the
/// blob with `#` and a number, and never shows it. What cannot be removed is left for the next time.
fn remove_torn(folder: &Path, older_than: Moment) {
    let files = walkdir::WalkDir::new(folder)
        .into_iter()
        .filter_map(Result::ok);
    let torn = files.filter(|file| file.file_name().to_string_lossy().contains('#'));
    for file in torn {
        let modified = file.metadata().ok().and_then(|found| found.modified().ok());
        if modified.is_some_and(|modified| Moment::from(modified) < older_than)
            && let Err(error) = std::fs::remove_file(file.path())
        {
            warn!(path = %file.path().display(), %error, "A torn blob could not be removed.");
        }
    }
}

async fn hash_file(path: &Path) -> std::io::Result<Blob> {
    let mut file = File::open(path).await?;
    let mut hasher = Sha256::new();
    let mut bytes = 0;
    let mut chunk = vec![0; CHUNK];
    loop {
        match file.read(&mut chunk).await? {
            0 => break,
            read => {
                hasher.update(&chunk[..read]);
                bytes += read as u64;
            }
        }
    }
    let sha256 = ContentHash::from_digest(hasher.finalize().into());
    Ok(Blob { sha256, bytes })
}

fn failure(what: &str, error: &Error) -> Failure {
    let io = std::iter::successors(Some(error as &dyn std::error::Error), |error| {
        error.source()
    })
    .find_map(|error| error.downcast_ref::<std::io::Error>());
    let code = match io.map(|error| Failure::writing(what, error)) {
        Some(failure) => failure.code,
        None => FailureCode::Storage,
    };
    Failure::new(code, format!("{what}: {}", sentence(error)))
}
