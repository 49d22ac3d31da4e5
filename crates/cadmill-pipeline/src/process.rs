//! The tessellator as a child process, confined and never trusted.
//!
//! The geometry kernel dies on hostile files, so it never runs in the process of its user. The child
//! leads a process group of its own, is killed when its parent dies, is limited in address space,
//! processor time and wall-clock time, inherits only the variables it needs, and writes into a
//! private folder. It gets the STEP file as its standard input, already open, and on Linux it gives up
//! all other files, the network and other processes before it reads it. Where the STEP file names
//! other files, it gets a copy without these names. How it ends is reported by the codes of the failure
//! catalogue:
//!
//! | end | code |
//! |---|---|
//! | cannot be started, or a library of it is missing | `tessellator_missing` |
//! | a `failed` line | its code, however the child left afterwards |
//! | wall-clock limit, `SIGXCPU` | `kernel_timeout` |
//! | `SIGKILL` that is not ours (the out-of-memory killer), `SIGTERM`, `SIGINT`, `SIGHUP`, `SIGQUIT` | `kernel_killed` |
//! | another signal, or an exit code, after words like `bad_alloc` at the end of its log | `kernel_memory` |
//! | another signal | `kernel_crash`, which names it |
//! | another exit code than 0 | `kernel_error` |
//! | exit code 0 without a `done` line, or a result that fails its check | `output_invalid` |
//!
//! A stack that cannot grow because the address space is used up also ends in `SIGSEGV`; that is a
//! `kernel_crash`, for nothing tells it apart. Faults of the kernel itself are tried once more, four
//! times coarser; what came from outside is not. Processes that the child starts die with its group, except when the parent is killed:
//! then only the child dies at once, so it must bind its own children in the same way.

mod child;
mod confine;
mod ending;
mod events;
mod input;
mod output;
mod tail;

use std::{
    io,
    path::{Path, PathBuf},
    process::{Command, ExitStatus},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use cadmill_domain::{
    Failure, FailureCode, Retry,
    tessellator::{
        Cancelled, Conditions, ProgressSink, Retried, Tessellation, TessellationRequest,
        Tessellator,
    },
};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::{metrics, scratch};

use self::{
    child::{Child, Pipes},
    confine::Limits,
    ending::Ending,
    events::{Events, Verdict},
    tail::Tail,
};

/// How long the pipes may stay open after the child has ended: a process that left its group may
/// still hold them.
const DRAIN: Duration = Duration::from_secs(2);
/// How long the tessellator may take to say its version.
const VERSION_TIMEOUT: Duration = Duration::from_secs(20);
/// What it may use for that.
const VERSION_MEMORY: u64 = 4 << 30;

/// Runs `cadmill-tessellate`. Needs a multi-threaded or current-thread runtime with time and I/O.
#[derive(Debug, Clone)]
pub struct ProcessTessellator {
    program: PathBuf,
    scratch: PathBuf,
    require_sandbox: bool,
}

/// What the sandbox of the tessellator lacks on this system.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Deserialize)]
#[non_exhaustive]
pub struct SandboxReport {
    /// The parts of it that the system does not offer, with the reason.
    pub missing: Vec<String>,
    /// What is forbidden, was tried and was refused.
    #[serde(default)]
    pub refused: Vec<String>,
    /// What is forbidden, was tried and succeeded.
    pub allowed: Vec<String>,
}

impl SandboxReport {
    /// Whether nothing is missing.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.missing.is_empty() && self.allowed.is_empty()
    }

    /// What is missing, as one phrase; empty if nothing is.
    #[must_use]
    pub fn lacks(&self) -> String {
        let allowed = self.allowed.iter().map(|what| format!("it allows {what}"));
        let all: Vec<_> = self.missing.iter().cloned().chain(allowed).collect();
        all.join("; ")
    }
}

impl ProcessTessellator {
    /// Runs `program`: a path, or a name that is looked for on `PATH`. Its private folders are made
    /// in the folder for temporary files.
    #[must_use]
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            scratch: std::env::temp_dir(),
            require_sandbox: false,
        }
    }

    /// Makes the private folders in `scratch` instead.
    #[must_use]
    pub fn with_scratch(self, scratch: impl Into<PathBuf>) -> Self {
        let scratch = scratch.into();
        Self { scratch, ..self }
    }

    /// Refuses every file where the system does not offer the whole sandbox.
    #[must_use]
    pub fn require_sandbox(self, require_sandbox: bool) -> Self {
        Self {
            require_sandbox,
            ..self
        }
    }

    /// The program that is run.
    #[must_use]
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// What the program says of itself, for example `cadmill-tessellate 0.1.0 (Open CASCADE 7.6.3)`.
    ///
    /// # Errors
    /// If it cannot be started, or does not answer in time.
    pub async fn version(&self) -> Result<String, Failure> {
        self.ask(|command, _| {
            command.arg("--version");
        })
        .await
    }

    /// Starts the program, which confines itself and then tries what it must not do.
    ///
    /// # Errors
    /// If it cannot be started, or does not answer in time.
    pub async fn sandbox(&self) -> Result<SandboxReport, Failure> {
        let answer = self.ask(|command, folder| {
            command.arg("check-sandbox").arg("--output-dir").arg(folder);
        });
        serde_json::from_str(&answer.await?).map_err(|error| {
            let detail = format!("Its answer on the sandbox cannot be read: {error}.");
            Failure::new(FailureCode::TessellatorMissing, detail)
        })
    }

    /// What the program answers to a question that concerns no file.
    async fn ask(&self, question: impl FnOnce(&mut Command, &Path)) -> Result<String, Failure> {
        let folder = self.private_folder()?;
        let limits = Limits::new(VERSION_MEMORY, VERSION_TIMEOUT, 1);
        let mut command = self.command(&folder, limits)?;
        question(&mut command, folder.path());
        let mut run = Run::start(&self.program, command).await?;
        let mut answer = Tail::default();
        let mut log = Tail::default();
        let pipes = run.pipes;
        let reading = async { tokio::join!(answer.read(pipes.stdout), log.read(pipes.stderr)) };
        let ended = until_ended(&mut run.child, reading);
        let Ok(status) = tokio::time::timeout(VERSION_TIMEOUT, ended).await else {
            run.child.kill().await;
            return Err(Failure {
                code: FailureCode::TessellatorMissing,
                ..ending::out_of_time(VERSION_TIMEOUT, log.text())
            });
        };
        let ending = Ending {
            status: status.map_err(|error| ending::not_started(&self.program, &error))?,
            verdict: Some(Verdict::Done),
            log_tail: log.text(),
            limits,
            memory_bytes: VERSION_MEMORY,
        };
        // If it cannot answer, no file is to blame.
        ending.check().map_err(|failure| Failure {
            code: FailureCode::TessellatorMissing,
            ..failure
        })?;
        Ok(answer.text().unwrap_or_default())
    }

    /// One try by one recipe.
    async fn attempt(
        &self,
        request: &TessellationRequest,
        progress: Arc<dyn ProgressSink>,
        cancelled: Cancelled,
    ) -> Result<Tessellation, Failure> {
        let ended = self.run_child(request, progress, cancelled).await;
        let ended = ended.map_err(|failure| input::explain(failure, &request.external));
        metrics::child_ended(ended.as_ref().err().map(|failure| failure.code));
        ended
    }

    async fn run_child(
        &self,
        request: &TessellationRequest,
        progress: Arc<dyn ProgressSink>,
        cancelled: Cancelled,
    ) -> Result<Tessellation, Failure> {
        let folder = self.private_folder()?;
        let limits = Limits::new(request.memory_bytes, request.timeout, request.threads);
        let mut command = self.command(&folder, limits)?;
        add_arguments(&mut command, &folder, request)?;
        if self.require_sandbox {
            command.arg("--require-sandbox");
        }
        command.stdin(input::open(request, &folder).await?);
        let mut run = Run::start(&self.program, command).await?;
        let mut events = Events::new(progress);
        let mut log = Tail::default();
        let pipes = run.pipes;
        let reading = async { tokio::join!(events.read(pipes.stdout), log.read(pipes.stderr)) };
        let ended = tokio::time::timeout(request.timeout, until_ended(&mut run.child, reading));
        let ended = tokio::select! {
            biased;
            () = cancelled.wait() => None,
            ended = ended => Some(ended),
        };
        let Some(ended) = ended else {
            run.child.stop().await;
            return Err(Failure::new(
                FailureCode::Cancelled,
                "The tessellator was stopped.",
            ));
        };
        let Ok(status) = ended else {
            run.child.kill().await;
            return Err(ending::out_of_time(request.timeout, log.text()));
        };
        let log_tail = log.text();
        let ending = Ending {
            status: status.map_err(|error| ending::not_started(&self.program, &error))?,
            verdict: events.verdict(),
            log_tail: log_tail.clone(),
            limits,
            memory_bytes: request.memory_bytes,
        };
        ending.check()?;
        let request = request.clone();
        let checked = tokio::task::spawn_blocking(move || {
            let mut made = output::read(folder.path(), &request)?;
            made.report.add_missing_geometry(&request.external.missing);
            Ok(made)
        });
        let checked = checked.await.unwrap_or_else(|panicked| {
            let detail = format!("Its check failed: {panicked}.");
            Err(Failure::new(FailureCode::OutputInvalid, detail))
        });
        checked.map_err(|failure| Failure {
            log_tail,
            ..failure
        })
    }

    fn private_folder(&self) -> Result<TempDir, Failure> {
        scratch::private_folder(&self.scratch)
    }

    fn command(&self, folder: &TempDir, limits: Limits) -> Result<Command, Failure> {
        // A bare name is looked for on PATH; a path must hold from the private folder, too.
        let program = match self.program.parent() {
            Some(parent) if parent != Path::new("") => absolute(&self.program)?,
            _ => self.program.clone(),
        };
        let mut command = Command::new(program);
        confine::confine(&mut command, limits);
        command.current_dir(folder).env("TMPDIR", folder.path());
        Ok(command)
    }
}

#[async_trait]
impl Tessellator for ProcessTessellator {
    async fn tessellate(
        &self,
        request: &TessellationRequest,
        progress: Arc<dyn ProgressSink>,
        cancelled: Cancelled,
    ) -> Result<Tessellation, Failure> {
        let first = match self
            .attempt(request, Arc::clone(&progress), cancelled.clone())
            .await
        {
            Err(failure) if failure.code.retry() == Retry::Coarser => failure,
            other => return other,
        };
        let recipe = request.recipe.coarser();
        tracing::info!(
            failure.code = %first.code, failure.detail = first.detail, recipe = %recipe,
            "The tessellator failed; trying once more with a coarser recipe."
        );
        // On one thread: a damaged file may share topology between its parts, and then meshing one
        // while another is transferred can be what failed.
        let coarser = TessellationRequest {
            recipe,
            threads: 1,
            ..request.clone()
        };
        match self.attempt(&coarser, progress, cancelled).await {
            Ok(tessellation) => Ok(retried(tessellation, first, &coarser)),
            // The coarser try had no chance, so the file may be tried again.
            Err(second) if second.code.retry() == Retry::Later => Err(second),
            Err(second) => Err(Failure {
                detail: format!("{} A coarser try ended with {}.", first.detail, second.code),
                log_tail: second.log_tail,
                ..first
            }),
        }
    }

    async fn kernel(&self) -> Result<String, Failure> {
        let version = self.version().await?;
        // As in `cadmill-tessellate 0.1.0 (Open CASCADE 7.6.3)`.
        let kernel = version.split_once('(');
        let kernel = kernel.and_then(|(_, rest)| rest.trim_end().strip_suffix(')'));
        kernel.map(str::to_owned).ok_or_else(|| {
            let detail = format!("It names no kernel, but says `{version}`.");
            Failure::new(FailureCode::TessellatorMissing, detail)
        })
    }
}

fn retried(
    mut tessellation: Tessellation,
    first: Failure,
    request: &TessellationRequest,
) -> Tessellation {
    let report = &mut tessellation.report;
    let conditions = Conditions::new(&report.kernel, request.memory_bytes, request.timeout);
    report.retried = Some(Retried {
        first,
        recipe: request.recipe,
        conditions: Some(conditions),
    });
    tessellation
}

/// A child and what it says.
struct Run {
    child: Child,
    pipes: Pipes,
}

impl Run {
    async fn start(program: &Path, command: Command) -> Result<Self, Failure> {
        let started = Child::start(command).await;
        let (child, pipes) = started.map_err(|error| ending::not_started(program, &error))?;
        Ok(Self { child, pipes })
    }
}

/// Reads the pipes until the child has ended and they are closed.
async fn until_ended<T>(
    child: &mut Child,
    reading: impl Future<Output = T>,
) -> io::Result<ExitStatus> {
    let is_over = CancellationToken::new();
    let ended = async {
        let status = child.ended().await;
        is_over.cancel();
        status
    };
    let drained = async {
        is_over.cancelled().await;
        tokio::time::sleep(DRAIN).await;
    };
    let read = async {
        tokio::select! {
            _ = reading => {}
            () = drained => {}
        }
    };
    tokio::join!(ended, read).0
}

fn add_arguments(
    command: &mut Command,
    folder: &TempDir,
    request: &TessellationRequest,
) -> Result<(), Failure> {
    let recipe = serde_json::to_string(&request.recipe)
        .map_err(|error| Failure::new(FailureCode::KernelError, error.to_string()))?;
    command
        .arg("--output-dir")
        .arg(folder.path())
        .args(["--recipe", &recipe])
        .args(["--source-hash", &request.source_hash.to_string()])
        .args(["--source-faces", &request.source_faces.to_string()])
        .args(["--threads", &request.threads.max(1).to_string()]);
    Ok(())
}

fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(path).map_err(|error| {
        let detail = format!("`{}` has no absolute path: {error}.", path.display());
        Failure::new(FailureCode::Unreadable, detail)
    })
}
