//! The process of a server: it lives no longer than this one, and its log tells how it is.
//!
//! One thread starts it and reads its log. Linux sends the parent-death signal when the *thread*
//! that forked ends, so that thread lives as long as the server. All processes of the server hold
//! the log open: when it ends they are gone.

use std::{
    collections::VecDeque,
    io::{self, BufRead as _, BufReader, PipeReader},
    path::PathBuf,
    process::{Child, Command},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc},
    thread,
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::error::ServerError;

/// How long a server may take to be ready: a crash may have left it much to read again.
const START: Duration = Duration::from_mins(2);
/// How long a server may take to end by itself.
const END: Duration = Duration::from_secs(20);
/// How long a server that is dropped may take to end, before it is killed: PostgreSQL waits for
/// clients that connect meanwhile and say nothing.
const QUIT: Duration = Duration::from_secs(2);
/// How many of the last lines of its log are kept.
const LOG_LINES: usize = 40;
/// How the servers say that they are ready: PostgreSQL and Redis, and Moto.
const READY: [&str; 2] = ["eady to accept connections", "Running on http"];
/// How they say that their port is not free, or the operating system for them.
const IN_USE: &str = "Address already in use";

/// A server that was started. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct Process {
    server: &'static str,
    port: u16,
    /// What ends it at once, and no worse.
    quit: Signal,
    life: Arc<Life>,
}

impl Process {
    /// Starts `server` and waits until it takes connections on `port`.
    pub(crate) fn start(
        server: &'static str,
        command: Command,
        port: u16,
        quit: Signal,
    ) -> Result<Self, ServerError> {
        let program = PathBuf::from(command.get_program());
        let life = Arc::new(Life::default());
        let (started, is_started) = mpsc::channel();
        let of_thread = Arc::clone(&life);
        let spawned = thread::Builder::new()
            .name("cadmill-server".to_owned())
            .spawn(move || supervise(command, &of_thread, &started));
        spawned
            .and_then(|_| is_started.recv().map_err(io::Error::other)?)
            .map_err(|source| ServerError::Spawn { program, source })?;
        let process = Self {
            server,
            port,
            quit,
            life,
        };
        process.wait_until_ready()?;
        Ok(process)
    }

    fn wait_until_ready(&self) -> Result<(), ServerError> {
        let state = self
            .life
            .wait_while(START, |state| state.pid.is_some() && !state.has_been_ready);
        if state.has_been_ready {
            return Ok(());
        }
        let server = self.server;
        Err(if state.pid.is_some() {
            self.too_slow(&state, "ready", START)
        } else if state.log.iter().any(|line| line.contains(IN_USE)) {
            ServerError::PortInUse {
                server,
                port: self.port,
            }
        } else {
            ServerError::Ended {
                server,
                log: state.log(),
            }
        })
    }

    /// Its number, and the signal that ends it at once, while it runs.
    pub(crate) fn quit(&self) -> Option<(Pid, Signal)> {
        self.life.lock().pid.map(|pid| (pid, self.quit))
    }

    /// Asks it to end by `signal`, also if it is paused, and waits until it has.
    pub(crate) fn end(&self, signal: Signal) -> Result<(), ServerError> {
        self.end_within(END, signal)
    }

    fn end_within(&self, limit: Duration, signal: Signal) -> Result<(), ServerError> {
        self.signal_all(Signal::SIGCONT);
        if let Some(pid) = self.life.lock().pid {
            send(pid, signal);
        }
        self.wait_until_gone(limit)
    }

    /// Kills all its processes, and waits until they are gone.
    pub(crate) fn kill(&self) -> Result<(), ServerError> {
        self.signal_all(Signal::SIGKILL);
        self.wait_until_gone(END)
    }

    /// Stops all its processes where they are.
    pub(crate) fn pause(&self) -> Result<(), ServerError> {
        self.signal_running(Signal::SIGSTOP)
    }

    /// Lets all its processes go on.
    pub(crate) fn resume(&self) -> Result<(), ServerError> {
        self.signal_running(Signal::SIGCONT)
    }

    fn signal_running(&self, signal: Signal) -> Result<(), ServerError> {
        if self.signal_all(signal) {
            return Ok(());
        }
        Err(ServerError::NotRunning {
            server: self.server,
        })
    }

    /// Sends `signal` to the server and its children, if it runs.
    fn signal_all(&self, signal: Signal) -> bool {
        // While the lock is held, the server is not reaped and its number is nobody else's.
        let state = self.life.lock();
        let Some(pid) = state.pid else {
            return false;
        };
        if signal != Signal::SIGCONT {
            // So it has no further children meanwhile.
            send(pid, Signal::SIGSTOP);
        }
        // Once it is killed they are no longer known as its own.
        let children = children_of(pid);
        send(pid, signal);
        for child in children {
            send(child, signal);
        }
        true
    }

    fn wait_until_gone(&self, limit: Duration) -> Result<(), ServerError> {
        let state = self.life.wait_while(limit, |state| state.pid.is_some());
        if state.pid.is_none() {
            return Ok(());
        }
        Err(self.too_slow(&state, "gone", limit))
    }

    fn too_slow(&self, state: &State, wanted: &'static str, after: Duration) -> ServerError {
        ServerError::TooSlow {
            server: self.server,
            state: wanted,
            seconds: after.as_secs(),
            log: state.log(),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.end_within(QUIT, self.quit).is_err() {
            // What the operating system does not even kill is left to it.
            let _ = self.kill();
        }
    }
}

/// Sends `signal` to a process, which may have ended in this moment.
fn send(pid: Pid, signal: Signal) {
    let _ = kill(pid, signal);
}

/// The children of `parent`, as Linux knows them. Elsewhere none are found; those of PostgreSQL end
/// by themselves once they see that their parent has died.
///
/// Signalling the process group would not do: each of them leads a group of its own.
fn children_of(parent: Pid) -> Vec<Pid> {
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let is_child = |pid: &i32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // After the name in parentheses, which may hold anything, come the state and the parent.
        let after_name = stat.rsplit(')').next().unwrap_or_default();
        after_name.split_whitespace().nth(1) == Some(&parent.to_string())
    };
    pids.filter(is_child).map(Pid::from_raw).collect()
}

fn supervise(command: Command, life: &Life, started: &mpsc::Sender<io::Result<()>>) {
    let (mut child, log) = match spawn(command) {
        Ok(spawned) => spawned,
        Err(error) => {
            let _ = started.send(Err(error));
            return;
        }
    };
    life.lock().pid = Some(Pid::from_raw(child.id() as i32));
    // If nobody waits for it any more, the log still has to be read.
    let _ = started.send(Ok(()));
    let lines = BufReader::new(log).split(b'\n').map_while(Result::ok);
    lines.for_each(|line| life.note(&line));
    let mut state = life.lock();
    // Its last process has ended; reaping it takes no time.
    let _ = child.wait();
    state.pid = None;
    life.changed.notify_all();
}

fn spawn(mut command: Command) -> io::Result<(Child, PipeReader)> {
    let (log, end) = io::pipe()?;
    command.stdout(end.try_clone()?).stderr(end);
    // With the command, our copies of the log's other end are dropped.
    Ok((command.spawn()?, log))
}

/// What is known of a server, and news of it.
#[derive(Debug, Default)]
struct Life {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// While it is not reaped.
    pid: Option<Pid>,
    has_been_ready: bool,
    /// Its last lines.
    log: VecDeque<String>,
}

impl Life {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait_while(
        &self,
        limit: Duration,
        mut condition: impl FnMut(&State) -> bool,
    ) -> MutexGuard<'_, State> {
        let waited = self
            .changed
            .wait_timeout_while(self.lock(), limit, |state| condition(state));
        waited.unwrap_or_else(PoisonError::into_inner).0
    }

    fn note(&self, line: &[u8]) {
        let line = String::from_utf8_lossy(line).into_owned();
        let mut state = self.lock();
        if READY.iter().any(|ready| line.contains(ready)) {
            state.has_been_ready = true;
            self.changed.notify_all();
        }
        if state.log.len() == LOG_LINES {
            state.log.pop_front();
        }
        state.log.push_back(line);
    }
}

impl State {
    fn log(&self) -> String {
        self.log
            .iter()
            .fold(String::new(), |log, line| log + line + "\n")
    }
}
