//! Syncs folders, so that the names in them survive a power cut. Those who wait for the same folder
//! share one sync.

use std::{
    collections::HashMap,
    fs::File,
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::{sync::oneshot, task::spawn_blocking};

/// Syncs folders. Clones share what is waiting.
#[derive(Debug, Clone, Default)]
pub(super) struct FolderSync(Arc<Mutex<Waiting>>);

/// Who waits for the next sync of each folder that is being synced now.
type Waiting = HashMap<PathBuf, Vec<oneshot::Sender<io::Result<()>>>>;

impl FolderSync {
    /// Makes all names durable that `folder` has now.
    ///
    /// The sync that is under way may have begun before the last name was given, so a caller waits
    /// for the next one, together with all others that came meanwhile.
    pub(super) async fn sync(&self, folder: &Path) -> io::Result<()> {
        let (sender, synced) = oneshot::channel();
        let is_first = {
            let mut waiting = self.waiting();
            let is_first = !waiting.contains_key(folder);
            waiting.entry(folder.to_owned()).or_default().push(sender);
            is_first
        };
        if is_first {
            let (syncs, folder) = (self.clone(), folder.to_owned());
            spawn_blocking(move || syncs.run(&folder));
        }
        synced.await.map_err(io::Error::other)?
    }

    /// Syncs a folder until no caller waits for it.
    fn run(&self, folder: &Path) {
        while let Some(round) = self.next_round(folder) {
            let synced = File::open(folder).and_then(|folder| folder.sync_all());
            for waiting in round {
                let copy = match &synced {
                    Ok(()) => Ok(()),
                    Err(error) => Err(io::Error::new(error.kind(), error.to_string())),
                };
                // A caller that was dropped does not wait for the answer.
                drop(waiting.send(copy));
            }
        }
    }

    /// All that wait for this folder; without any, the folder is no longer being synced.
    fn next_round(&self, folder: &Path) -> Option<Vec<oneshot::Sender<io::Result<()>>>> {
        let mut waiting = self.waiting();
        let round = waiting.get_mut(folder).map(std::mem::take)?;
        if round.is_empty() {
            waiting.remove(folder);
            return None;
        }
        Some(round)
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::future::join_all;

    use super::*;

    #[tokio::test]
    async fn all_who_wait_are_answered_and_nothing_is_left() {
        let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let syncs = FolderSync::default();
        for _ in 0..20 {
            let all = (0..100).map(|number| syncs.sync(folders[number % 2].path()));
            for synced in join_all(all).await {
                synced.unwrap();
            }
        }
        let missing = folders[0].path().join("missing");
        let error = syncs.sync(&missing).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        // The last round is taken off after its callers were answered.
        while !syncs.waiting().is_empty() {
            tokio::task::yield_now().await;
        }
    }
}
