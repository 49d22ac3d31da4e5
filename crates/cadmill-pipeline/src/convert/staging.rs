//! Media get their names only when all of them are whole, and on the disk.

use std::{
    collections::BTreeSet,
    ffi::OsString,
    fs::{self, File, Permissions},
    io::{self, Write as _},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use cadmill_domain::{ContentHash, Failure};
use tempfile::NamedTempFile;

/// What this process may create besides is decided by its umask.
const FILE_MODE: u32 = 0o666;

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
        Self::write_from(path.parent().unwrap_or(path), path, content)
    }

    /// The same, but it is written in `folder`, on the same file system. The folder of `path` is
    /// made when the file gets its name.
    pub(super) fn write_from(folder: &Path, path: &Path, content: &[u8]) -> Result<Self, Failure> {
        let staged = || -> io::Result<Self> {
            let name = path.file_name();
            let name = name.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidFilename))?;
            let mut temporary = tempfile::Builder::new()
                .prefix(&hidden(name))
                .suffix(".part")
                .permissions(Permissions::from_mode(FILE_MODE))
                .tempfile_in(folder)?;
            temporary.write_all(content)?;
            // A name that a power cut leaves without its bytes would hide the loss.
            temporary.as_file().sync_data()?;
            Ok(Self {
                temporary,
                path: path.to_owned(),
                bytes: content.len() as u64,
                hash: ContentHash::of(content),
            })
        };
        staged().map_err(|error| failure(path, &error))
    }

    /// Gives the file its name, in place of any file that has it. The name survives a power cut once
    /// `renamed` was synced.
    pub(super) fn commit(self, renamed: &mut Renamed) -> Result<(), Failure> {
        let path = self.path;
        let commit = || {
            let folder = folder_of(&path);
            if !folder.exists() {
                fs::create_dir_all(folder)?;
                renamed.folders.insert(folder_of(folder).to_owned());
            }
            renamed.folders.insert(folder.to_owned());
            self.temporary.persist(&path).map_err(io::Error::from)
        };
        let kept = commit();
        kept.map(drop).map_err(|error| failure(&path, &error))
    }
}

/// The folders in which files were given their names.
#[derive(Debug, Default)]
pub(super) struct Renamed {
    folders: BTreeSet<PathBuf>,
}

impl Renamed {
    /// Makes all names durable.
    pub(super) fn sync(self) -> Result<(), Failure> {
        for folder in self.folders {
            let synced = File::open(&folder).and_then(|folder| folder.sync_all());
            synced.map_err(|error| failure(&folder, &error))?;
        }
        Ok(())
    }
}

/// The folder of a path; that of a bare name is the working folder.
fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
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
        let mut renamed = Renamed::default();
        staged.commit(&mut renamed).unwrap();
        renamed.sync().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(names(folder.path()), ["a.glb"]);
    }

    #[test]
    fn a_folder_is_made_for_a_file_only_when_it_gets_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.usd/root.usdc");
        let write = || StagedFile::write_from(folder.path(), &path, b"root").unwrap();
        drop(write());
        assert_eq!(names(folder.path()), [""; 0]);
        let mut renamed = Renamed::default();
        write().commit(&mut renamed).unwrap();
        assert_eq!(names(folder.path()), ["a.usd"]);
        let synced = BTreeSet::from([folder.path().to_owned(), folder.path().join("a.usd")]);
        assert_eq!(
            renamed.folders, synced,
            "the new folder has a new name, too"
        );
        fs::write(path.with_file_name("of the user"), "").unwrap();
        write().commit(&mut renamed).unwrap();
        renamed.sync().unwrap();
        assert_eq!(names(path.parent().unwrap()), ["of the user", "root.usdc"]);
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
