//! Bytes under their hash, in a folder, in memory or in S3, by `object_store`.

mod pieces;
#[cfg(feature = "s3")]
mod signed;
mod sweep;
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
    Blob, BlobUpload, Blobs, ByteStream, ContentHash, Failure, FailureCode, HealthCheck, sentence,
};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use object_store::{
    Error, GetOptions, GetRange, ObjectStore, ObjectStoreExt as _, WriteMultipart,
    local::LocalFileSystem, memory::InMemory, path::Path as Key,
};
#[cfg(feature = "s3")]
use object_store::{aws::AmazonS3Builder, prefix::PrefixStore};
use sha2::{Digest as _, Sha256};
use tempfile::NamedTempFile;
use tokio::{
    fs::File,
    io::{AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
};
use uuid::Uuid;

pub use self::sweep::Sweep;
use self::{pieces::pieces, upload::Upload};

/// What all blobs lie under.
const PREFIX: &str = "sha256";
/// What uploads lie under until they are ended.
const INCOMING: &str = "incoming";
/// What is written to see whether that works.
const PROBES: &str = "probe";
/// How much of a file is read at once.
const CHUNK: usize = 1 << 20;

/// Blobs in an object store.
#[derive(Debug, Clone)]
pub struct ObjectBlobs {
    store: Arc<dyn ObjectStore>,
    folder: Option<PathBuf>,
    #[cfg(feature = "s3")]
    bucket: Option<signed::Bucket>,
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
        Self {
            store,
            folder: None,
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
        let store = settings.with_url(url).build();
        let store = store.map_err(|error| failure("Opening the bucket of blobs", &error))?;
        let path = url.splitn(4, '/').nth(3).unwrap_or_default();
        let bucket = signed::Bucket {
            store: Arc::new(store.clone()),
            prefix: Key::from(path),
        };
        Ok(Self {
            bucket: Some(bucket),
            ..Self::new(Arc::new(PrefixStore::new(store, path)))
        })
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

    /// Copies a blob; it is damaged if its bytes do not have its hash.
    async fn copy(
        &self,
        blob: &Blob,
        target: &mut (dyn AsyncWrite + Unpin + Send),
    ) -> Result<(), Failure> {
        let what = format!("Reading the blob {}", blob.sha256);
        let found = self.store.get(&key(blob.sha256)).await;
        let mut bytes = pieces(found.map_err(|error| failure(&what, &error))?);
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

    async fn begin(&self) -> Result<Box<dyn BlobUpload>, Failure> {
        let upload = Upload::begin(self.store.clone()).await?;
        Ok(Box::new(upload))
    }

    async fn read(&self, blob: &Blob, range: Range<u64>) -> Result<ByteStream, Failure> {
        let what = format!("Reading the blob {}", blob.sha256);
        let key = key(blob.sha256);
        let range = range.start..range.end.min(blob.bytes);
        if range.is_empty() {
            let found = self.store.head(&key).await;
            found.map_err(|error| failure(&what, &error))?;
            return Ok(stream::empty().boxed());
        }
        let options = GetOptions {
            range: Some(GetRange::Bounded(range)),
            ..GetOptions::default()
        };
        let found = self.store.get_opts(&key, options).await;
        let found = found.map_err(|error| failure(&what, &error))?;
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
        let key = key(blob.sha256);
        let url = bucket.url(&key, file_name, media_type, valid_for);
        let url = url.await;
        url.map(Some)
            .map_err(|error| failure(&format!("Signing the blob {}", blob.sha256), &error))
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

fn key(hash: ContentHash) -> Key {
    let hash = hash.to_string();
    // No folder shall have a hundred thousand files.
    Key::from(format!("{PREFIX}/{}/{hash}", &hash[..2]))
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
