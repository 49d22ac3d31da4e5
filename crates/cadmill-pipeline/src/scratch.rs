//! Private folders for the work of one process, and what a process that was killed left of them.

use std::{
    fs::{self, File, Permissions},
    io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use cadmill_domain::Failure;
use tempfile::TempDir;
use tracing::{info, warn};

/// What the names of all private folders begin with.
const PREFIX: &str = "cadmill-";
/// The file in the folder of a process that is locked as long as the process lives.
const LOCK: &str = ".lock";

/// The folder of one process, below a root that several may share. It is removed when dropped.
#[derive(Debug)]
pub struct Scratch {
    folder: TempDir,
    _lock: File,
}

impl Scratch {
    /// Makes a folder for this process in `root`, which is made if it is not there, and removes
    /// the folders of processes that are gone.
    ///
    /// # Errors
    /// `storage` or `disk_full` if that cannot be written.
    pub fn open(root: &Path) -> Result<Self, Failure> {
        let writing = |error: io::Error| Failure::writing(&format!("`{}`", root.display()), &error);
        fs::create_dir_all(root).map_err(writing)?;
        // Nobody may take a folder for abandoned before its owner has locked it.
        let root_lock = File::create(root.join(LOCK)).map_err(writing)?;
        root_lock.lock().map_err(writing)?;
        remove_abandoned(root);
        let folder = private_folder(root)?;
        let lock = File::create(folder.path().join(LOCK)).map_err(writing)?;
        lock.lock().map_err(writing)?;
        Ok(Self {
            folder,
            _lock: lock,
        })
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.folder.path().to_owned()
    }
}

/// Makes a folder in `parent` that only this user may look into; it is removed when dropped.
pub(crate) fn private_folder(parent: &Path) -> Result<TempDir, Failure> {
    tempfile::Builder::new()
        .prefix(PREFIX)
        .permissions(Permissions::from_mode(0o700))
        .tempdir_in(parent)
        .map_err(|error| {
            let what = format!("into the scratch folder `{}`", parent.display());
            Failure::writing(&what, &error)
        })
}

/// Removes the folders whose lock nobody holds.
fn remove_abandoned(root: &Path) {
    let Ok(entries) = fs::read_dir(root) else {
        return;
    };
    for entry in entries.filter_map(Result::ok) {
        let path = entry.path();
        let is_ours = entry.file_name().to_string_lossy().starts_with(PREFIX);
        let lock = File::open(path.join(LOCK));
        if is_ours && lock.is_ok_and(|lock| lock.try_lock().is_ok()) {
            match fs::remove_dir_all(&path) {
                Ok(()) => info!(path = %path.display(), "Removed what a dead process left."),
                Err(error) => warn!(path = %path.display(), %error, "This could not be removed."),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_dead_process_left_is_removed_and_nothing_else() {
        let root = tempfile::tempdir().unwrap();
        let living = Scratch::open(root.path()).unwrap();
        let dead = root.path().join("cadmill-dead");
        fs::create_dir(&dead).unwrap();
        fs::write(dead.join(LOCK), "").unwrap();
        fs::write(dead.join("model.step"), "left").unwrap();
        let foreign = root.path().join("foreign");
        fs::create_dir(&foreign).unwrap();
        let mine = Scratch::open(root.path()).unwrap();
        assert!(!dead.exists());
        assert!(foreign.exists() && living.path().exists() && mine.path().exists());
        let gone = mine.path();
        drop(mine);
        assert!(!gone.exists());
    }
}
