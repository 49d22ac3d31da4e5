//! A child process in a group of its own, which never outlives its owner.
//!
//! Each child has one thread of the parent that starts it, waits for it and reaps it. The thread
//! that forks must live as long as the child, because Linux sends the parent-death signal when that
//! *thread* ends; the threads of an async runtime come and go.

use std::{
    io,
    process::{Child as StdChild, Command, ExitStatus},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};
use tokio::{
    process::{ChildStderr, ChildStdout},
    sync::oneshot,
};

/// How long a group may take to end after `SIGTERM`.
const GRACE: Duration = Duration::from_secs(2);

/// A running child. Dropping it kills the whole group and waits until the child is reaped.
#[derive(Debug)]
pub(super) struct Child {
    group: Arc<Group>,
    ended: oneshot::Receiver<io::Result<ExitStatus>>,
    /// What came out of `ended`.
    outcome: Option<Result<ExitStatus, io::ErrorKind>>,
}

/// What a child says.
#[derive(Debug)]
pub(super) struct Pipes {
    pub(super) stdout: ChildStdout,
    pub(super) stderr: ChildStderr,
}

impl Child {
    /// Starts `command`, whose standard output and error are piped and which leads its own group.
    pub(super) async fn start(command: Command) -> io::Result<(Self, Pipes)> {
        let (started_tx, started) = oneshot::channel();
        let (ended_tx, ended) = oneshot::channel();
        let group = Arc::new(Group::default());
        let of_thread = Arc::clone(&group);
        thread::Builder::new()
            .name("cadmill-child".to_owned())
            .spawn(move || supervise(command, &of_thread, started_tx, ended_tx))?;
        // From here on a dropped future kills what has been started.
        let child = Self {
            group,
            ended,
            outcome: None,
        };
        let (stdout, stderr) = started.await.map_err(io::Error::other)??;
        let pipes = Pipes {
            stdout: ChildStdout::from_std(stdout)?,
            stderr: ChildStderr::from_std(stderr)?,
        };
        Ok((child, pipes))
    }

    /// Waits until the child has ended and is reaped.
    pub(super) async fn ended(&mut self) -> io::Result<ExitStatus> {
        if let Some(outcome) = self.outcome {
            return outcome.map_err(io::Error::from);
        }
        let ended = (&mut self.ended).await;
        let ended = ended.unwrap_or_else(|lost| Err(io::Error::other(lost)));
        let outcome = ended.as_ref().copied().map_err(io::Error::kind);
        self.outcome = Some(outcome);
        ended
    }

    /// Asks the group to end, kills it after two seconds, and waits until the child is reaped.
    pub(super) async fn stop(&mut self) {
        self.group.signal(Signal::SIGTERM);
        if tokio::time::timeout(GRACE, self.ended()).await.is_err() {
            self.kill().await;
        }
    }

    /// Kills the group at once and waits until the child is reaped.
    pub(super) async fn kill(&mut self) {
        self.group.signal(Signal::SIGKILL);
        if let Err(error) = self.ended().await {
            tracing::warn!(%error, "A killed child could not be waited for.");
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.group.abandon();
    }
}

type Started = (std::process::ChildStdout, std::process::ChildStderr);

fn supervise(
    mut command: Command,
    group: &Group,
    started: oneshot::Sender<io::Result<Started>>,
    ended: oneshot::Sender<io::Result<ExitStatus>>,
) {
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => {
            group.set(State::Gone);
            // Nobody may be waiting any more; then nobody wants to know.
            let _ = started.send(Err(error));
            return;
        }
    };
    group.born(&child);
    if let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) {
        let _ = started.send(Ok((stdout, stderr)));
    }
    let status = reap(&mut child, group);
    group.set(State::Gone);
    let _ = ended.send(status);
}

/// Waits for the child, kills what it left behind in its group, and reaps it.
#[cfg(target_os = "linux")]
fn reap(child: &mut StdChild, group: &Group) -> io::Result<ExitStatus> {
    use nix::sys::wait::{Id, WaitPidFlag, waitid};
    let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT;
    while waitid(Id::Pid(pid_of(child)), flags) == Err(nix::errno::Errno::EINTR) {}
    // While the child is not reaped its number, and so that of its group, belongs to nobody else.
    group.signal(Signal::SIGKILL);
    group.set(State::Reaping);
    child.wait()
}

/// Waits for the child, reaps it, and kills what it left behind in its group.
#[cfg(not(target_os = "linux"))]
fn reap(child: &mut StdChild, group: &Group) -> io::Result<ExitStatus> {
    let status = child.wait();
    group.signal(Signal::SIGKILL);
    group.set(State::Reaping);
    status
}

fn pid_of(child: &StdChild) -> Pid {
    Pid::from_raw(child.id() as i32)
}

/// The process group of a child, as its owner and its thread see it.
#[derive(Debug, Default)]
struct Group {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default, Clone, Copy, PartialEq)]
enum State {
    #[default]
    Starting,
    /// Given up before it was started: to be killed as soon as it is.
    Abandoned,
    Running(Pid),
    /// Its number may soon belong to another process: to be signalled no more.
    Reaping,
    Gone,
}

impl Group {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, state: State) {
        *self.lock() = state;
        self.changed.notify_all();
    }

    fn born(&self, child: &StdChild) {
        let pid = pid_of(child);
        let mut state = self.lock();
        if *state == State::Abandoned {
            let _ = killpg(pid, Signal::SIGKILL);
        }
        *state = State::Running(pid);
    }

    /// Signals every process of the group, if the child has not been reaped.
    fn signal(&self, signal: Signal) {
        if let State::Running(pid) = *self.lock() {
            // It may have ended in this moment.
            let _ = killpg(pid, signal);
        }
    }

    /// Kills the group and waits until the child is reaped, which takes milliseconds; a process
    /// that hangs inside the operating system is left to its thread.
    fn abandon(&self) {
        let mut state = self.lock();
        match *state {
            State::Starting => *state = State::Abandoned,
            State::Running(pid) => drop(killpg(pid, Signal::SIGKILL)),
            _ => {}
        }
        let waited = self
            .changed
            .wait_timeout_while(state, GRACE, |state| *state != State::Gone);
        drop(waited);
    }
}

#[cfg(test)]
mod tests {
    use std::{os::unix::process::CommandExt as _, process::Stdio};

    use super::*;

    #[tokio::test]
    async fn an_end_is_told_as_often_as_it_is_asked_for() {
        // When the time is up while another process still holds the pipes, it is asked for again.
        let mut command = Command::new("true");
        command.process_group(0);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let (mut child, _pipes) = Child::start(command).await.unwrap();
        assert!(child.ended().await.unwrap().success());
        child.kill().await;
        child.stop().await;
        assert!(child.ended().await.unwrap().success());
    }
}
