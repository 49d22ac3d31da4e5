//! Worker processes, which die with the test.

use std::{
    fs::{self, File},
    os::unix::process::ExitStatusExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus},
};

use nix::{
    sys::{
        signal::{Signal, kill},
        wait::{WaitPidFlag, WaitStatus, waitpid},
    },
    unistd::Pid,
};

use super::eventually;

/// A running worker.
#[derive(Debug)]
pub(crate) struct Worker {
    child: Child,
    log: PathBuf,
}

impl Worker {
    /// Starts `command`, which writes into `log`.
    pub(crate) fn start(mut command: Command, log: PathBuf) -> Self {
        let file = File::create(&log).unwrap();
        command.stdout(file.try_clone().unwrap()).stderr(file);
        let child = command.spawn().unwrap();
        Self { child, log }
    }

    /// What it has said so far.
    pub(crate) fn said(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    /// Waits until it has said so.
    #[track_caller]
    pub(crate) fn says(&self, text: &str) {
        eventually(&format!("a worker says `{text}`"), || {
            self.said().contains(text)
        });
    }

    /// Waits until it listens; the URL, `http://127.0.0.1:port`.
    #[track_caller]
    pub(crate) fn url(&self) -> String {
        self.says("; its guide is at ");
        let said = self.said();
        let (_, url) = said.split_once("Listening on ").unwrap();
        url.split_once(';').unwrap().0.to_owned()
    }

    /// Waits until it works, or has ended; `false` if it has ended.
    #[track_caller]
    pub(crate) fn starts(&mut self) -> bool {
        let mut is_over = false;
        eventually("a server starts or ends", || {
            is_over = self.child.try_wait().unwrap().is_some();
            is_over || self.said().contains("Working with")
        });
        !is_over
    }

    /// A path as this process sees it, in its own mount namespace.
    pub(crate) fn root(&self, path: &Path) -> PathBuf {
        let root = PathBuf::from(format!("/proc/{}/root", self.child.id()));
        root.join(path.strip_prefix("/").unwrap())
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(self.pid(), signal).unwrap();
    }

    /// Whether it has ended by now.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits until it has ended.
    #[track_caller]
    pub(crate) fn ended(&mut self) -> ExitStatus {
        let mut status = None;
        eventually("a worker ends", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap()
    }

    /// Waits until it has been killed.
    #[track_caller]
    pub(crate) fn is_killed(&mut self) {
        let ended = self.ended();
        assert_eq!(
            ended.signal(),
            Some(Signal::SIGKILL as i32),
            "{}",
            self.said()
        );
    }

    /// Waits until it has frozen itself.
    #[track_caller]
    pub(crate) fn is_frozen(&self) {
        eventually("a worker freezes", || {
            let flags = WaitPidFlag::WUNTRACED | WaitPidFlag::WNOHANG;
            matches!(
                waitpid(self.pid(), Some(flags)),
                Ok(WaitStatus::Stopped(..))
            )
        });
    }

    /// Tells it to stop, and waits until it has ended well.
    #[track_caller]
    pub(crate) fn stop(mut self) {
        self.signal(Signal::SIGTERM);
        let ended = self.ended();
        assert_eq!(ended.code(), Some(0), "{}", self.said());
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().cast_signed())
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // It may be gone already, or frozen; SIGKILL reaches it in any case.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
