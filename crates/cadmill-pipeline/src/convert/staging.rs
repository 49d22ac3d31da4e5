//! Media get their names only when all of them are whole.

use std::{
    ffi::OsString,
    fs::{self, Permissions},
    io::{self, Write as _},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use cadmill_domain::{ContentHash, Failure};
use tempfile::{NamedTempFile, TempDir};

/// What this process may create besides is decided by its umask.
const FILE_MODE: u32 = 0o666;
/// The same for folders.
const FOLDER_MODE: u32 = 0o777;

/// A file that is written whole under a temporary name beside its final one. Unless it is given
/// its name it is removed when dropped.
#[derive(Debug)]
pub(super) struct StagedFile {
    temporary: NamedTempFile,
    path: PathBuf,
    pub(super) bytes: u64,
    pub(super) hash: ContentHash,
}

impl StagedFile {
    pub(super) fn write(path: &Path, content: &[u8]) -> Result<Self, Failure> {
        let staged = || -> io::Result<Self> {
            let (folder, name) = split(path)?;
            let mut temporary = tempfile::Builder::new()
                .prefix(&hidden(name))
                .suffix(".part")
                .permissions(Permissions::from_mode(FILE_MODE))
                .tempfile_in(folder)?;
            temporary.write_all(content)?;
            Ok(Self {
                temporary,
                path: path.to_owned(),
                bytes: content.len() as u64,
                hash: ContentHash::of(content),
            })
        };
        staged().map_err(|error| failure(path, &error))
    }

    /// Gives the file its name, in place of any file that has it.
    pub(super) fn commit(self) -> Result<(), Failure> {
        let path = self.path;
        let kept = self.temporary.persist(&path);
        kept.map(drop).map_err(|error| failure(&path, &error.error))
    }
}

/// A folder of files, written whole under a temporary name.
#[derive(Debug)]
pub(super) struct StagedFolder {
    temporary: TempDir,
    path: PathBuf,
}

impl StagedFolder {
    pub(super) fn write<'a>(
        path: &Path,
        files: impl IntoIterator<Item = (&'a str, &'a [u8])>,
    ) -> Result<Self, Failure> {
        let staged = || -> io::Result<Self> {
            let temporary = temporary_folder(path)?;
            for (name, content) in files {
                fs::write(temporary.path().join(name), content)?;
            }
            let path = path.to_owned();
            Ok(Self { temporary, path })
        };
        staged().map_err(|error| failure(path, &error))
    }

    /// Gives the folder its name; one that has it is removed.
    pub(super) fn commit(self) -> Result<(), Failure> {
        let Self { temporary, path } = self;
        let committed = || -> io::Result<()> {
            // A folder can only be renamed onto an empty one, so the old one steps aside first.
            let old = temporary_folder(&path)?;
            match fs::rename(&path, old.path()) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            if let Err(error) = fs::rename(temporary.path(), &path) {
                // What was there is better than nothing; the first error is the one to tell.
                let _ = fs::rename(old.path(), &path);
                return Err(error);
            }
            // It is no longer there under the name that would be removed.
            let _ = temporary.keep();
            Ok(())
        };
        committed().map_err(|error| failure(&path, &error))
    }
}

fn temporary_folder(path: &Path) -> io::Result<TempDir> {
    let (folder, name) = split(path)?;
    tempfile::Builder::new()
        .prefix(&hidden(name))
        .suffix(".part")
        .permissions(Permissions::from_mode(FOLDER_MODE))
        .tempdir_in(folder)
}

fn split(path: &Path) -> io::Result<(&Path, &std::ffi::OsStr)> {
    path.parent()
        .zip(path.file_name())
        .ok_or_else(|| io::Error::from(io::ErrorKind::InvalidFilename))
}

fn hidden(name: &std::ffi::OsStr) -> OsString {
    let mut hidden = OsString::from(".");
    hidden.push(name);
    hidden.push(".");
    hidden
}

fn failure(path: &Path, error: &io::Error) -> Failure {
    Failure::writing(&format!("`{}`", path.display()), error)
}

#[cfg(test)]
mod tests {
    use cadmill_domain::FailureCode;

    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_has_its_name_only_when_it_is_committed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.glb");
        fs::write(&path, "old").unwrap();
        drop(StagedFile::write(&path, b"dropped").unwrap());
        assert_eq!(fs::read(&path).unwrap(), b"old");
        let staged = StagedFile::write(&path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"old");
        staged.commit().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(names(folder.path()), ["a.glb"]);
    }

    #[test]
    fn a_folder_replaces_the_one_before_as_a_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.usd");
        for layers in [["root.usdc", "old.usdc"], ["root.usdc", "new.usdc"]] {
            let files = layers.map(|name| (name, name.as_bytes()));
            StagedFolder::write(&path, files).unwrap().commit().unwrap();
        }
        assert_eq!(names(&path), ["new.usdc", "root.usdc"]);
        assert_eq!(names(folder.path()), ["a.usd"]);
    }

    #[test]
    fn a_folder_that_is_not_there_is_a_failure_to_write() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("missing/a.glb");
        let failure = StagedFile::write(&path, b"x").unwrap_err();
        assert_eq!(failure.code, FailureCode::Storage);
        assert!(failure.detail.contains("a.glb"), "{failure}");
    }
}
