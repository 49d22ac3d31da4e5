//! How blobs are written into a folder: under a temporary name, synced, renamed, and the folder
//! synced. When that is done, a power cut loses neither the bytes nor the name.

use std::{
    collections::HashSet,
    fs::{self, File, Permissions},
    io::{self, Read as _, Write as _},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use cadmill_domain::{Blob, ContentHash};
use object_store::path::Path as Key;
use sha2::{Digest as _, Sha256};
use tempfile::{NamedTempFile, PathPersistError, TempPath};
use tokio::task::spawn_blocking;

use super::{CHUNK, INCOMING, folder_sync::FolderSync, keys::PREFIX};

/// What others may do with a blob is decided by the umask.
const FILE_MODE: u32 = 0o666;

/// A folder of blobs. Clones share what they know of it.
#[derive(Debug, Clone)]
pub(super) struct Folder {
    root: PathBuf,
    syncs: FolderSync,
    /// Folders below the root whose own names are durable.
    durable: Arc<Mutex<HashSet<PathBuf>>>,
}

/// Bytes that are written, and synced, under a temporary name. The file is removed when dropped.
#[derive(Debug)]
pub(super) struct Staged(TempPath);

impl Folder {
    /// Makes the folder if it is not there, and syncs what is new of its path. Nothing is made in it: it
    /// may be where a disk should be mounted.
    pub(super) fn open(root: &Path) -> io::Result<Self> {
        make_folder(root)?;
        Ok(Self {
            root: root.to_owned(),
            syncs: FolderSync::default(),
            durable: Arc::default(),
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.root
    }

    /// Whether any blob is there, or was: the folders that blobs are spread over stay.
    pub(super) fn holds_anything(&self) -> bool {
        let entries = fs::read_dir(self.root.join(PREFIX));
        entries.is_ok_and(|mut entries| entries.next().is_some())
    }

    /// Whether the names of blobs can be read, if there are any.
    pub(super) fn can_be_read(&self) -> io::Result<()> {
        match fs::read_dir(self.root.join(PREFIX)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// A new file for bytes that come in pieces.
    pub(super) fn begin(&self) -> io::Result<NamedTempFile> {
        let incoming = self.root.join(INCOMING);
        let begin = || {
            tempfile::Builder::new()
                .prefix("")
                .permissions(Permissions::from_mode(FILE_MODE))
                .tempfile_in(&incoming)
        };
        begin().or_else(|error| match error.kind() {
            io::ErrorKind::NotFound => fs::create_dir_all(&incoming).and_then(|()| begin()),
            _ => Err(error),
        })
    }

    /// Copies a file, hashes it, and syncs the copy.
    pub(super) fn stage_file(&self, source: &Path) -> Result<(Staged, Blob), StageError> {
        let mut source = File::open(source).map_err(StageError::Reading)?;
        let mut file = self.begin().map_err(StageError::Writing)?;
        let mut hasher = Sha256::new();
        let mut bytes = 0;
        let mut chunk = vec![0; CHUNK];
        loop {
            let read = match source.read(&mut chunk) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(StageError::Reading(error)),
            };
            hasher.update(&chunk[..read]);
            bytes += read as u64;
            file.write_all(&chunk[..read])
                .map_err(StageError::Writing)?;
        }
        let sha256 = ContentHash::from_digest(hasher.finalize().into());
        let staged = Staged::of(file).map_err(StageError::Writing)?;
        Ok((staged, Blob { sha256, bytes }))
    }

    /// Writes some bytes, and syncs them.
    pub(super) async fn stage_bytes(&self, bytes: Bytes) -> io::Result<Staged> {
        let folder = self.clone();
        blocking(move || {
            let mut file = folder.begin()?;
            file.write_all(&bytes)?;
            Staged::of(file)
        })
        .await
    }

    /// Gives staged bytes the name `key`, in place of any that have it, and makes that durable.
    pub(super) async fn publish(&self, staged: Staged, key: &Key) -> io::Result<()> {
        self.rename(staged, key, TempPath::persist).await
    }

    /// Gives staged bytes the name `key`, and makes that durable. False if the name is taken.
    pub(super) async fn publish_new(&self, staged: Staged, key: &Key) -> io::Result<bool> {
        match self.rename(staged, key, TempPath::persist_noclobber).await {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            renamed => renamed.map(|()| true),
        }
    }

    async fn rename(
        &self,
        staged: Staged,
        key: &Key,
        rename: fn(TempPath, PathBuf) -> Result<(), PathPersistError>,
    ) -> io::Result<()> {
        let path = self.root.join(key.as_ref());
        let folder = parent(&path).to_owned();
        self.make_durable(&folder).await?;
        blocking(move || rename(staged.0, path).map_err(|error| error.error)).await?;
        self.syncs.sync(&folder).await
    }

    /// Makes a folder below the root, if it is not there, with a durable name.
    async fn make_durable(&self, folder: &Path) -> io::Result<()> {
        if self.durable().contains(folder) && folder.exists() {
            return Ok(());
        }
        // Another process may have made it, and not yet synced.
        let below = folder.strip_prefix(&self.root).unwrap_or(folder);
        let mut path = self.root.clone();
        for part in below.components() {
            path.push(part);
            match fs::create_dir(&path) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                _ => self.syncs.sync(parent(&path)).await?,
            }
        }
        self.durable().insert(folder.to_owned());
        Ok(())
    }

    fn durable(&self) -> MutexGuard<'_, HashSet<PathBuf>> {
        self.durable.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A file could not be copied.
#[derive(Debug)]
pub(super) enum StageError {
    /// The source cannot be read.
    Reading(io::Error),
    /// The copy cannot be written.
    Writing(io::Error),
}

impl Staged {
    /// What was written into `file`, synced.
    pub(super) fn of(file: NamedTempFile) -> io::Result<Self> {
        file.as_file().sync_data()?;
        Ok(Self(file.into_temp_path()))
    }
}

/// Runs what blocks on a thread for that.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    spawn_blocking(work).await.map_err(io::Error::other)?
}

/// Makes the folder if it is not there, and syncs what is new of its path.
///
/// # Errors
/// If it cannot be made or synced.
pub fn make_folder(path: &Path) -> io::Result<()> {
    let is_missing = |folder: &&Path| !folder.as_os_str().is_empty() && !folder.exists();
    let missing: Vec<_> = path.ancestors().take_while(is_missing).collect();
    fs::create_dir_all(path)?;
    for folder in missing {
        sync(parent(folder))?;
    }
    Ok(())
}

fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// The folder of a path; that of a bare name is the working folder.
fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}
