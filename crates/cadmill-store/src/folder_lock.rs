//! One process on a data folder: a lock of the operating system, which ends with the process.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{self, Read as _, Seek as _, Write as _},
    path::Path,
};

/// The name of the file that is locked.
const NAME: &str = "cadmill.lock";

/// The right to work in a data folder, as long as it is kept.
#[derive(Debug)]
pub struct FolderLock(#[expect(dead_code, reason = "it is open as long as it is locked")] File);

/// A data folder cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FolderLockError {
    /// Another process works in it.
    #[error("the data folder is in use by {holder}; stop that process, or use another folder")]
    Held {
        /// Who it says it is.
        holder: String,
    },
    /// It cannot be written to.
    #[error("the data folder cannot be locked")]
    Io(#[source] io::Error),
}

impl FolderLock {
    /// Locks `folder`, which is there, for `holder`: what another process is told.
    ///
    /// # Errors
    /// If another process has locked it, or it cannot be written to.
    pub fn take(folder: &Path, holder: &str) -> Result<Self, FolderLockError> {
        let open = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(folder.join(NAME));
        let mut file = open.map_err(FolderLockError::Io)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(FolderLockError::Held {
                    holder: holder_in(&mut file),
                });
            }
            Err(TryLockError::Error(error)) => return Err(FolderLockError::Io(error)),
        }
        let told = file
            .set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| file.write_all(holder.as_bytes()));
        told.map_err(FolderLockError::Io)?;
        Ok(Self(file))
    }
}

fn holder_in(file: &mut File) -> String {
    let mut holder = String::new();
    match file.read_to_string(&mut holder) {
        Ok(1..) => holder,
        _ => "another process".to_owned(),
    }
}
