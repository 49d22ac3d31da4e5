//! Bytes under their hash, in a folder, in memory or in S3. All are read by `object_store`, and
//! written by it as well, but for those of a folder, which have to survive a power cut.

mod folder;
mod folder_sync;
mod keys;
mod marker;
mod pieces;
#[cfg(feature = "s3")]
mod progress;
#[cfg(feature = "s3")]
mod signed;
mod sweep;
mod unfinished;
mod upload;

use std::{
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use cadmill_domain::{
    Blob, Blobs, ContentHash, Failure, FailureCode, HealthCheck,
    blobs::{BlobCopy, BlobUpload, ByteStream},
    sentence,
};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use object_store::{
    Error, GetOptions, GetRange, ObjectMeta, ObjectStore, ObjectStoreExt as _, WriteMultipart,
    local::LocalFileSystem, memory::InMemory, path::Path as Key,
};
#[cfg(feature = "s3")]
use object_store::{RetryConfig, aws::AmazonS3Builder, prefix::PrefixStore};
use sha2::{Digest as _, Sha256};
use tempfile::NamedTempFile;
use tokio::{
    fs::File,
    io::{AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
};
use uuid::Uuid;

pub(crate) use self::marker::MARKER;
pub use self::{
    folder::make_folder,
    marker::{Marker, Owner},
    sweep::{MAX_UNRELEASED, Sweep, SweepOptions},
};
use self::{
    folder::{Folder, StageError, blocking},
    keys::key_of,
    marker::Expected,
    pieces::pieces,
    upload::{FolderUpload, ObjectUpload},
};

/// What uploads lie under until they are ended.
const INCOMING: &str = "incoming";
/// What is written to see whether that works.
const PROBES: &str = "probe";
/// How much of a file is read at once, in bytes.
const CHUNK: usize = 1 << 20;
/// What has more bytes is sent in parts.
const MAX_PIECE: usize = 16 << 20;
/// How many parts of 5 MiB are on their way at once; as much memory is used.
const PARTS: usize = 2;

/// Blobs in an object store.
#[derive(Debug, Clone)]
pub struct ObjectBlobs {
    store: Arc<dyn ObjectStore>,
    /// The same store, through which each object is asked to be deleted once at most.
    deleting: Arc<dyn ObjectStore>,
    folder: Option<Folder>,
    /// Whose they must be, once they were found to be those of the database.
    expected: Arc<Expected>,
    #[cfg(feature = "s3")]
    bucket: Option<signed::Bucket>,
}

impl ObjectBlobs {
    /// Blobs in a folder; it is made if it is not there. What was stored in it survives a power cut.
    ///
    /// # Errors
    /// `storage` if it cannot be made.
    pub fn in_folder(path: &Path) -> Result<Self, Failure> {
        let writing = |error| Failure::writing(&format!("`{}`", path.display()), &error);
        let folder = Folder::open(path).map_err(writing)?;
        let store = LocalFileSystem::new_with_prefix(path);
        let store = store.map_err(|error| failure("Opening the folder of blobs", &error))?;
        Ok(Self {
            folder: Some(folder),
            ..Self::new(Arc::new(store))
        })
    }

    /// Blobs in the memory of this process.
    #[must_use]
    pub fn in_memory() -> Self {
        Self::new(Arc::new(InMemory::new()))
    }

    /// Blobs in any object store.
    pub fn new(store: Arc<dyn ObjectStore>) -> Self {
        Self {
            deleting: store.clone(),
            store,
            folder: None,
            expected: Arc::default(),
            #[cfg(feature = "s3")]
            bucket: None,
        }
    }

    /// Blobs in an S3 bucket, named by `s3://bucket/prefix`; keys, region and endpoint come from
    /// the usual `AWS_…` variables.
    ///
    /// # Errors
    /// `storage` if the URL or a variable cannot be used.
    #[cfg(feature = "s3")]
    pub fn in_s3(url: &str) -> Result<Self, Failure> {
        Self::in_s3_as(url, AmazonS3Builder::from_env())
    }

    /// The same, with keys, region and endpoint as `settings` say.
    ///
    /// # Errors
    /// `storage` if the URL or a setting cannot be used.
    #[cfg(feature = "s3")]
    pub fn in_s3_as(url: &str, settings: AmazonS3Builder) -> Result<Self, Failure> {
        let opening = |error| failure("Opening the bucket of blobs", &error);
        let settings = settings
            .with_url(url)
            .with_http_connector(progress::ProgressConnector::default());
        // Of a request that was sent twice, one may take effect long after the other was answered.
        let once = RetryConfig {
            max_retries: 0,
            ..RetryConfig::default()
        };
        let deleting = settings.clone().with_retry(once).build();
        let deleting = deleting.map_err(opening)?;
        let store = settings.build().map_err(opening)?;
        let path = url.splitn(4, '/').nth(3).unwrap_or_default();
        let bucket = signed::Bucket {
            store: Arc::new(store.clone()),
            prefix: Key::from(path),
        };
        Ok(Self {
            bucket: Some(bucket),
            deleting: Arc::new(PrefixStore::new(deleting, path)),
            ..Self::new(Arc::new(PrefixStore::new(store, path)))
        })
    }

    /// Checks that the store answers.
    ///
    /// # Errors
    /// `storage` if it does not.
    pub async fn ping(&self) -> Result<(), Failure> {
        match self
            .store
            .head(&key_of(ContentHash::of(b""), BlobCopy::FIRST))
            .await
        {
            Ok(_) | Err(Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(failure("Asking the blob store", &error)),
        }
    }

    /// A failure to read a blob, which may be missing.
    fn reading_failed(&self, what: &str, error: &Error) -> Failure {
        let failure = failure(what, error);
        if !matches!(error, Error::NotFound { .. }) {
            return failure;
        }
        match self.check_others() {
            Ok(()) => Failure {
                code: FailureCode::BlobMissing,
                ..failure
            },
            Err(none_is_there) => none_is_there,
        }
    }

    /// Copies a blob; it is damaged if its bytes do not have its hash.
    async fn copy(
        &self,
        blob: &Blob,
        target: &mut (dyn AsyncWrite + Unpin + Send),
    ) -> Result<(), Failure> {
        let what = format!("Reading the blob {}", blob.sha256);
        let found = keys::get(&*self.store, blob, GetOptions::default()).await;
        let found = found.map_err(|error| self.reading_failed(&what, &error))?;
        check_length(blob, &found.meta)?;
        let mut bytes = pieces(found);
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
        let detail = format!("The blob {} does not have its hash.", blob.sha256);
        Err(Failure::new(FailureCode::BlobDamaged, detail))
    }
}

#[async_trait]
impl Blobs for ObjectBlobs {
    async fn put_copy(&self, bytes: Bytes, copy: BlobCopy) -> Result<Blob, Failure> {
        self.check_before_storing().await?;
        let blob = Blob::of(&bytes);
        let what = format!("the blob {}", blob.sha256);
        let key = key_of(blob.sha256, copy);
        if let Some(folder) = &self.folder {
            let put = async { folder.publish(folder.stage_bytes(bytes).await?, &key).await };
            let put = put.await;
            put.map_err(|error| Failure::writing(&what, &error))?;
            return Ok(blob);
        }
        let put = put_object(&*self.store, &key, bytes).await;
        put.map_err(|error| failure(&format!("Writing {what}"), &error))?;
        Ok(blob)
    }

    async fn hash_file(&self, path: &Path) -> Result<Blob, Failure> {
        hash_file(path).await.map_err(unreadable)
    }

    async fn put_file_copy(&self, path: &Path, blob: Blob, copy: BlobCopy) -> Result<(), Failure> {
        self.check_before_storing().await?;
        let key = key_of(blob.sha256, copy);
        if let Some(folder) = &self.folder {
            return put_file_in(folder, path, &blob, &key).await;
        }
        let what = format!("Writing the blob {}", blob.sha256);
        if blob.bytes <= MAX_PIECE as u64 {
            let bytes = Bytes::from(tokio::fs::read(path).await.map_err(unreadable)?);
            if Blob::of(&bytes) != blob {
                return Err(changed());
            }
            let put = put_object(&*self.store, &key, bytes).await;
            return put.map_err(|error| failure(&what, &error));
        }
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
            // Where the store is slower than the disk, the whole file is not kept in memory.
            writer
                .wait_for_capacity(PARTS)
                .await
                .map_err(|error| failure(&what, &error))?;
            writer.put(chunk.into());
        }
        if ContentHash::from_digest(hasher.finalize().into()) != blob.sha256 {
            // What was begun is of no use; that it is left behind is no new failure.
            drop(writer.abort().await);
            return Err(changed());
        }
        let finished = writer.finish().await;
        finished.map(drop).map_err(|error| failure(&what, &error))
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

    async fn begin(&self) -> Result<Box<dyn BlobUpload>, Failure> {
        self.check_before_storing().await?;
        Ok(match &self.folder {
            Some(folder) => Box::new(FolderUpload::begin(self.clone(), folder.clone())?),
            None => Box::new(ObjectUpload::begin(self.clone()).await?),
        })
    }

    async fn is_whole(&self, blob: &Blob) -> Result<bool, Failure> {
        let whole = keys::is_whole(&*self.store, blob).await;
        whole.map_err(|error| failure(&format!("Asking for the blob {}", blob.sha256), &error))
    }

    async fn read(&self, blob: &Blob, range: Range<u64>) -> Result<ByteStream, Failure> {
        let what = format!("Reading the blob {}", blob.sha256);
        let range = range.start..range.end.min(blob.bytes);
        if range.is_empty() {
            let found = keys::head(&*self.store, blob).await;
            check_length(
                blob,
                &found.map_err(|error| self.reading_failed(&what, &error))?,
            )?;
            return Ok(stream::empty().boxed());
        }
        let options = GetOptions {
            range: Some(GetRange::Bounded(range)),
            ..GetOptions::default()
        };
        let found = match keys::get(&*self.store, blob, options).await {
            Ok(found) => found,
            // A range behind the end of a blob that is too short is refused.
            Err(error) => {
                if let Ok(found) = keys::head(&*self.store, blob).await {
                    check_length(blob, &found)?;
                }
                return Err(self.reading_failed(&what, &error));
            }
        };
        check_length(blob, &found.meta)?;
        let bytes = pieces(found).map_err(move |error| failure(&what, &error));
        Ok(bytes.boxed())
    }

    #[cfg(feature = "s3")]
    async fn direct_url(
        &self,
        blob: &Blob,
        file_name: &str,
        media_type: &str,
        valid_for: Duration,
    ) -> Result<Option<String>, Failure> {
        let Some(bucket) = &self.bucket else {
            return Ok(None);
        };
        let what = format!("Signing the blob {}", blob.sha256);
        let found = keys::head(&*self.store, blob).await;
        let found = found.map_err(|error| self.reading_failed(&what, &error))?;
        check_length(blob, &found)?;
        let signed = bucket.url(&found.location, file_name, media_type, valid_for);
        let signed = signed.await;
        signed.map(Some).map_err(|error| failure(&what, &error))
    }

    #[cfg(not(feature = "s3"))]
    async fn direct_url(
        &self,
        _blob: &Blob,
        _file_name: &str,
        _media_type: &str,
        _valid_for: Duration,
    ) -> Result<Option<String>, Failure> {
        Ok(None)
    }

    async fn probe(&self) -> Result<(), Failure> {
        self.check_marker().await?;
        if let Some(folder) = self.folder.clone() {
            let read = blocking(move || folder.can_be_read()).await;
            read.map_err(|error| {
                let detail = format!("Reading the folder of the blobs failed: {error}.");
                Failure::new(FailureCode::Storage, detail)
            })?;
        }
        let key = Key::from(format!("{PROBES}/{}", Uuid::now_v7()));
        let written = Bytes::from_static(b"cadmill");
        let put = self.store.put(&key, written.clone().into()).await;
        put.map_err(|error| failure("Writing to the blob store", &error))?;
        let read = async { self.store.get(&key).await?.bytes().await };
        let read = read.await;
        let removed = self.store.delete(&key).await;
        let read = read.map_err(|error| failure("Reading from the blob store", &error))?;
        removed.map_err(|error| failure("Removing from the blob store", &error))?;
        if read == written {
            return Ok(());
        }
        let detail = "The blob store gives back other bytes than were written.";
        Err(Failure::new(FailureCode::Storage, detail))
    }
}

#[async_trait]
impl HealthCheck for ObjectBlobs {
    fn name(&self) -> &'static str {
        "blobs"
    }

    async fn check(&self) -> Result<(), Failure> {
        self.probe().await
    }
}

/// Copies a file that was hashed into a folder.
async fn put_file_in(folder: &Folder, path: &Path, blob: &Blob, key: &Key) -> Result<(), Failure> {
    let (staging, source) = (folder.clone(), path.to_owned());
    let staged = blocking(move || Ok(staging.stage_file(&source)));
    let writing = |error: std::io::Error| Failure::writing("a blob", &error);
    let (staged, found) = match staged.await.map_err(writing)? {
        Ok(staged) => staged,
        Err(StageError::Reading(error)) => return Err(unreadable(error)),
        Err(StageError::Writing(error)) => return Err(writing(error)),
    };
    if found != *blob {
        return Err(changed());
    }
    folder.publish(staged, key).await.map_err(writing)
}

/// Puts an object in one piece, or in parts if it is large: a part that fails is sent again by
/// itself.
async fn put_object(store: &dyn ObjectStore, key: &Key, mut bytes: Bytes) -> Result<(), Error> {
    if bytes.len() <= MAX_PIECE {
        return store.put(key, bytes.into()).await.map(drop);
    }
    let mut writer = WriteMultipart::new(store.put_multipart(key).await?);
    while !bytes.is_empty() {
        writer.wait_for_capacity(PARTS).await?;
        writer.put(bytes.split_to(bytes.len().min(CHUNK)));
    }
    writer.finish().await.map(drop)
}

fn changed() -> Failure {
    let detail = "It was changed while it was being read.";
    Failure::new(FailureCode::Unreadable, detail)
}

#[expect(clippy::needless_pass_by_value, reason = "it is what `map_err` gives")]
fn unreadable(error: std::io::Error) -> Failure {
    let detail = format!("Reading it failed: {error}.");
    Failure::new(FailureCode::Unreadable, detail)
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

fn check_length(blob: &Blob, found: &ObjectMeta) -> Result<(), Failure> {
    if found.size == blob.bytes {
        return Ok(());
    }
    let Blob { sha256, bytes } = blob;
    let detail = format!(
        "The blob {sha256} has {} bytes instead of {bytes}.",
        found.size
    );
    Err(Failure::new(FailureCode::BlobDamaged, detail))
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
